"""A DICOM file as pydicom's data set, whether or not it follows PS3.10.

Old consoles and planning systems write no preamble, no file meta group or no transfer syntax.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO

from ..errors import RequirementError

if TYPE_CHECKING:
    from pydicom import Dataset

META_BYTES = 4096  # more than any file meta group takes
_DEFLATED = "1.2.840.10008.1.2.1.99"
_MOST_INFLATED = 1 << 26  # bytes of a deflated data set; a slice has half a million
_LONG_VR = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")


def import_pydicom() -> ModuleType:
    """pydicom, or a RequirementError that says how to get it."""
    try:
        import pydicom
    except ImportError:
        raise RequirementError("Reading DICOM needs pydicom: pip install pydicom.") from None
    return pydicom


def plain(text: str) -> str:
    """Text of a header without what a terminal would act upon."""
    return text if text.isprintable() else "".join(letter for letter in text if letter.isprintable())


def looks_like_dicom(file: Path) -> bool:
    """Whether a file begins as DICOM does, with or without a preamble."""
    try:
        with open(file, "rb") as stream:
            return begins_as_dicom(stream.read(140))
    except OSError:
        return False


def read_dataset(file: Path, stop_before_pixels: bool = False) -> Dataset:
    """pydicom's data set of a file, whether or not it has a preamble, a file meta group and a transfer syntax.

    Raises whatever pydicom raises, ValueError where the file is not DICOM, RequirementError where pydicom is not
    installed.
    """
    with open(file, "rb") as stream:
        head = stream.read(META_BYTES)
        if not begins_as_dicom(head):
            raise ValueError("no DICOM")
        return dataset_of(stream, head, stop_before_pixels=stop_before_pixels)


def begins_as_dicom(head: bytes) -> bool:
    """By the prefix of PS3.10, or else by a first element that only DICOM has: of group 2 or 8, with a known form."""
    if head[128:132] == b"DICM":
        return True
    group, element, vr, length = head[:2], head[2:4], head[4:6], int.from_bytes(head[4:8], "little")
    explicit = len(head) >= 8 and vr.isalpha() and vr.isupper()
    if group == b"\2\0":
        return explicit and element[1:] in (b"\0", b"\1")
    if group == b"\0\x08":
        return explicit and element[:1] == b"\0"
    return (
        len(head) >= 8
        and group == b"\x08\0"
        and element[1:] == b"\0"
        and element[0] < 0x20
        and (explicit or length <= 1024)
    )


def file_meta(head: bytes) -> tuple[dict[int, str], int]:
    """Texts of the file meta group by element number, and where the group ends."""
    at = 132 if head[128:132] == b"DICM" else 0
    values: dict[int, str] = {}
    while head[at : at + 2] == b"\2\0" and len(head) >= at + 8:
        element, vr = int.from_bytes(head[at + 2 : at + 4], "little"), head[at + 4 : at + 6]
        if vr in _LONG_VR:
            begin, length = at + 12, int.from_bytes(head[at + 8 : at + 12], "little")
        elif vr.isalpha() and vr.isupper():
            begin, length = at + 8, int.from_bytes(head[at + 6 : at + 8], "little")
        else:
            begin, length = at + 8, int.from_bytes(head[at + 4 : at + 8], "little")
        at = begin + length
        values[element] = head[begin:at].decode("ascii", "replace").strip("\0 ")
    return values, at


def dataset_of(
    stream: BinaryIO, head: bytes, *, stop_before_pixels: bool = False, specific_tags: list[int | str] | None = None
) -> Dataset:
    """As `read_dataset`, of an open file whose first META_BYTES are `head`; the options are those of `dcmread`."""
    meta, end = file_meta(head)
    if end >= META_BYTES:
        raise ValueError("a file meta group without end")
    if meta.get(0x10) == _DEFLATED:
        stream.seek(end)
        _check_inflated(stream)
    stream.seek(0)
    dataset: Dataset = import_pydicom().dcmread(
        stream, force=True, stop_before_pixels=stop_before_pixels, specific_tags=specific_tags
    )
    return dataset


def _check_inflated(stream: BinaryIO) -> None:
    """Raise ValueError where a deflated data set, which pydicom inflates whole, would take too much memory."""
    inflate, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while data := inflate.unconsumed_tail or stream.read(1 << 16):
        size += len(inflate.decompress(data, 1 << 20))
        if size > _MOST_INFLATED:
            raise ValueError("more than any slice holds")
        if inflate.eof:
            return
