"""The one page that shows a case, as a picture and as a PDF."""

from .picture import case_page, case_picture

__all__ = ["case_page", "case_picture"]
