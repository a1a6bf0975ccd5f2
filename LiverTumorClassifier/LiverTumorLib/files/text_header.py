"""NRRD and MetaImage files: a text header, and voxels behind it or in files that it names.

No native reader sees these headers: ITK's ends the process on some that are damaged, fills what is missing with old
memory, and says nothing of wrong checksums. What they mean is as in ITK, which the tests compare.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .stored import DAMAGE, MOST_BEHIND, SMALL, check_regular, check_size, read_behind, read_hu, unpacked

if TYPE_CHECKING:
    from typing_extensions import Buffer

NRRD_ENDINGS = (".nrrd", ".nhdr")
MOST_NUMBER = 1e12  # no length in a header is longer, whatever its unit
_LONGEST = 1 << 20  # bytes; a header is text, and what has none of it is not a header
_MOST_FILES = 100_000
_MM = {"m": 1000.0, "cm": 10.0, "um": 0.001, "µm": 0.001, "micron": 0.001, "microns": 0.001}
_PATTERN = re.compile(r"[^%]*%0?\d{0,2}d[^%]*")  # the only kind of pattern for file names that is followed


@dataclass(frozen=True)
class TextHeader:
    """A header as text: field names in lower case with their values, the lines behind a LIST, where the voxels begin in
    the file, and a NRRD's pairs of a key and a value, which are anybody's."""

    path: Path
    fields: dict[str, str]
    listed: tuple[str, ...]
    end: int
    pairs: dict[str, str] = field(default_factory=dict)

    def numbers(self, name: str) -> list[float]:
        """The numbers of a field, none where it is missing. Raises InputError where it has something else."""
        try:
            values = [float(text) for text in self.fields.get(name, "").split()]
        except ValueError:
            raise self.damaged(f'"{self.fields[name][:40]}" for {name}') from None
        if any(MOST_NUMBER < abs(value) < math.inf for value in values):
            raise self.damaged(f'"{self.fields[name][:40]}" for {name}')
        return values

    def wholes(self, name: str) -> list[int]:
        """Whole numbers of a field, as `numbers`."""
        values = self.numbers(name)
        if not all(value.is_integer() for value in values):
            raise self.damaged(f'"{self.fields[name][:40]}" for {name}')
        return [int(value) for value in values]

    def damaged(self, what: str) -> InputError:
        return InputError(f"{self.path} has a damaged header ({what}); copy or export it again.")


@dataclass(frozen=True)
class Layout:
    """How the voxels of a volume lie in their files.

    Attributes:
        shape: (k, j, i).
        dtype: number type with its order of bytes.
        packing: None, "deflate" or "bzip2", see `stored.unpacked`; "ascii" or "hex" for text.
        files: the files that hold the voxels one after the other; the header's own for an attached header.
        skip: bytes before the voxels of each file; -1 where they are the last bytes of the file.
        ijk_to_ras: 4x4, mm.
        notes: what the header does not say, or says twice.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    packing: str | None
    files: tuple[Path, ...]
    skip: int
    ijk_to_ras: np.ndarray
    notes: tuple[str, ...] = ()


def parse(path: Path) -> TextHeader:
    """Split a header into its fields; says nothing of their meaning. Raises InputError where it is endless, and
    OSError."""
    nrrd = _is_nrrd(path)
    separator, last = (":", None) if nrrd else ("=", "elementdatafile")
    fields: dict[str, str] = {}
    pairs: dict[str, str] = {}
    listed: list[str] = []
    listing = False
    with open(path, "rb") as file:
        for line in iter(lambda: file.readline(_LONGEST), b""):
            if file.tell() > _LONGEST:
                raise InputError(f"{path} has no end of its header; copy or export it again.")
            text = line.decode("utf-8", "surrogateescape").strip()
            if nrrd and not text and not listing:
                break
            if listing:
                listed += [text] if text else []
                continue
            name, found, value = text.partition(separator)
            key = name.strip().lower()
            if nrrd and value.startswith("=") and not text.startswith("#"):
                pairs.setdefault(name, value[1:])
            elif found and not (nrrd and text.startswith("#")):
                fields.setdefault(key, value.strip())
            listing = (
                bool(found) and key in ("data file", "datafile", "elementdatafile") and value.strip().startswith("LIST")
            )
            if key == last and not listing:
                break
        return TextHeader(path, fields, tuple(listed[:_MOST_FILES]), file.tell(), pairs)


