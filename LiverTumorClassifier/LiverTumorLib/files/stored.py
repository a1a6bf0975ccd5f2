"""Stored voxels of any volume file: sizes are checked before memory is taken, and checksums to the end of the file."""

from __future__ import annotations

import bz2
import io
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .inflate import InflateError, inflating
from .intensity import LEAST_MM, MOST_MM, HUBuffer

if TYPE_CHECKING:
    from typing_extensions import Buffer

MOST_VOXELS = 2**30  # 2 GiB as int16; 512 x 512 x 4096
MOST_PACKED = 1100  # deflate packs 1032 to 1 at best, which nothing but one value throughout reaches
MOST_PACKED_CT = 100  # CT in a window pack to about 6, as float64 to some 30
SMALL = 1 << 28  # bytes; what unpacks to less is unpacked whatever its ratio
MOST_BEHIND = 1 << 26  # bytes behind the voxels
_CHUNK = 1 << 18
# What files and decompressors raise on incomplete or damaged data.
DAMAGE = (OSError, EOFError, ValueError, OverflowError, *InflateError)


def check_regular(path: Path, named_by: Path | None = None) -> None:
    """Refuse what would block or never end when it is read: pipes, sockets, devices; folders as well.

    Args:
        path: the file to be read.
        named_by: the header that names it, where it is not the input itself.

    Raises:
        InputError: the file is missing, or no plain file.
    """
    who = f"{named_by} names {path} as its data file, which" if named_by else f"{path}"
    try:
        mode = os.stat(path).st_mode
    except PermissionError as error:
        raise InputError(f"{who} may not be read; ask for permission to read it.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{who} does not exist; check the name, and copy it again if it was left behind.") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{who} is a {_kind(mode)}, not a file; copy the data into a file first.")


def _kind(mode: int) -> str:
    names = (
        (stat.S_ISDIR, "folder"),
        (stat.S_ISFIFO, "pipe"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISCHR, "device"),
        (stat.S_ISBLK, "device"),
    )
    return next((name for fits, name in names if fits(mode)), "special file")


def check_size(
    path: Path, shape: tuple[int, ...], dtype: np.dtype, packed: int | None, held: int, most_packed: float
) -> None:
    """Refuse a header that promises more voxels than the file can hold, before any memory is taken for them.

    Args:
        shape: (k, j, i) as the header says.
        packed: bytes of the compressed stream; None where the voxels are not compressed.
        held: bytes from the first voxel to the end of the file, where they are not compressed.
        most_packed: how many times larger a stream may get when it is unpacked.

    Raises:
        InputError: too many voxels, or more than the file holds.
    """
    size = " x ".join(map(str, shape[::-1]))
    voxels = math.prod(shape)
    promised = voxels * dtype.itemsize
    if voxels > MOST_VOXELS:
        raise InputError(f"{path} claims {size} voxels, more than any CT has; its header is damaged, export it again.")
    if packed is None and promised > held:
        raise InputError(
            f"{path} is incomplete: its header promises {size} voxels ({promised} bytes), but it holds {max(held, 0)} "
            "bytes of them; copy or export it again."
        )
    if packed is not None and (promised > MOST_PACKED * (packed + 100) or promised > max(SMALL, most_packed * packed)):
        raise InputError(
            f"{path} claims {size} voxels ({promised} bytes) in {packed} compressed bytes, which no scan fits in; "
            "it is damaged or incomplete, copy or export it again."
        )


def check_grid(path: Path, matrix: np.ndarray) -> None:
    """Refuse a grid that no volume can have.

    Args:
        matrix: 4x4 IJK to RAS, mm.

    Raises:
        InputError: not finite, singular, or voxels of an impossible size.
    """
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not (np.isfinite(matrix).all() and (lengths > 0).all() and abs(np.linalg.det(matrix[:3, :3] / lengths)) > 1e-6):
        raise InputError(f"{path} has no usable orientation (its affine matrix is singular); export it again.")
    if lengths.min() < LEAST_MM or lengths.max() > MOST_MM:
        size = " x ".join(f"{value:.4g}" for value in lengths)
        raise InputError(
            f"{path} has voxels of {size} mm, which no CT has; its header is damaged or not in millimeters."
        )


@contextmanager
def unpacked(path: Path, packing: str | None, offset: int = 0) -> Iterator[io.BufferedIOBase]:
    """The voxels' bytes of a file from `offset` on; `packing` is None, "deflate" (gzip or zlib) or "bzip2"."""
    with open(path, "rb") as file:
        file.seek(offset)
        if packing == "deflate":
            yield io.BufferedReader(_Inflated(file), _CHUNK)
        elif packing == "bzip2":
            yield bz2.BZ2File(file)
        else:
            yield file


class _Inflated(io.RawIOBase):
    """The unpacked bytes of a zlib stream, or of a gzip file of one or more members, each with its checksum compared at
    its end."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file, self._packed, self._stream = file, b"", inflating()

    def readable(self) -> bool:
        return True

    def readinto(self, target: Buffer) -> int:
        view = memoryview(target).cast("B")
        while True:
            if self._stream.eof:
                self._packed = self._stream.unused_data or self._file.read(_CHUNK)
                if not self._packed.startswith(b"\x1f\x8b"):
                    return 0
                self._stream = inflating()
            packed = self._packed or self._file.read(_CHUNK)
            part = self._stream.decompress(packed, len(view))
            self._packed = self._stream.unconsumed_tail
            if part:
                view[: len(part)] = part
                return len(part)
            if not packed and not self._stream.eof:
                raise EOFError("the compressed data end early")


def read_hu(
    file: io.BufferedIOBase, shape: tuple[int, int, int], dtype: np.dtype, slope: float = 1.0, intercept: float = 0.0
) -> np.ndarray:
    """Read (k, j, i) voxels plane by plane; the result is int16 or float32, see `HUBuffer`. Raises EOFError where they
    end early."""
    buffer = HUBuffer(shape)
    plane = np.empty(shape[1:], dtype)
    view = plane.reshape(-1).view(np.uint8).data
    for k in range(shape[0]):
        filled = 0
        while filled < len(view):
            count = file.readinto(view[filled:])
            if not count:
                raise EOFError("the voxels end early")
            filled += count
        buffer.put(k, plane, slope, intercept)
    return buffer.array


def read_behind(file: io.BufferedIOBase) -> int:
    """How many bytes lie behind the voxels, at most a little over `MOST_BEHIND`; a compressed stream is compared with
    its checksum."""
    count = 0
    while count <= MOST_BEHIND and (part := file.read(_CHUNK)):
        count += len(part)
    return count
