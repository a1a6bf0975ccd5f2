"""Probability maps on a canvas and the way back to the scan's grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ct.frame import Frame

_BLOCK = 16  # slices brought to the scan's grid at a time: a float copy of a long scan would not fit an ordinary computer


@dataclass(frozen=True)
class SliceMaps:
    """Probability maps of consecutive axial slices.

    Attributes:
        first: axial index of the first slice.
        maps: float32 (n, rows, columns) in 0..1.
        frame: the canvas the maps lie on.
    """

    first: int
    maps: np.ndarray
    frame: Frame

    @property
    def slice_range(self) -> range:
        """Axial indices of the slices."""
        return range(self.first, self.first + len(self.maps))

    def paint(self, labels: np.ndarray, threshold: float, value: int) -> None:
        """Set axial labels (k, j, i) to `value` where the maps, brought to the labels' grid, reach the threshold."""
        for start, block in self._blocks():
            if block.max() >= threshold:
                labels[start : start + len(block)][self.frame.restore(block, labels.shape[1:]) >= threshold] = value

    def full(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Maps on the axial grid of that shape, float16; 0 where there are none."""
        volume = np.zeros(shape, np.float16)
        for start, block in self._blocks():
            volume[start : start + len(block)] = self.frame.restore(block, shape[1:])
        return volume

    def at(self, kji: np.ndarray) -> np.ndarray:
        """Probability at axial voxel coordinates (n, 3), (k, j, i) order, taken from the nearest canvas pixel."""
        k = kji[:, 0] - self.first
        pixel = [np.rint(self.frame.pixel(axis, kji[:, axis + 1])).astype(int) for axis in (0, 1)]
        rows, columns = (np.clip(p, 0, n - 1) for p, n in zip(pixel, self.frame.size, strict=True))
        return self.maps[k, rows, columns]

    def _blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        for start in range(0, len(self.maps), _BLOCK):
            yield self.first + start, self.maps[start : start + _BLOCK]
