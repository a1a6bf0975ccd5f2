"""Unpacking of zlib and gzip streams, and packing of labels: by Intel's ISA-L where the package isal is installed, in
0.4 and 0.1 of zlib's time."""

from __future__ import annotations

import importlib
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Buffer

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


def gzipped_labels(labels: Buffer) -> bytes:
    """A gzip file of bytes in which runs of one value are long; the same bytes give the same file."""
    if inflater is zlib:  # which finds runs sooner than other patterns, and makes a smaller file of them
        packing = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16, strategy=zlib.Z_RLE)
    else:
        packing = inflater.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    content: bytes = packing.compress(labels) + packing.flush()
    return content
