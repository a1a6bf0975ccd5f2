"""CTVolume: the one image type of the library, an array with its place in the patient."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

AIR_HU = -1000.0
# Directions of DICOM, NIfTI's readers in ITK and MetaImage (left, posterior, superior) in those of Slicer, and back.
LPS_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class CTVolume:
    """A CT volume in Hounsfield units.

    Attributes:
        array: voxels in (k, j, i) order, int16 or float32, HU.
        ijk_to_ras: 4x4 float64 matrix that takes (i, j, k, 1) to RAS millimeters, as Slicer's IJKToRAS.
        name: what the user calls the case; used in messages and file names.
        notes: sentences on repairs made while reading (for example an interpolated missing slice).
        images: for each k the DICOM file read there, "" where one was missing; in an uneven series the k-th in order,
            from whose place the plane may be off. Empty for other formats.
    """

    array: np.ndarray
    ijk_to_ras: NDArray[np.float64]
    name: str = "CT"
    notes: tuple[str, ...] = field(default=())
    images: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise ValueError(f"a CTVolume needs a 3-D array, not one of shape {self.array.shape}")
        matrix = np.asarray(self.ijk_to_ras, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-9:
            raise ValueError(f"ijk_to_ras must be an invertible 4x4 matrix, not {matrix.tolist()}")
        object.__setattr__(self, "ijk_to_ras", matrix)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along (k, j, i)."""
        return self.array.shape

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel size in mm along (i, j, k)."""
        lengths: NDArray[np.float64] = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        return lengths

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml; the determinant, so it holds for sheared grids (gantry tilt) too."""
        return abs(float(np.linalg.det(self.ijk_to_ras[:3, :3]))) / 1000.0

    def ras(self, ijk: ArrayLike) -> NDArray[np.float64]:
        """Take voxel coordinates (..., 3) in (i, j, k) order to RAS mm."""
        return np.asarray(ijk, dtype=np.float64) @ self.ijk_to_ras[:3, :3].T + self.ijk_to_ras[:3, 3]

    def with_array(self, array: np.ndarray) -> CTVolume:
        """The same grid with other voxels; `array` must have this volume's shape."""
        if array.shape != self.array.shape:
            raise ValueError(f"array of shape {array.shape} does not fit the grid {self.array.shape}")
        return replace(self, array=array)
