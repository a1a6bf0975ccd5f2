"""The trainer in Slicer's terms: runs that its event loop finishes, curves and results as tables and plots. Loads no
TensorFlow."""
