"""Probability maps on a canvas and the way back to the scan's grid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ct.canvas import Canvas
from ..ct.region import Box

# Slices brought to the scan's grid at a time: a float copy of a long scan would not fit an ordinary computer
_BLOCK = 8


def smoothed(maps: np.ndarray, sigma_mm: tuple[float, float], voxel_mm: tuple[float, float]) -> np.ndarray:
    """Probability (k, rows, columns) after a Gaussian; `sigma_mm` and `voxel_mm` are (along slices, within slices).

    A network answers slice by slice, and its errors (and those of int8 rounding) differ more from slice to slice and
    pixel to pixel than a liver or a lesion does.
    """
    from scipy.ndimage import gaussian_filter

    along, within = (sigma / voxel for sigma, voxel in zip(sigma_mm, voxel_mm, strict=True))
    return gaussian_filter(maps, (along, within, within), mode="nearest")


class RestoredMaps(ABC):
    """Probability maps that can be brought to the scan's grid."""

    @property
    @abstractmethod
    def starts(self) -> range:
        """The first slices of the blocks of slices that the maps are for."""

    @abstractmethod
    def block(self, start: int, shape: tuple[int, int], least: float) -> tuple[Box, NDArray[np.float32]] | None:
        """A box (k, j, i) of axial slices of that shape in the block that starts there, and the maps in it.

        Beyond the box all of the block is 0; None where all is, or where nothing reaches `least`.
        """

    def paint(self, labels: np.ndarray, threshold: float, value: int, threads: int = 1) -> None:
        """Set axial labels (k, j, i) to `value` where the maps, brought to the labels' grid, reach the threshold."""

        def paint_block(start: int) -> None:
            if (found := self.block(start, labels.shape[1:], threshold)) is not None:
                box, block = found
                labels[box][block >= threshold] = value

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(paint_block, self.starts))

    def full(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Maps on the axial grid of that shape, float16; 0 where there are none."""
        volume = np.zeros(shape, np.float16)
        for start in self.starts:
            if (found := self.block(start, shape[1:], 0.0)) is not None:
                volume[found[0]] = found[1]
        return volume


@dataclass(frozen=True)
class SliceMaps(RestoredMaps):
    """Probability maps of axial slices; of slices between them, maps are interpolated where they are needed and never
    kept.

    Attributes:
        ks: (n,) axial indices of the mapped slices, ascending; the maps stand for all slices from the first to the last
          of them.
        maps: float32 (n, rows, columns) in 0..1.
        canvas: the canvas the maps lie on.
    """

    ks: NDArray[np.integer]
    maps: NDArray[np.float32]
    canvas: Canvas

    @property
    def starts(self) -> range:
        return range(int(self.ks[0]), int(self.ks[-1]) + 1, _BLOCK)

    def block(self, start: int, shape: tuple[int, int], least: float) -> tuple[Box, NDArray[np.float32]] | None:
        maps = self.between(start)
        if maps.max() < least:
            return None
        part, (rows, columns) = self.canvas.restore_part(maps, shape)
        return (slice(start, start + len(maps)), rows, columns), part

    def cropped(self, rows: slice, columns: slice) -> SliceMaps:
        """Some rows and columns of the canvas."""
        return SliceMaps(self.ks, self.maps[:, rows, columns], self.canvas.cropped(rows, columns))

    def at(self, kji: NDArray[np.integer]) -> NDArray[np.float32]:
        """Probability at axial voxel coordinates (n, 3), (k, j, i) order, taken from the nearest mapped slice and
        canvas pixel."""
        nearest = np.searchsorted((self.ks[1:] + self.ks[:-1]) / 2, kji[:, 0])
        pixel = [np.rint(self.canvas.pixel(axis, kji[:, axis + 1])).astype(int) for axis in (0, 1)]
        rows, columns = (np.clip(p, 0, n - 1) for p, n in zip(pixel, self.canvas.size, strict=True))
        values: NDArray[np.float32] = self.maps[nearest, rows, columns]
        return values

    def sampled(self, array: np.ndarray, change: Callable[[NDArray[np.float32]], np.ndarray]) -> NDArray[np.float32]:
        """The mapped slices of an array on the scan's grid, `change`d (see `Canvas.sample`), averaged over canvas
        pixels, like the maps."""
        return self.canvas.sample([array[k] for k in self.ks], change)

    def smoothed(self, sigma_mm: tuple[float, float], slice_mm: float) -> SliceMaps:
        """These maps after `smoothed`; axial slices are `slice_mm` apart."""
        step = float(self.ks[1] - self.ks[0]) if len(self.ks) > 1 else 1.0
        return SliceMaps(self.ks, smoothed(self.maps, sigma_mm, (slice_mm * step, self.canvas.spacing_mm)), self.canvas)

    def between(self, start: int) -> NDArray[np.float32]:
        """Maps on the canvas of all slices of the block that starts there."""
        ks = np.arange(start, min(start + _BLOCK, int(self.ks[-1]) + 1))
        left = np.searchsorted(self.ks, ks, side="right") - 1
        right = np.minimum(left + 1, len(self.ks) - 1)
        share = (ks - self.ks[left]) / np.maximum(self.ks[right] - self.ks[left], 1)
        part = share.astype(np.float32)[:, None, None]
        return self.maps[left] * (1 - part) + self.maps[right] * part
