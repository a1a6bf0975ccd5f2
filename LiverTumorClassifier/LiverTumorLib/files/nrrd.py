"""NRRD in: the header's fields (https://teem.sourceforge.net/nrrd/format.html), its place in the patient as ITK takes
it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..ct.volume import CTVolume
from ..errors import InputError
from .stored import MOST_PACKED_CT, check_grid
from .text_header import MOST_NUMBER, Layout, TextHeader, data_files, in_mm, parse, read_layout

_TYPES = {
    "i1": "signed char|int8|int8_t",
    "u1": "uchar|unsigned char|uint8|uint8_t",
    "i2": "short|short int|signed short|signed short int|int16|int16_t",
    "u2": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
    "i4": "int|signed int|int32|int32_t",
    "u4": "uint|unsigned int|uint32|uint32_t",
    "i8": "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t",
    "u8": "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",
    "f4": "float",
    "f8": "double",
}
_CODES = {name: code for code, names in _TYPES.items() for name in names.split("|")}
_PACKINGS = {
    **dict.fromkeys(("raw",), None),
    **dict.fromkeys(("gzip", "gz"), "deflate"),
    **dict.fromkeys(("bzip2", "bz2"), "bzip2"),
    **dict.fromkeys(("ascii", "text", "txt"), "ascii"),
    "hex": "hex",
}
# To RAS; a space that is not known is taken as LPS, as in ITK. Of LAS, ITK turns the wrong axis; this is as in Slicer.
_SPACES = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
}
_UNKNOWN_PLACE = (
    "The file does not say how the patient lies in it; left-posterior-superior order was assumed, as Slicer does."
)


def read_nrrd(path: Path, name: str, most_packed: float = MOST_PACKED_CT) -> CTVolume:
    """Read NRRD, attached or detached, as it is, unchecked.

    Raises:
        InputError: damaged, not 3-D, several values per voxel, no voxel size, or another size than the header says.
    """
    layout = nrrd_layout(parse(path))
    array, notes = read_layout(path, layout, most_packed)
    return CTVolume(array, layout.ijk_to_ras, name, layout.notes + notes)


def layer_count(header: TextHeader) -> int:
    """How many layers of segments, which may overlap, Slicer has stored side by side; 1 for any other file."""
    kinds, sizes = header.fields.get("kinds", "").lower().split(), header.wholes("sizes")
    stored_so = kinds[:1] == ["list"] and len(sizes) == 4 and any(key.startswith("Segment") for key in header.pairs)
    return sizes[0] if stored_so else 1


def read_layers(header: TextHeader, most_packed: float) -> tuple[np.ndarray, np.ndarray]:
    """The layers (k, j, i, layer) of a file with several, and their 4x4 IJK to RAS matrix. Raises InputError."""
    count, i, j, k = header.wholes("sizes")
    if min(count, i, j, k) < 1:
        raise header.damaged("sizes")
    fields = {name: value for name, value in header.fields.items() if name != "kinds"}
    directions = fields.get("space directions", "").strip()
    fields |= {"dimension": "3", "sizes": f"{count * i} {j} {k}", "space directions": directions.removeprefix("none")}
    layout = nrrd_layout(replace(header, fields=fields))
    array, _notes = read_layout(header.path, layout, most_packed)
    return array.reshape(k, j, i, count), layout.ijk_to_ras


def nrrd_layout(header: TextHeader) -> Layout:
    """What a NRRD header says. Raises InputError."""
    path, fields = header.path, header.fields
    sizes = header.wholes("sizes")
    if header.wholes("dimension") != [len(sizes)] or not 1 <= len(sizes) <= 16:
        raise header.damaged("dimension and sizes do not fit")
    axes, notes = _volume_axes(header, sizes)
    kind = fields.get("type", "").lower()
    if kind not in _CODES:
        raise header.damaged(f'the type "{kind[:40]}" is not a number') if kind != "block" else _color(path)
    dtype = np.dtype(_CODES[kind])
    if dtype.itemsize > 1 and fields.get("encoding", "").lower() not in ("ascii", "text", "txt"):
        if fields.get("endian", "").lower() not in ("little", "big"):
            raise header.damaged("the order of bytes is missing")
        dtype = dtype.newbyteorder("<" if fields["endian"].lower() == "little" else ">")
    encoding = fields.get("encoding", "").lower()
    if encoding not in _PACKINGS:
        raise InputError(
            f"{path} is stored with encoding {encoding[:40]!r}, which is not supported; save it with gzip, in Slicer "
            "for example."
        )
    if header.wholes("line skip") not in ([], [0]):
        raise InputError(
            f"{path} skips lines of its data file, which is not supported; save it as one file, in Slicer for example."
        )
    files = data_files(header)
    skip = (header.wholes("byte skip") or [0])[0]
    attached = files == (path,)
    if attached and skip != 0 and encoding != "raw" or skip < -1:
        raise header.damaged("byte skip")
    matrix, place_notes = _place(header, axes)
    shape = sizes[axes[2]], sizes[axes[1]], sizes[axes[0]]
    skip = skip if skip < 0 else skip + (header.end if attached else 0)
    return Layout(shape, dtype, _PACKINGS[encoding], files, skip, matrix, notes + place_notes)


def _volume_axes(header: TextHeader, sizes: list[int]) -> tuple[list[int], tuple[str, ...]]:
    """Which three of the axes are those of the volume; single others are dropped."""
    if min(sizes) < 1:
        raise header.damaged("sizes")
    if len(sizes) < 3:
        raise InputError(f"{header.path} is a 2-D image; a CT volume is needed.")
    if len(sizes) == 3:
        kinds = header.fields.get("kinds", "").lower().split()
        if any("color" in kind or "vector" in kind or "complex" in kind for kind in kinds):
            raise InputError(f"{header.path} is a 2-D image in color; a CT volume is needed.")
        return [0, 1, 2], ()
    directions = _directions(header)
    placed = [n for n, vector in enumerate(directions or []) if vector is not None]
    axes = (
        placed
        if len(placed) == 3
        else [n for n, size in enumerate(sizes) if size > 1][:3]
        if sizes.count(1) == len(sizes) - 3
        else [0, 1, 2]
    )
    others = [n for n in range(len(sizes)) if n not in axes]
    count = math.prod(sizes[n] for n in others)
    if count > 1 and others[0] == 0:
        raise _color(header.path)
    if count > 1:
        raise InputError(f"{header.path} is a series of {count} volumes; export the one to be analyzed.")
    return axes, ("The file is a 4-D series of one frame, which was taken.",)


def _color(path: Path) -> InputError:
    return InputError(
        f"{path} has several values per voxel (color, vectors or several frames); a CT in Hounsfield units is needed."
    )


def _directions(header: TextHeader) -> list[list[float] | None] | None:
    """The vectors of "space directions", None for "none"; None where the header has no such field."""
    text = header.fields.get("space directions")
    if text is None:
        return None
    vectors: list[list[float] | None] = []
    for item in re.findall(r"\([^)]*\)|none", text.lower()):
        try:
            vector = [float(number) for number in item.strip("()").split(",")] if item != "none" else None
        except ValueError:
            raise header.damaged("space directions") from None
        vectors.append(vector if vector is None or all(abs(value) < MOST_NUMBER for value in vector) else None)
    return vectors


def _place(header: TextHeader, axes: list[int]) -> tuple[np.ndarray, tuple[str, ...]]:
    """IJK to RAS in mm. Without directions the spacings are those along left, posterior and superior, as ITK has it."""
    path, fields = header.path, header.fields
    directions = _directions(header)
    matrix = np.eye(4)
    if directions is not None:
        vectors = [directions[n] if n < len(directions) else None for n in axes]
        usable = [vector[:3] for vector in vectors if vector is not None and len(vector) >= 3]
        if len(usable) < 3:
            raise InputError(f"{path} does not say how large its voxels are; export it again.")
        matrix[:3, :3] = np.array(usable).T
        origin = _directions(TextHeader(path, {"space directions": fields.get("space origin", "(0,0,0)")}, (), 0))
        if not origin or origin[0] is None or len(origin[0]) < 3:
            raise header.damaged("space origin")
        matrix[:3, 3] = origin[0][:3]
    else:
        spacings = header.numbers("spacings")
        spacings = [spacings[n] if n < len(spacings) else math.nan for n in axes]
        if not all(math.isfinite(value) and value != 0 for value in spacings):
            raise InputError(f"{path} does not say how large its voxels are; export it again.")
        matrix[:3, :3] = np.diag(spacings)
        minima = header.numbers("axis mins") or header.numbers("axismins")
        if len(minima) > max(axes) and all(math.isfinite(minima[n]) for n in axes):
            matrix[:3, 3] = [minima[n] for n in axes]
    space = fields.get("space", "").lower().removesuffix("-time").removesuffix("t")
    matrix = np.diag([*_SPACES.get(space, (-1, -1, 1)), 1.0]) @ matrix
    notes = () if {"space", "space dimension"} & fields.keys() else (_UNKNOWN_PLACE,)
    units = set(re.findall(r'"([^"]*)"', fields.get("space units", fields.get("units", "")).lower())) - {"", "mm"}
    matrix, unit_notes = in_mm(matrix, units.pop() if len(units) == 1 else "mm")
    check_grid(path, matrix)
    return matrix, notes + unit_notes
