"""How good the shipped (or any) models are on labeled CT: per case, per lesion and per slice, with intervals by
patient.

Runs without TensorFlow: it measures what users run.
"""
