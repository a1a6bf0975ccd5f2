"""The one-page picture of a case."""

from .picture import case_picture

__all__ = ["case_picture"]
