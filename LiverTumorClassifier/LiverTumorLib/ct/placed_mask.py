"""Masks that know where on a grid they lie, in the smallest box that holds them, and as a short text."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .region import bounding_box, components, outermost, shared_boxes

_MOST_VOXELS = 1 << 31
_Numbers = Sequence[int] | NDArray[np.int_]


@dataclass(frozen=True)
class PlacedMask:
    """A mask and where it lies.

    Attributes:
        voxels: bool (k, j, i).
        first: the place (k, j, i) of the first voxel on the grid, which may be negative.
    """

    voxels: NDArray[np.bool_]
    first: tuple[int, ...] = (0, 0, 0)

    @classmethod
    def of(cls, mask: np.ndarray, first: _Numbers = (0, 0, 0)) -> PlacedMask:
        """That of a mask (k, j, i), without the empty room around it."""
        box = bounding_box(mask)
        if box is None:
            return cls(np.zeros((0, 0, 0), bool))
        k, j, i = (int(start) + part.start for start, part in zip(first, box, strict=True))
        return cls(mask[box].astype(bool, copy=False), (k, j, i))

    @classmethod
    def of_values(cls, labels: np.ndarray, values: Collection[int], first: _Numbers = (0, 0, 0)) -> PlacedMask:
        """Where labels (k, j, i) have one of some values, none of which is 0."""
        box = bounding_box(labels)
        if box is None:
            return cls.of(labels)
        inside = labels[box]
        if len(values) == 1:
            mask = inside == next(iter(values))
        elif labels.dtype == np.uint8:
            table = np.zeros(256, bool)
            table[list(values)] = True
            mask = table[inside]
        else:
            mask = np.isin(inside, list(values))
        return cls.of(mask, np.add(first, [part.start for part in box]))

    @classmethod
    def union(cls, *masks: PlacedMask) -> PlacedMask:
        """All that is in any of some masks."""
        masks = tuple(mask for mask in masks if mask.voxels.size)
        if len(masks) < 2:
            return masks[0] if masks else cls(np.zeros((0, 0, 0), bool))
        low = np.min([mask.first for mask in masks], axis=0)
        high = np.max([np.add(mask.first, mask.voxels.shape) for mask in masks], axis=0)
        together = np.zeros(high - low, bool)
        for mask in masks:
            box = tuple(slice(a, a + size) for a, size in zip(mask.first - low, mask.voxels.shape, strict=True))
            together[box] |= mask.voxels
        return cls(together, tuple(low.tolist()))

    def within(self, first: _Numbers, shape: _Numbers) -> NDArray[np.bool_]:
        """The part of it in a box that begins at `first`, as a mask of that box."""
        found = np.zeros(shape, bool)
        into, own = shared_boxes(first, found.shape, self.first, self.voxels.shape)
        found[into] = self.voxels[own]
        return found

    def common(self, other: PlacedMask) -> PlacedMask:
        """What is in both."""
        return PlacedMask.of(self.voxels & other.within(self.first, self.voxels.shape), self.first)

    def without(self, other: PlacedMask) -> PlacedMask:
        """What is in this one only."""
        return PlacedMask.of(self.voxels & ~other.within(self.first, self.voxels.shape), self.first)

    def text(self) -> str:
        """Its box and its voxels in some hundred times fewer letters, none of which is a bar or a colon."""
        numbers = " ".join(map(str, (*self.first, *self.voxels.shape)))
        return f"{numbers} {base64.b64encode(zlib.compress(np.packbits(self.voxels).tobytes(), 1)).decode('ascii')}"

    @classmethod
    def from_text(cls, text: str) -> PlacedMask:
        """The mask of a `text`. Raises ValueError where it is none."""
        *numbers, packed = text.split(" ")
        k, j, i, *shape = map(int, numbers)
        count = math.prod(shape)
        if len(shape) != 3 or min(shape) < 0 or count > _MOST_VOXELS:
            raise ValueError("no box of a mask")
        try:
            stream, size = zlib.decompressobj(), (count + 7) // 8
            bits = stream.decompress(base64.b64decode(packed, validate=True), size + 1)
        except (binascii.Error, zlib.error) as error:
            raise ValueError("no voxels of a mask") from error
        if len(bits) != size or not stream.eof:
            raise ValueError("not the voxels of that box")
        return cls(np.unpackbits(np.frombuffer(bits, np.uint8), count=count).view(bool).reshape(shape), (k, j, i))


def enclosed(part: NDArray[np.bool_], around: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those connected pieces of a mask (k, j, i) that have no neighbor, by a face, but in `around`.

    Beyond the array is no neighbor that could be."""
    rim = outermost(part | around, outside=False).reshape(-1)
    pieces = components(part, faces_only=True)
    result = np.zeros(part.size, bool)
    for number in range(len(pieces.sizes)):
        voxels = pieces.voxels(np.arange(len(pieces.sizes)) == number)
        result[voxels] = not rim[voxels].any()
    return result.reshape(part.shape)
