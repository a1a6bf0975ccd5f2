"""What is done with a CT: segment liver and tumour, classify slices, measure lesions. No Slicer, no TensorFlow."""
