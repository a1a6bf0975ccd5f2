"""Distances between the surfaces of two masks, in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ct.region import bounding_box
from ..errors import RequirementError


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances in mm; NaN when either mask is empty (there is no surface to measure to).

    Attributes:
        hd95: 95th percentile of the surface distances weighted by surface area, the larger of the two directions.
        hd95_voxels: 95th percentile of the distances between surface voxels, each counting once and both directions
            together, as MedPy and most papers have it.
        assd: average symmetric surface distance, both directions weighted by surface area.
    """

    hd95: float
    hd95_voxels: float
    assd: float


def surface_distances(prediction: np.ndarray, truth: np.ndarray, spacing: np.ndarray) -> SurfaceDistances:
    """Compare two masks of one shape (k, j, i).

    Args:
        prediction, truth: bool, or numbers that count as true where not 0.
        spacing: voxel size in mm along (k, j, i); for a CTVolume that is `volume.spacing[::-1]`.

    Raises RequirementError without the surface-distance package, ValueError for shapes that differ.
    """
    prediction, truth = np.asarray(prediction, dtype=bool), np.asarray(truth, dtype=bool)
    if prediction.shape != truth.shape:
        raise ValueError(
            f"a prediction of shape {prediction.shape} cannot be compared with a truth of shape {truth.shape}"
        )
    if not prediction.any() or not truth.any():
        return SurfaceDistances(float("nan"), float("nan"), float("nan"))
    try:
        from surface_distance import compute_robust_hausdorff, compute_surface_distances
    except ImportError as error:
        raise RequirementError(
            "Surface distances need the package surface-distance: pip install surface-distance."
        ) from error
    found = compute_surface_distances(truth, prediction, tuple(float(mm) for mm in spacing))
    total = sum(
        found[f"distances_{a}_to_{b}"] @ found[f"surfel_areas_{a}"] for a, b in (("gt", "pred"), ("pred", "gt"))
    )
    area = found["surfel_areas_gt"].sum() + found["surfel_areas_pred"].sum()
    by_voxels = _voxel_distances(prediction, truth, spacing)
    return SurfaceDistances(
        float(compute_robust_hausdorff(found, 95)), float(np.percentile(by_voxels, 95)), float(total / area)
    )


def _voxel_distances(one: np.ndarray, other: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance (mm) of each surface voxel of either mask to the nearest of the other; surface voxels have a face to the
    outside."""
    from scipy.ndimage import binary_erosion, distance_transform_edt

    box = bounding_box(one | other)
    surfaces = [mask[box] & ~binary_erosion(mask[box]) for mask in (one, other)]
    to_surface = [distance_transform_edt(~surface, sampling=spacing) for surface in surfaces]
    return np.concatenate([to_surface[1][surfaces[0]], to_surface[0][surfaces[1]]])
