"""Results as DICOM objects of the patient's own study: a segmentation, structured reports, the page of the case."""

from .follow_up import write_follow_up_reports
from .results import write_dicom

__all__ = ["write_dicom", "write_follow_up_reports"]
