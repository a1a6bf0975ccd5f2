"""The panel of CompressionTrainer. Runs inside the Slicer application only, and loads no TensorFlow."""
