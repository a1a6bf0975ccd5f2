"""Results as DICOM objects of the patient's own study: a segmentation, a structured report, the page of the case."""

from .results import write_dicom

__all__ = ["write_dicom"]
