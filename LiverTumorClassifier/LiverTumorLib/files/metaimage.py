"""MetaImage in (https://itk.org/Wiki/ITK/MetaIO/Documentation): the header's fields, its place in the patient as ITK
takes it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ..ct.volume import LPS_RAS, CTVolume
from ..errors import InputError
from .stored import MOST_PACKED_CT, check_grid
from .text_header import Layout, TextHeader, data_files, in_mm, parse, read_layout

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}


def read_metaimage(path: Path, name: str, most_packed: float = MOST_PACKED_CT) -> CTVolume:
    """Read MetaImage, one file or two, as it is, unchecked.

    Raises:
        InputError: damaged, not 3-D, several values per voxel, no voxel size, or another size than the header says.
    """
    layout = metaimage_layout(parse(path))
    array, notes = read_layout(path, layout, most_packed)
    return CTVolume(array, layout.ijk_to_ras, name, layout.notes + notes)


def metaimage_layout(header: TextHeader) -> Layout:
    """What a MetaImage header says. Raises InputError."""
    path, fields = header.path, header.fields
    sizes = header.wholes("dimsize")
    if header.wholes("ndims") != [len(sizes)] or not 1 <= len(sizes) <= 10 or min(sizes) < 1:
        raise header.damaged("NDims and DimSize do not fit")
    if len(sizes) < 3:
        raise InputError(f"{path} is a 2-D image; a CT volume is needed.")
    if math.prod(sizes[3:]) > 1:
        raise InputError(f"{path} is a series of {math.prod(sizes[3:])} volumes; export the one to be analyzed.")
    if header.wholes("elementnumberofchannels") not in ([], [1]):
        raise InputError(
            f"{path} has several values per voxel (color, vectors or several frames); a CT in Hounsfield units is "
            "needed."
        )
    notes: tuple[str, ...] = ("The file is a 4-D series of one frame, which was taken.",) if len(sizes) > 3 else ()
    kind = fields.get("elementtype", "").upper()
    if kind not in _TYPES:
        raise header.damaged(f'the ElementType "{kind[:40]}" is not a number')
    dtype = np.dtype(_TYPES[kind]).newbyteorder(
        ">" if _is_true(header, "elementbyteordermsb", "binarydatabyteordermsb") else "<"
    )
    if "elementdatafile" not in fields:
        raise header.damaged("ElementDataFile is missing")
    compressed, packing = _is_true(header, "compresseddata"), None
    if "binarydata" in fields and not _is_true(header, "binarydata"):
        packing = "ascii"
    elif compressed:
        packing = "deflate"
    files = data_files(header)
    skip = (header.wholes("headersize") or [0])[0]
    if skip < -1 or (files == (path,) and skip not in (0, -1)):
        raise header.damaged("HeaderSize")
    attached = files == (path,)
    if compressed and skip < 0:
        skip = 0
    shape = sizes[2], sizes[1], sizes[0]
    start = header.end if attached and skip == 0 else skip
    if compressed and attached:
        notes += _packed_note(header, path.stat().st_size - start)
    matrix, place_notes = _place(header, len(sizes))
    return Layout(shape, dtype, packing, files, start, matrix, notes + place_notes)


def _packed_note(header: TextHeader, held: int) -> tuple[str, ...]:
    """A compressed stream says itself where it ends; a header that says otherwise is worth a note."""
    said = header.wholes("compresseddatasize")
    if said in ([], [held]):
        return ()
    return (
        (
            f"The header says {said[0]} bytes of compressed data where the file holds {held}; they were read to their "
            "own end."
        ),
    )


def _is_true(header: TextHeader, *names: str) -> bool:
    return any(header.fields.get(name, "").lower() in ("true", "1", "t", "yes") for name in names)


def _place(header: TextHeader, dimensions: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """IJK to RAS in mm: the rows of TransformMatrix are the directions of the axes in LPS."""
    path = header.path
    spacing = header.numbers("elementspacing") or header.numbers("elementsize")
    if len(spacing) < 3 or not all(math.isfinite(value) and value != 0 for value in spacing[:3]):
        raise InputError(f"{path} does not say how large its voxels are; export it again.")
    rows = _first(header, ("transformmatrix", "rotation", "orientation"), np.eye(dimensions).ravel().tolist())
    origin = _first(header, ("offset", "position", "origin"), [0.0] * dimensions)
    if len(rows) != dimensions**2 or len(origin) < 3 or not np.isfinite([*rows, *origin]).all():
        raise header.damaged("TransformMatrix or Offset")
    axes = np.reshape(rows, (dimensions, dimensions))[:3, :3].T
    matrix = np.eye(4)
    matrix[:3, :3] = LPS_RAS @ axes * spacing[:3]
    matrix[:3, 3] = LPS_RAS @ origin[:3]
    matrix, notes = in_mm(matrix, header.fields.get("distanceunits", "mm").lower())
    check_grid(path, matrix)
    return matrix, notes


def _first(header: TextHeader, names: tuple[str, ...], default: list[float]) -> list[float]:
    return next((header.numbers(name) for name in names if name in header.fields), default)
