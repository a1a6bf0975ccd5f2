"""The picture a network sees: windowed, resampled to a fixed spacing on a canvas of fixed size, eight bits deep.

Training and inference both come through this file, so that a network meets at the user's desk what it met in training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from .filters import WHITE, Filters, apply_filters
from .region import box_of
from .spec import InputSpec as InputSpec
from .volume import CTVolume

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BODY_HU = 0.0  # soft tissue lies above, fat and air below
# A region's canvas moves and grows in steps of this, so that a stray pixel of the region does not move it.
SNAP_MM = 4.0


@dataclass(frozen=True)
class Canvas:
    """A canvas laid over every axial slice of a volume.

    Attributes:
        size: (rows, columns) of the canvas in pixels.
        spacing_mm: pixel size of the canvas, the same in both directions.
        center: (j, i) voxel coordinates of the volume under the middle of the canvas.
        voxel_mm: (j, i) voxel size of the volume.
    """

    size: tuple[int, int]
    spacing_mm: float
    center: tuple[float, float]
    voxel_mm: tuple[float, float]

    def sample(
        self,
        slices: np.ndarray | Sequence[np.ndarray],
        change: Callable[[NDArray[np.float32]], np.ndarray] | None = None,
    ) -> NDArray[np.float32]:
        """Resample n (j, i) images of one shape, whose outside is 0, onto the canvas: (n, rows, columns) float32.

        Coarser canvases average (triangle filter as wide as a canvas pixel), so that noise does not alias.

        Args:
            slices: the images.
            change: done voxel by voxel to a float32 copy of what lies under the canvas, which it may alter.
        """
        sampled = np.empty((len(slices), *self.size), np.float32)
        for image, out in zip(slices, sampled, strict=True):
            (by_row, rows), (by_column, columns) = (_weights(self, axis, image.shape[axis]) for axis in (0, 1))
            under = image[rows, columns].astype(np.float32)
            out[:] = _resampled(under if change is None else change(under), by_row, by_column)
        return sampled

    def restore(self, maps: np.ndarray, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Bring (n, rows, columns) maps back to slices of `shape` (j, i) by linear interpolation; 0 off the canvas."""
        part, (rows, columns) = self.restore_part(maps, shape)
        whole = np.zeros((len(maps), *shape), np.float32)
        whole[:, rows, columns] = part
        return whole

    def restore_part(self, maps: np.ndarray, shape: tuple[int, int]) -> tuple[NDArray[np.float32], tuple[slice, slice]]:
        """As `restore`, but only the part of the slices that lies under the canvas, and its rows and columns."""
        (by_row, rows), (by_column, columns) = (_back_weights(self, axis, shape[axis]) for axis in (0, 1))
        part = np.empty((len(maps), by_row.shape[0], by_column.shape[0]), np.float32)
        for image, out in zip(maps, part, strict=True):
            out[:] = _resampled(image.astype(np.float32, copy=False), by_row, by_column)
        return part, (rows, columns)

    def cropped(self, rows: slice, columns: slice) -> Canvas:
        """The canvas that consists of some of this one's rows and columns."""
        center = [
            middle + ((part.start + part.stop - 1) / 2 - (count - 1) / 2) * self.spacing_mm / mm
            for middle, part, count, mm in zip(self.center, (rows, columns), self.size, self.voxel_mm, strict=True)
        ]
        size = rows.stop - rows.start, columns.stop - columns.start
        return Canvas(size, self.spacing_mm, (center[0], center[1]), self.voxel_mm)

    def pixel(self, axis: int, voxels: np.ndarray) -> NDArray[np.floating]:
        """Canvas coordinate along `axis` (0 rows, 1 columns) of voxel coordinates (j or i)."""
        return (voxels - self.center[axis]) * self.voxel_mm[axis] / self.spacing_mm + (self.size[axis] - 1) / 2


