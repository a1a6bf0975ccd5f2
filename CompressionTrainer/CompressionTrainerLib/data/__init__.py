"""Labelled CT as training data: cases, patient-wise splits, cached network slices, augmentation."""
