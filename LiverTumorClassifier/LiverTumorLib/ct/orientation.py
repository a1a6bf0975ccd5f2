"""Bring any volume to axial order, and bring results back to exactly the grid they came from.

Every pipeline works on arrays whose k axis runs from feet to head, j from front to back and i from the patient's right
to left (the usual radiological picture). Most scans get there by swapping and flipping axes, which loses nothing. Only
scans tilted by more than `MAX_TILT_DEG` are resampled, since the networks were trained on slices within about that
tilt, and those whose slices' own axes are not perpendicular.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .volume import AIR_HU, CTVolume

Order = Literal[0, 1]  # of an interpolation: nearest for labels, linear for what is measured

MAX_TILT_DEG = 20.0
MAX_SHEAR_DEG = 2.0  # between the axes of a slice, in which diameters and areas are measured
MAX_RESAMPLED = 2e8  # voxels, 0.8 GB; a whole body on the slant is resampled more coarsely than an abdomen

# Rows: the RAS directions in which i, j and k grow in axial order (left, posterior, superior).
_AXIAL_DIRECTIONS = np.array([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class AxialView:
    """A volume in axial order together with the way back to the grid it came from.

    Attributes:
        volume: the CT in axial order.
        original_shape: (k, j, i) shape of the input grid.
        axes: for each axial axis (k, j, i), the input array axis it came from; None when the view was resampled.
        flips: for each axial axis (k, j, i), whether it runs against the input.
        axial_from_original: 4x4 matrix from input (i, j, k) to axial (i, j, k) voxel coordinates.
    """

    volume: CTVolume
    original_shape: tuple[int, int, int]
    axes: tuple[int, int, int] | None
    flips: tuple[bool, bool, bool]
    axial_from_original: NDArray[np.floating]

    def bring(self, array: np.ndarray, order: Order = 0) -> np.ndarray:
        """Bring another array on the input grid to the axial grid; `order` as in `restore`, outside is 0."""
        if self.axes is not None:
            return array.transpose(self.axes)[_flipping(self.flips)]
        return _resample(array, np.linalg.inv(self.axial_from_original), self.volume.shape, order).astype(
            array.dtype, copy=False
        )

    def restore(self, array: np.ndarray, order: Order = 0) -> np.ndarray:
        """Bring an axial (k, j, i) array back to the input grid.

        Args:
            array: values on the axial grid.
            order: interpolation where the view was resampled: 0 for labels, 1 for probabilities. Permuted views are
              exact.
        """
        if self.axes is not None:
            return np.ascontiguousarray(array[_flipping(self.flips)].transpose(np.argsort(self.axes)))
        return _resample(array, self.axial_from_original, self.original_shape, order).astype(array.dtype, copy=False)


def to_axial(volume: CTVolume) -> AxialView:
    """Bring a volume to axial order (k to superior, j to posterior, i to left)."""
    order = _axial_order(volume)
    if order is None:
        return _resampled_view(volume)
    source, flips_ijk = order
    matrix = _original_from_axial(volume.shape, source, flips_ijk)
    axes = (2 - source[2], 2 - source[1], 2 - source[0])  # the same choice, said in (k, j, i) array axes
    flips = (bool(flips_ijk[2]), bool(flips_ijk[1]), bool(flips_ijk[0]))
    array = volume.array.transpose(axes)[_flipping(flips)]
    axial = CTVolume(array, volume.ijk_to_ras @ matrix, volume.name, volume.notes)
    return AxialView(axial, volume.shape, axes, flips, np.linalg.inv(matrix))


def is_resampled(volume: CTVolume) -> bool:
    """Whether `to_axial` resamples a volume, for it is tilted or sheared too far; needs no voxels."""
    return _axial_order(volume) is None


def axial_to_ras(volume: CTVolume) -> NDArray[np.float64]:
    """4x4 matrix from axial voxel coordinates (i, j, k), those of `to_axial`, to RAS mm; needs no voxels."""
    order = _axial_order(volume)
    if order is None:
        return _resampled_grid(volume)[0]
    return volume.ijk_to_ras @ _original_from_axial(volume.shape, *order)


def _axial_order(volume: CTVolume) -> tuple[tuple[int, int, int], NDArray[np.bool_]] | None:
    """For each axial axis (i, j, k) the input axis it comes from, and whether it is flipped; None where too far off."""
    directions = volume.ijk_to_ras[:3, :3] / volume.spacing
    source = _closest_axes(directions)
    alignment = np.einsum("ar,ra->a", _AXIAL_DIRECTIONS, directions[:, source])
    tilted = np.degrees(np.arccos(np.clip(np.abs(alignment).min(), 0, 1))) > MAX_TILT_DEG
    sheared = np.abs(directions[:, source[0]] @ directions[:, source[1]]) > np.sin(np.radians(MAX_SHEAR_DEG))
    return None if tilted or sheared else (source, alignment < 0)


def _original_from_axial(
    shape: tuple[int, int, int], source: tuple[int, int, int], flips_ijk: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """4x4 matrix from axial to input voxel coordinates, both (i, j, k), of a permuted view."""
    matrix = np.eye(4)
    matrix[:3, :3] = 0
    for axis, (origin, flip) in enumerate(zip(source, flips_ijk, strict=True)):
        matrix[origin, axis] = -1 if flip else 1
        matrix[origin, 3] = shape[2 - origin] - 1 if flip else 0
    return matrix


def _closest_axes(directions: NDArray[np.float64]) -> tuple[int, int, int]:
    """For each axial axis (i, j, k), the input axis whose direction is closest to it; each input axis is used once."""
    from itertools import permutations

    score = np.abs(_AXIAL_DIRECTIONS @ directions)
    i, j, k = max(permutations(range(3)), key=lambda order: float(score[range(3), order].sum()))
    return i, j, k


def _flipping(flips: tuple[bool, bool, bool]) -> tuple[slice, ...]:
    return tuple(slice(None, None, -1) if flip else slice(None) for flip in flips)


def _resample(
    array: np.ndarray,
    source_from_target: NDArray[np.floating],
    shape: tuple[int, int, int],
    order: Order,
    outside: float = 0.0,
) -> np.ndarray:
    """Resample a (k, j, i) array; the matrix takes target to source voxel coordinates in (i, j, k) order.

    Voxels have an extent, so the outermost ones count one voxel further out: a single slice shows, and the corners of a
    grid do not fall off it by rounding. What is interpolated comes as float32, since integers would be truncated
    towards zero.
    """
    from scipy.ndimage import affine_transform

    matrix, offset = source_from_target[:3, :3][::-1, ::-1], source_from_target[2::-1, 3] + 1
    padded = np.pad(array, 1, "edge")
    if array.dtype == np.float16:  # which ndimage does not know
        padded = padded.astype(np.float32)
    output = np.dtype(np.float32) if order else padded.dtype
    return affine_transform(
        padded, matrix, offset, output_shape=shape, output=output, order=order, mode="constant", cval=outside
    )


def _resampled_grid(volume: CTVolume) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """An upright axial grid that holds all of a strongly tilted volume: its matrix to RAS and its shape (k, j, i)."""
    corners_ijk = np.array(np.meshgrid(*[(0, n - 1) for n in volume.shape[::-1]], indexing="ij")).reshape(3, -1).T
    along = volume.ras(corners_ijk) @ _AXIAL_DIRECTIONS.T  # corner positions along left, posterior, superior
    extent = along.max(0) - along.min(0)
    spacing = np.full(
        3, max(float(np.clip(volume.spacing.min(), 1.0, 3.0)), float(np.prod(extent) / MAX_RESAMPLED) ** (1 / 3))
    )
    size = np.ceil(extent / spacing).astype(int) + 1
    to_ras = np.eye(4)
    to_ras[:3, :3] = _AXIAL_DIRECTIONS.T * spacing
    to_ras[:3, 3] = _AXIAL_DIRECTIONS.T @ along.min(0)
    return to_ras, (int(size[2]), int(size[1]), int(size[0]))


def _resampled_view(volume: CTVolume) -> AxialView:
    """Resample a strongly tilted volume onto `_resampled_grid`; outside is air."""
    to_ras, shape = _resampled_grid(volume)
    original_from_axial = np.linalg.inv(volume.ijk_to_ras) @ to_ras
    array = _resample(volume.array, original_from_axial, shape, order=1, outside=AIR_HU)
    axial = CTVolume(array, to_ras, volume.name, volume.notes)
    return AxialView(axial, volume.shape, None, (False, False, False), np.linalg.inv(original_from_axial))