def body_canvas(volume: CTVolume, size: tuple[int, int], spacing_mm: float) -> Canvas:
    """The canvas centered on the patient's soft tissue, wherever the patient lies in the scan."""
    step = max(1, volume.shape[0] // 40)
    tissue = np.zeros(volume.shape[1:], np.int32)
    for plane in volume.array[::step]:
        tissue += plane > BODY_HU
    center = _centroid(tissue.sum(axis=1)), _centroid(tissue.sum(axis=0))
    return Canvas((size[0], size[1]), spacing_mm, center, _in_plane(volume))


def region_canvas(
    volume: CTVolume, region: np.ndarray, size: tuple[int, int], spacing_mm: float, margin_mm: float
) -> Canvas:
    """The canvas centered on a region (k, j, i), coarser than `spacing_mm` where region and margin would not fit."""
    voxel_mm = _in_plane(volume)
    center, extents = [], []
    for axis, other in ((1, 2), (2, 1)):
        used = np.flatnonzero(region.any(axis=(0, other)))
        step = SNAP_MM / voxel_mm[axis - 1]
        center.append(round((used[0] + used[-1]) / 2 / step) * step)
        extents.append(math.ceil((used[-1] - used[0] + 1) * voxel_mm[axis - 1] / SNAP_MM + 1) * SNAP_MM + 2 * margin_mm)
    needed = max(extent / pixels for extent, pixels in zip(extents, size, strict=True))
    return Canvas((size[0], size[1]), max(spacing_mm, needed), (center[0], center[1]), voxel_mm)


def network_slices(
    volume: CTVolume,
    canvas: Canvas,
    window_hu: tuple[float, float],
    ks: np.ndarray | None = None,
    offset_hu: float = 0.0,
    filters: Filters = (),
) -> NDArray[np.uint8]:
    """Axial slices as a network sees them, one channel: uint8 (n, rows, columns), 0 = window's low end and off the
    scan.

    Args:
        volume: CT in axial order.
        canvas: where the slices are brought to.
        window_hu: HU shown as 0 and as 255.
        ks: which slices; all when None.
        offset_hu: added to what the window shows, see `liver_offset`.
        filters: what is done to every slice before it is brought to the canvas, see `ct.filters`.

    Raises:
        RequirementError: SimpleITK, which one of the filters needs, is not installed.
    """
    low, high = window_hu
    # First the window, then the offset, then the ends of gray, all in one clip: a scan that was stored clipped to the
    # window must look like one that was not.
    least, most = max(low, low - offset_hu), min(high, high - offset_hu)

    def windowed(image: NDArray[np.float32]) -> NDArray[np.float32]:
        np.clip(image, least, most, out=image)
        image += offset_hu - low
        image *= WHITE / (high - low)
        return image

    ks = np.arange(volume.shape[0]) if ks is None else ks
    out = np.empty((len(ks), *canvas.size), np.uint8)
    # One by one: a float copy of a whole scan would not fit an ordinary computer, nor that of some slices its cache.
    for k, shown in zip(ks, out, strict=True):
        if filters:
            gray = windowed(volume.array[k : k + 1].astype(np.float32))
            pixels = canvas.sample(apply_filters(gray, filters, canvas.voxel_mm))[0]
        else:
            pixels = canvas.sample(volume.array[k : k + 1], windowed)[0]
        np.rint(np.clip(pixels, 0, WHITE, out=pixels), out=shown, casting="unsafe")
    return out


def liver_offset(volume: CTVolume, liver: np.ndarray, liver_hu: float | None) -> float:
    """What brings the median of a liver (k, j, i) to `liver_hu`: contrast phase and fat differ between scans, lesions
    much less.

    0 where `liver_hu` is None. `liver` (above 0 inside) holds at least one voxel.
    """
    if liver_hu is None:
        return 0.0
    box = box_of(liver)  # a mask of the whole of a long scan would take hundreds of megabytes
    return liver_hu - float(np.median(volume.array[box][liver[box] > 0]))


class Slices(Protocol):
    """The slices of a scan on a canvas, uint8 (rows, columns) each: an array of them, or who makes them when asked."""

    def __len__(self) -> int: ...
    def __getitem__(self, k: int, /) -> np.ndarray: ...


def neighbor_channels(slices: Slices, k: float, offset: float) -> np.ndarray:
    """Three channels (rows, columns, 3), the slice at `k` between those `offset` slices below and above it.

    Positions between slices are interpolated and those beyond the scan repeat its end, so the network sees the same
    millimeters of neighbourhood whatever the slice spacing.
    """
    return np.stack([_slice_at(slices, k - offset), _slice_at(slices, k), _slice_at(slices, k + offset)], axis=-1)


def _slice_at(slices: Slices, k: float) -> np.ndarray:
    k = min(max(k, 0.0), len(slices) - 1.0)
    below = int(k)
    part = k - below
    if part < 1e-3:
        return np.asarray(slices[below])
    mixed: NDArray[np.floating] = slices[below] * np.float32(1 - part) + slices[below + 1] * np.float32(part)
    return np.asarray(np.rint(mixed), slices[below].dtype)


@lru_cache(maxsize=32)
def _weights(frame: Canvas, axis: int, length: int) -> tuple[csr_array, slice]:
    """Weights of a scan's voxels along an axis in each canvas pixel, (pixels, voxels), and which voxels those are."""
    width = max(1.0, frame.spacing_mm / frame.voxel_mm[axis])
    offsets = np.arange(frame.size[axis]) - (frame.size[axis] - 1) / 2
    positions = (frame.center[axis] + offsets * frame.spacing_mm / frame.voxel_mm[axis])[:, None]
    reach = int(np.ceil(width)) + 1
    around = np.floor(positions) + np.arange(-reach, reach + 2)[None, :]  # voxels off the scan too: they count as 0
    total = np.clip(1 - np.abs(positions - around) / width, 0, None).sum(axis=1, keepdims=True)
    weights = np.clip(1 - np.abs(positions - np.arange(length)[None, :]) / width, 0, None)
    return _sparse((weights / total).astype(np.float32), by=0)


@lru_cache(maxsize=32)
def _back_weights(frame: Canvas, axis: int, length: int) -> tuple[csr_array, slice]:
    """Weights of canvas pixels in each voxel along a scan's axis, (voxels, pixels), and which voxels those are."""
    pixel = frame.pixel(axis, np.arange(length))
    weights = np.clip(1 - np.abs(pixel[:, None] - np.arange(frame.size[axis])[None, :]), 0, None)
    return _sparse(weights.astype(np.float32), by=1)


def _sparse(weights: NDArray[np.float32], by: int) -> tuple[csr_array, slice]:
    """A matrix without the rows (`by` 1) or columns (`by` 0) before the first and behind the last that has a weight."""
    from scipy.sparse import csr_array

    used = np.flatnonzero(weights.any(axis=by))
    part = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0)
    return csr_array(weights[part] if by else weights[:, part]), part


