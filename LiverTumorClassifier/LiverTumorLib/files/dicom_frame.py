"""Is a compressed DICOM frame whole, and of the size that the header says? Asked before a decoder gets it.

Decoders fill what is missing with gray and say nothing, take memory for whatever size a frame claims, and some crash on
impossible ones. JPEG (ITU T.81), JPEG-LS (T.87) and JPEG 2000 (T.800) share their markers: 0xFF and a code, a length of
two bytes, and that many bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

_START, _END = b"\xff\xd8", b"\xff\xd9"  # also of a JPEG 2000 codestream's end
_START_2000 = b"\xff\x4f"
_BOXED_2000 = b"\0\0\0\x0cjP  "  # a .jp2 file, which old writers put there whole
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15, and JPEG-LS
_SCAN, _SIZE_2000, _TILE_2000 = 0xDA, 0x51, 0x90
_MOST_BITS = 16
_PADDING = 64  # bytes in which the end may lie; within compressed pixels its marker cannot occur


def fault_of_jpeg(frame: bytes, rows: int, columns: int) -> str | None:
    """What is wrong with a frame of JPEG, JPEG-LS or JPEG 2000; None where nothing is seen.

    Args:
        frame: all its fragments, joined.
        rows, columns: as the header has them.
    """
    if frame.startswith(_BOXED_2000):
        frame = frame[max(0, frame.find(_START_2000 + b"\xff\x51")) :]
    whole = _END in frame[-_PADDING:]
    if frame.startswith(_START):
        found = _size_of_jpeg(frame)
    elif frame.startswith(_START_2000):
        found = _size_of_jpeg_2000(frame)
        whole = whole or _has_all_tiles(frame)
    else:
        return "no JPEG begins where its pixels should"
    if found is None:
        return "the head of its compressed pixels is damaged"
    bits, *size = found
    if size != [rows, columns]:
        return f"its compressed pixels are {size[1]} x {size[0]}, where the header says {columns} x {rows}"
    if not 2 <= bits <= _MOST_BITS:
        return f"its compressed pixels claim {bits} bits each"
    return None if whole else "its compressed pixels break off"


def _segments(frame: bytes, at: int) -> Iterator[tuple[int, int, bytes]]:
    """The marker segments from a byte on: code, where it begins, and what it holds."""
    while frame[at : at + 1] == b"\xff" and at + 4 <= len(frame):
        code, length = frame[at + 1], int.from_bytes(frame[at + 2 : at + 4])
        if code == 0xFF:  # a filler
            at += 1
            continue
        if length < 2:
            return
        yield code, at, frame[at + 4 : at + 2 + length]
        at += 2 + length


def _size_of_jpeg(frame: bytes) -> tuple[int, int, int] | None:
    """Bits, rows and columns."""
    for code, _, content in _segments(frame, 2):
        if code in _FRAMES and len(content) >= 6:
            return content[0], int.from_bytes(content[1:3]), int.from_bytes(content[3:5])
        if code == _SCAN:
            return None
    return None


def _size_of_jpeg_2000(frame: bytes) -> tuple[int, int, int] | None:
    """Bits, rows and columns."""
    code, _, content = next(_segments(frame, 2), (0, 0, b""))
    if code != _SIZE_2000 or len(content) < 37:
        return None
    right, bottom, left, top = (int.from_bytes(content[at : at + 4]) for at in (2, 6, 10, 14))
    return (content[36] & 0x7F) + 1, bottom - top, right - left


def _has_all_tiles(frame: bytes) -> bool:
    """Whether the tile-parts, which name their lengths, fill the codestream; some writers leave its end marker out."""
    at = next((begin for code, begin, _ in _segments(frame, 2) if code == _TILE_2000), 0)
    while frame[at + 1 : at + 2] == bytes([_TILE_2000]) and (length := int.from_bytes(frame[at + 6 : at + 10])):
        at += length
    return len(frame.rstrip(b"\0")) <= at <= len(frame)
