"""Labeled CT as training data: case folders and their check, frozen splits, cached network slices, sampling,
augmentation."""
