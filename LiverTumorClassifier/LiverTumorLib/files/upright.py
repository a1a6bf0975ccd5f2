"""Grids without right angles (gantry tilt) for files that ITK opens: it reads no such NIfTI, and so neither does
Slicer."""

from __future__ import annotations

import numpy as np

MOVED = (
    "The grid of the CT has no right angles (gantry tilt), which NIfTI files cannot have in ITK and Slicer: in those "
    "written, rows were moved by whole voxels onto an upright grid; the .seg.nrrd keeps the grid of the CT."
)
_MOST_GROWN = 8  # times; beyond, the shear is a damaged header and no scanner's
_SMALL = 1 << 24  # voxels that are never too many


def is_sheared(ijk_to_ras: np.ndarray) -> bool:
    """Whether ITK would refuse a NIfTI file with this 4x4 matrix: its axes are not perpendicular within 1e-4."""
    axes = ijk_to_ras[:3, :3] / np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
    return not np.allclose(axes @ axes.T, np.eye(3), atol=9e-5)


def upright(array: np.ndarray, ijk_to_ras: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An array on a grid with right angles: each voxel keeps its value and volume, and lies within half a voxel of its
    place.

    The first axis stays as it is, the second in the plane of both (the matrix is split into a rotation and a triangular
    part, by QR). Rows are moved by whole voxels, so that no value is mixed or lost; outside is 0. A grid that has right
    angles is returned as it is.

    Args:
        array: (k, j, i).
        ijk_to_ras: 4x4, mm.

    Returns:
        The array, larger where rows were moved, and its matrix.
    """
    if not is_sheared(ijk_to_ras):
        return array, ijk_to_ras
    axes, sizes = np.linalg.qr(ijk_to_ras[:3, :3])
    signs = np.sign(np.diag(sizes))
    axes, sizes = axes * signs, sizes * signs[:, None]
    depth, height, width = array.shape
    j, k = np.arange(height), np.arange(depth)
    rows = np.rint(sizes[1, 2] * k / sizes[1, 1]).astype(int)
    columns = np.rint((sizes[0, 1] * j + sizes[0, 2] * k[:, None]) / sizes[0, 0]).astype(int)
    first = columns.min(), rows.min()
    shape = depth, height + int(np.ptp(rows)), width + int(np.ptp(columns))
    if np.prod(shape, dtype=float) > max(_MOST_GROWN * array.size, _SMALL):
        return array, ijk_to_ras
    moved = np.zeros(shape, array.dtype)
    for slice_, plane in enumerate(array):
        for row, values in enumerate(plane):
            start = columns[slice_, row] - first[0]
            moved[slice_, row + rows[slice_] - first[1], start : start + width] = values
    matrix = ijk_to_ras.copy()
    matrix[:3, :3] = axes * np.diag(sizes)
    matrix[:3, 3] += matrix[:3, :2] @ first
    return moved, matrix
