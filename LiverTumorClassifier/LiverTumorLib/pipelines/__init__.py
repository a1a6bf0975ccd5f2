"""What is done with a CT: segment liver and tumor, classify slices, measure lesions. No Slicer, no TensorFlow."""
