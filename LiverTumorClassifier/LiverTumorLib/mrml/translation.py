"""Slicer's translation of texts that a user reads; English where there is no Slicer, as with slicer-core alone."""

from __future__ import annotations

try:
    from slicer.i18n import tr as _  # which takes the name of the calling file for the context
except ImportError:

    def _(text: str) -> str:
        return text


__all__ = ["_"]