def _is_nrrd(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"NRRD"


def data_files(header: TextHeader) -> tuple[Path, ...]:
    """The files with the voxels, in order: the header's own, one, a list, or those of a pattern such as `slice%03d.raw
    1 90 1`.

    Raises:
        InputError: names that no file can have.
    """
    name = next(
        (header.fields[key] for key in ("data file", "datafile", "elementdatafile") if key in header.fields), "LOCAL"
    )
    if name.upper() in ("", "LOCAL"):
        return (header.path,)
    if name.startswith("LIST"):
        names = list(header.listed)
    elif "%" in name and (parts := name.split()) and len(parts) >= 4 and _PATTERN.fullmatch(parts[0]):
        first, final, step = (int(number) if re.fullmatch(r"-?\d{1,9}", number) else 0 for number in parts[1:4])
        if step == 0 or abs(final - first) // abs(step) > _MOST_FILES:
            raise header.damaged(f"data files {name[:60]}")
        names = [parts[0] % number for number in range(first, final + (1 if step > 0 else -1), step)]
    else:
        names = [name]
    if not names or any("\0" in item for item in names):
        raise header.damaged("names of data files")
    return tuple(header.path.parent / item for item in names)


def data_file(path: Path) -> Path:
    """Where the voxels of a NRRD or MetaImage file lie, for telling a changed input: in itself, or the first file that
    its header names."""
    try:
        return data_files(parse(path))[0]
    except (InputError, OSError):
        return path


def in_mm(matrix: np.ndarray, unit: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """A 4x4 matrix in the unit that the header names, in mm. ITK takes any as mm, which stays where nothing else makes
    sense."""
    scale = _MM.get(unit)
    if scale is None:
        return matrix, ()
    sizes = np.linalg.norm(matrix[:3, :3], axis=0)
    if not (sizes.min() * scale > 0.05 and sizes.max() * scale < 15):
        return matrix, (
            f"The file gives lengths in {unit}, which its voxel size contradicts; they were taken as mm, as in ITK.",
        )
    return np.diag([scale, scale, scale, 1.0]) @ matrix, (
        f"The file gives lengths in {unit}; they were converted to millimeters.",
    )


def read_layout(path: Path, layout: Layout, most_packed: float) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read the voxels of a layout as (k, j, i) int16 or float32, and notes on what is left over.

    Raises:
        InputError: a data file is missing, no plain file, damaged, too short, or promises too much.
    """
    for file in layout.files:
        if file != path:
            check_regular(file, path)
    whole = int(np.prod([float(n) for n in layout.shape])) * layout.dtype.itemsize
    sizes = [file.stat().st_size for file in layout.files]
    skip = layout.skip
    if skip < 0:
        skip = max(sizes[0] * len(sizes) - whole, 0) // len(sizes) if layout.packing is None else 0
    held = sum(max(size - skip, 0) for size in sizes)
    text = layout.packing in ("ascii", "hex")
    check_size(path, layout.shape, layout.dtype, held if layout.packing else None, held, most_packed)
    if text and held > SMALL:
        raise InputError(
            f"{path} holds its voxels as text, too many of them; save it with gzip, in Slicer for example."
        )
    try:
        with contextlib.closing(_opened(layout, skip)) as parts:
            stream: io.BufferedIOBase = io.BufferedReader(_Joined(parts), 1 << 17)
            if text:
                stream = io.BytesIO(_from_text(stream.read(), layout))
            array = read_hu(stream, layout.shape, layout.dtype)
            behind = read_behind(stream)
    except DAMAGE as error:
        raise InputError(f"{path} is damaged or incomplete; copy or export it again.") from error
    if behind > MOST_BEHIND:
        raise InputError(
            f"{path} holds far more than the voxels its header describes; the header is damaged, export it again."
        )
    if behind < array[0].size * layout.dtype.itemsize:
        return array, ()
    return array, (
        f"The file holds {behind} bytes more than the {layout.shape[0]} slices of its header; they were left out.",
    )


def _opened(layout: Layout, skip: int) -> Generator[io.BufferedIOBase]:
    for file in layout.files:
        with unpacked(file, None if layout.packing in ("ascii", "hex") else layout.packing, skip) as opened:
            yield opened


class _Joined(io.RawIOBase):
    """Files one behind the other as one."""

    def __init__(self, parts: Iterator[io.BufferedIOBase]) -> None:
        self._parts = parts
        self._part: io.BufferedIOBase | None = next(parts)

    def readable(self) -> bool:
        return True

    def readinto(self, target: Buffer) -> int:
        while self._part is not None:
            count = self._part.readinto(target)
            if count:
                return count
            self._part = next(self._parts, None)
        return 0


def _from_text(text: bytes, layout: Layout) -> bytes:
    if layout.packing == "hex":
        return bytes.fromhex(text.decode("ascii"))
    numbers = text.replace(b",", b" ").split()
    if layout.dtype.kind == "f":
        return np.array(numbers, np.float64).astype(layout.dtype).tobytes()
    return np.array([int(number) for number in numbers], np.int64).astype(layout.dtype).tobytes()
