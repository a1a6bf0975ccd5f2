"""The text before the voxels of NRRD and MetaImage files: what ITK does not ask of them, and would fill in silently."""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path

from ..errors import InputError

_LONGEST = 1 << 20  # bytes; a header is text, and what has none of it is no header
_GZIP = 31  # zlib's name for a stream with gzip's header and checksum


def check_header(path: Path) -> tuple[str, ...]:
    """Look at the header and, where it is compressed, the data of a NRRD or MetaImage file.

    Returns:
        notes on what the file does not say.

    Raises:
        InputError: no voxel size, or compressed data that are damaged or incomplete.
    """
    nrrd = path.name.lower().endswith((".nrrd", ".nhdr"))
    fields, offset = _fields(path, ":" if nrrd else "=")
    sizes = fields.get("space directions") or fields.get("spacings") if nrrd else fields.get("elementspacing") or fields.get("elementsize")
    if _axes_with_size(sizes or "") < 3:
        raise InputError(f"{path} does not say how large its voxels are; export it again.")
    compressed = fields.get("encoding", "").lower() in ("gzip", "gz") if nrrd else fields.get("compresseddata", "").lower() == "true"
    if compressed:
        _check_stream(path, data_file(path), offset, _GZIP if nrrd else zlib.MAX_WBITS)
    if nrrd and not {"space", "space dimension"} & fields.keys():
        return ("The file does not say how the patient lies in it; left-posterior-superior order was assumed, as Slicer does.",)
    return ()


def data_file(path: Path) -> Path:
    """Where the voxels of a NRRD or MetaImage file lie: in itself, or in a file that its header names."""
    nrrd = path.name.lower().endswith((".nrrd", ".nhdr"))
    fields, _ = _fields(path, ":" if nrrd else "=")
    name = fields.get("data file", fields.get("datafile", "")) if nrrd else fields.get("elementdatafile", "LOCAL")
    return path if name in ("", "LOCAL") or name.startswith("LIST") or "%" in name else path.parent / name


def _fields(path: Path, separator: str) -> tuple[dict[str, str], int]:
    """Names in lower case with their values, and where the voxels begin."""
    fields: dict[str, str] = {}
    with open(path, "rb") as file:
        for line in iter(lambda: file.readline(_LONGEST), b""):
            text = line.decode("utf-8", "replace").strip()
            if separator == ":" and not text:
                break
            name, found, value = text.partition(separator)
            if found:
                fields.setdefault(name.strip().lower(), value.strip())
            if separator == "=" and name.strip().lower() == "elementdatafile":
                break
        return fields, file.tell()


def _axes_with_size(text: str) -> int:
    """How many axes have a size or a direction; of those without, NRRD says "none" or "nan"."""
    axes = re.findall(r"\(([^)]*)\)", text) if "(" in text else text.split()
    return sum(all(map(_is_number, axis.split(","))) for axis in axes)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _check_stream(path: Path, data: Path, offset: int, bits: int) -> None:
    """ITK takes what it could unpack of a damaged stream, and says nothing."""
    stream = zlib.decompressobj(bits)
    try:
        with open(data, "rb") as file:
            file.seek(offset if data == path else 0)
            while not stream.eof and (chunk := file.read(1 << 20)):
                stream.decompress(chunk)
    except (OSError, zlib.error) as error:
        raise _damaged(path) from error
    if not stream.eof:
        raise _damaged(path)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged or incomplete; copy or export it again.")
