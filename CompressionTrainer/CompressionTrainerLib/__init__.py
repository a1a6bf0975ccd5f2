"""CompressionTrainerLib: train, compress, export and compare the networks. The only tree that imports TensorFlow."""