def _resampled(image: NDArray[np.float32], rows: csr_array, columns: csr_array) -> NDArray[np.float32]:
    """(rows, columns) float32 of a (j, i) image and the weights (rows, j) and (columns, i)."""
    if rows.shape[0] < rows.shape[1]:  # turned over where the image is small
        return np.asarray((columns @ (rows @ image).T).T)
    return np.asarray(rows @ (columns @ image.T).T)


def _centroid(counts: np.ndarray) -> float:
    total = counts.sum()
    return float((counts * np.arange(len(counts))).sum() / total) if total else (len(counts) - 1) / 2


def _in_plane(volume: CTVolume) -> tuple[float, float]:
    return float(volume.spacing[1]), float(volume.spacing[0])


def lay_canvas(spec: InputSpec, volume: CTVolume, liver: np.ndarray | None) -> tuple[Canvas, float]:
    """The canvas of a network on a scan, and the HU to add to what it shows (see `liver_offset`).

    Args:
        spec: the network's input.
        volume: CT in axial order.
        liver: (k, j, i) on the volume's grid, above 0 inside, at least one voxel; only the region "liver" needs it.
    """
    if spec.region == "body":
        return body_canvas(volume, spec.size, spec.spacing_mm), 0.0
    if liver is None:
        raise ValueError("a canvas on the liver needs the liver")
    slices = box_of(liver)[0]
    return region_canvas(volume, liver[slices], spec.size, spec.spacing_mm, spec.margin_mm), liver_offset(
        volume, liver, spec.liver_hu
    )
