"""Boxes around masks, so that costly steps see only what they need, and the parts that masks fall into.

Parts are found from the runs of a mask, the stretches of its rows that are set: there are some hundred times fewer of
them than voxels, and no volume of numbers is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice, slice]

# Which rows touch a row, each pair once: (slices, rows) further, and by how many voxels beyond their ends runs touch.
_FACES = ((0, 1, 0), (1, 0, 0))
_EDGES_AND_CORNERS = ((0, 1, 1), (1, -1, 1), (1, 0, 1), (1, 1, 1))
_WITHIN_SLICES = ((0, 1, 0),)


def bounding_box(mask: np.ndarray) -> Box | None:
    """Smallest box (k, j, i) that holds all of a 3-D mask (anything but 0); None when the mask is empty."""
    ks = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(ks):
        return None
    inner = mask[ks[0] : ks[-1] + 1]
    seen = np.asarray(inner.any(axis=0))
    js, is_ = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return _span(ks), _span(js), _span(is_)


def _span(used: NDArray[np.intp]) -> slice:
    return slice(int(used[0]), int(used[-1]) + 1)


def box_of(mask: np.ndarray) -> Box:
    """`bounding_box` of a mask that holds something; ValueError where it is empty."""
    box = bounding_box(mask)
    if box is None:
        raise ValueError("the mask is empty")
    return box


def shared_boxes(
    first: Sequence[int] | NDArray[np.int_],
    shape: Sequence[int],
    other: Sequence[int] | NDArray[np.int_],
    other_shape: Sequence[int],
) -> tuple[Box, Box]:
    """What two arrays that lie on one grid have in common, as a box of each; of no voxel where they do not meet.

    Args:
        first, other: where on the grid (k, j, i) the first voxel of each lies.
        shape, other_shape: of the arrays.
    """
    low = np.maximum(first, other)
    high = np.maximum(low, np.minimum(np.add(first, shape), np.add(other, other_shape)))

    def box(start: Sequence[int] | NDArray[np.int_]) -> Box:
        k, j, i = (slice(int(a), int(b)) for a, b in zip(low - start, high - start, strict=True))
        return k, j, i

    return box(first), box(other)


def outermost(mask: NDArray[np.bool_], outside: bool) -> NDArray[np.bool_]:
    """The voxels of a 3-D bool mask that have a neighbor, by a face, not in it; beyond the array all is `outside`."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        of_mask, of_inner = np.moveaxis(mask, axis, 0), np.moveaxis(inner, axis, 0)
        of_inner[1:] &= of_mask[:-1]
        of_inner[:-1] &= of_mask[1:]
        if not outside:
            of_inner[0] = of_inner[-1] = False
    return mask & ~inner


@dataclass(frozen=True)
class Components:
    """The connected parts of a 3-D mask.

    Attributes:
        shape: (k, j, i) of the mask.
        starts, lengths: of each run, in voxels of the flattened mask.
        parts: for each run the part it belongs to; parts are numbered from 0, as their first voxels follow each other.
        sizes: voxels of each part.
    """

    shape: tuple[int, int, int]
    starts: NDArray[np.intp]
    lengths: NDArray[np.intp]
    parts: NDArray[np.intp]
    sizes: NDArray[np.int64]

    def voxels(self, wanted: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Ascending indices into the flattened mask of the voxels of parts; `wanted` holds a bool for each part."""
        runs = wanted[self.parts]
        lengths = self.lengths[runs]
        before = np.cumsum(lengths) - lengths
        return np.repeat(self.starts[runs] - before, lengths) + np.arange(lengths.sum())

    def part(self, number: int) -> tuple[NDArray[np.bool_], Box]:
        """One part as a mask of its own bounding box, and that box."""
        kji = np.unravel_index(self.voxels(np.arange(len(self.sizes)) == number), self.shape)
        k, j, i = (slice(int(axis.min()), int(axis.max()) + 1) for axis in kji)
        box = (k, j, i)
        own = np.zeros([side.stop - side.start for side in box], bool)
        own[tuple(axis - side.start for axis, side in zip(kji, box, strict=True))] = True
        return own, box


def components(mask: NDArray[np.bool_], faces_only: bool = False) -> Components:
    """The connected parts of a 3-D bool mask, which touch by a face, edge or corner, or by faces only."""
    return _components(mask, _FACES if faces_only else _EDGES_AND_CORNERS)


def fill_holes(mask: NDArray[np.bool_]) -> None:
    """Fill in each slice of a (k, j, i) bool mask what its outside does not reach through faces of pixels."""
    around = np.ones([mask.shape[0], mask.shape[1] + 2, mask.shape[2] + 2], bool)
    np.logical_not(mask, out=around[:, 1:-1, 1:-1])
    background = _components(around, _WITHIN_SLICES)
    is_hole = np.ones(len(background.sizes), bool)
    is_hole[background.parts[background.starts % (around.shape[1] * around.shape[2]) == 0]] = False
    if is_hole.any():
        k, j, i = np.unravel_index(background.voxels(is_hole), around.shape)
        mask[k, j - 1, i - 1] = True


def _components(mask: NDArray[np.bool_], touching: tuple[tuple[int, int, int], ...]) -> Components:
    depth, height, width = mask.shape
    row_length = width + 2  # a gap between rows that no run touches across
    padded = np.zeros((depth * height, row_length), bool)
    padded[:, 1:-1] = mask.reshape(-1, width)
    flat = padded.ravel()
    starts, stops = (np.flatnonzero(flat[1:] != flat[:-1]) + 1).reshape(-1, 2).T
    rows = starts // row_length
    parts = _joined(len(starts), *_touches(starts, stops, rows, row_length, (depth, height), touching))
    lengths = stops - starts
    sizes = np.bincount(parts, lengths).astype(np.int64) if len(parts) else np.zeros(0, np.int64)
    return Components(mask.shape, starts - 1 - 2 * rows, lengths, parts, sizes)


def _touches(
    starts: NDArray[np.intp],
    stops: NDArray[np.intp],
    rows: NDArray[np.intp],
    row_length: int,
    grid: tuple[int, int],
    touching: tuple[tuple[int, int, int], ...],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of runs that touch."""
    firsts, seconds = [], []
    for slices, lines, beyond in touching:
        k, j = rows // grid[1] + slices, rows % grid[1] + lines
        runs = np.flatnonzero((k < grid[0]) & (j >= 0) & (j < grid[1]))
        away = (slices * grid[1] + lines) * row_length
        # Of the runs in that row, those that end behind where this one starts, and start before it ends.
        low = np.searchsorted(stops, starts[runs] + away - beyond, side="right")
        high = np.searchsorted(starts, stops[runs] + away + beyond, side="left")
        counts = np.maximum(high - low, 0)
        firsts.append(np.repeat(runs, counts))
        seconds.append(np.repeat(low - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum()))
    return np.concatenate(firsts), np.concatenate(seconds)


def _joined(count: int, firsts: NDArray[np.intp], seconds: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each of `count` things the number of its group, where those pairs belong together; groups as they begin."""
    root = np.arange(count)
    while len(firsts):
        one, other = root[firsts], root[seconds]
        apart = one != other
        firsts, seconds, one, other = firsts[apart], seconds[apart], one[apart], other[apart]
        np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
        while not np.array_equal(shorter := root[root], root):
            root = shorter
    groups: NDArray[np.intp] = np.unique(root, return_inverse=True)[1]
    return groups
