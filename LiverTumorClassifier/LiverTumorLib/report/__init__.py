"""What shows a case: the picture, and the page of its study as a PDF."""

from .page import case_page
from .picture import case_picture

__all__ = ["case_page", "case_picture"]
