"""Unpacking of zlib and gzip streams: by Intel's ISA-L where the package isal is installed, in 0.4 of zlib's time."""

from __future__ import annotations

import importlib
import zlib
from typing import Any

try:
    inflater: Any = importlib.import_module("isal.isal_zlib")
except ImportError:  # Slicer has none
    inflater = zlib

InflateError = (zlib.error, inflater.error)


def inflating() -> Any:
    """A decompressor, like zlib's, of a zlib stream or a member of a gzip file, which it compares with its checksum.

    It raises `InflateError` for what is damaged.
    """
    return inflater.decompressobj(zlib.MAX_WBITS | 32)
