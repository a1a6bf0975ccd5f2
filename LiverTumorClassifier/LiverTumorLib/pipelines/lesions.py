"""Lesions and volumes measured on a label volume; also what is recomputed when a user has corrected the labels."""

from __future__ import annotations

import numpy as np

from ..ct import CTVolume, to_axial
from .results import LIVER, TUMOR, CaseSummary, Lesion


def measure(
    labels: np.ndarray, volume: CTVolume, tumor_probability: np.ndarray | None = None, min_lesion_ml: float = 0.0
) -> tuple[list[Lesion], CaseSummary]:
    """Measure every lesion and the case, on the volume's own grid.

    Args:
        labels: uint8 (k, j, i) on the volume's grid; 1 liver, 2 tumour. Liver volume includes the tumour in it.
        volume: the CT, for HU statistics and geometry.
        tumor_probability: map on the same grid, for each lesion's mean probability.
        min_lesion_ml: smaller connected regions are not listed (nor counted in the tumour volume).

    Returns:
        lesions, largest first and numbered from 1, and the summary. Regions that touch by a face, edge or corner are one lesion.

    Raises:
        ValueError: labels on another grid.
    """
    if labels.shape != volume.shape:
        raise ValueError(f"labels of shape {labels.shape} are not on the volume's grid {volume.shape}")
    view = to_axial(volume)
    axial_labels = _to_view(labels, view)
    axial_probability = None if tumor_probability is None else _to_view(tumor_probability, view)
    return measure_axial(axial_labels, view.volume, axial_probability, min_lesion_ml)


def measure_axial(
    labels: np.ndarray, volume: CTVolume, tumor_probability: np.ndarray | None = None, min_lesion_ml: float = 0.0
) -> tuple[list[Lesion], CaseSummary]:
    """`measure` for a volume that is in axial order already."""
    from scipy.ndimage import find_objects, label

    tumor_total = 0
    lesions = []
    inside = labels > 0
    box = _bounding_box(labels == TUMOR)
    if box is not None:
        components, _ = label(labels[box] == TUMOR, np.ones((3, 3, 3)))
        surface = _surface_mm(inside, volume)
        for number, region in enumerate(find_objects(components), start=1):
            own = components[region] == number
            voxels = int(own.sum())
            if voxels * volume.voxel_ml < min_lesion_ml:
                continue
            tumor_total += voxels
            start = [outer.start + inner.start for outer, inner in zip(box, region, strict=True)]
            lesions.append(_lesion(own, start, volume, tumor_probability, surface))
    lesions.sort(key=lambda lesion: -lesion.volume_ml)
    for number, lesion in enumerate(lesions, start=1):
        lesion.id = number
    liver_ml = (np.count_nonzero(labels == LIVER) + tumor_total) * volume.voxel_ml
    tumor_ml = tumor_total * volume.voxel_ml
    return lesions, CaseSummary(
        liver_ml=round(liver_ml, 3),
        tumor_ml=round(tumor_ml, 3),
        tumor_burden_percent=round(100 * tumor_ml / liver_ml, 3) if liver_ml else None,
        lesion_count=len(lesions),
        largest_diameter_mm=max((lesion.longest_diameter_mm for lesion in lesions), default=None),
    )


def axial_diameters(mask: np.ndarray, voxel_mm: tuple[float, float]) -> tuple[float, float]:
    """Longest diameter of a 2-D mask (j, i) and the longest one perpendicular to it, in mm.

    Measured between voxel centres plus one mean voxel size, which is unbiased for round shapes (a single voxel is one voxel long).
    """
    from scipy.spatial import ConvexHull, QhullError
    from scipy.spatial.distance import pdist, squareform

    points = np.argwhere(mask) * np.asarray(voxel_mm)
    try:
        corners = points[ConvexHull(points).vertices]
    except (QhullError, ValueError):  # fewer than three points, or all on a line
        corners = points
    size = float(np.mean(voxel_mm))
    if len(corners) == 1:
        return size, size
    distances = squareform(pdist(corners))
    a, b = np.unravel_index(distances.argmax(), distances.shape)
    along = (corners[b] - corners[a]) / distances[a, b]
    across = corners @ np.array([-along[1], along[0]])
    return float(distances[a, b]) + size, float(across.max() - across.min()) + size


def _lesion(own, start, volume: CTVolume, tumor_probability, surface) -> Lesion:
    where = tuple(slice(first, first + length) for first, length in zip(start, own.shape, strict=True))
    voxel_mm = (float(volume.spacing[1]), float(volume.spacing[0]))
    diameters = [(*axial_diameters(plane, voxel_mm), start[0] + k) for k, plane in enumerate(own) if plane.any()]
    longest, perpendicular, diameter_slice = max(diameters)
    hu = volume.array[where][own].astype(np.float64)
    kji = np.argwhere(own) + start
    centroid = volume.ras(kji.mean(axis=0)[::-1])
    return Lesion(
        id=0,
        volume_ml=round(len(kji) * volume.voxel_ml, 4),
        longest_diameter_mm=round(longest, 2),
        perpendicular_diameter_mm=round(perpendicular, 2),
        diameter_slice=int(diameter_slice),
        mean_hu=round(float(hu.mean()), 2),
        sd_hu=round(float(hu.std()), 2),
        centroid_ras=tuple(round(float(x), 2) for x in centroid),
        first_slice=int(kji[:, 0].min()),
        last_slice=int(kji[:, 0].max()),
        distance_to_surface_mm=round(float(surface.query(volume.ras(kji[:, ::-1]))[0].min()), 2) if surface else 0.0,
        mean_probability=None if tumor_probability is None else round(float(tumor_probability[where][own].mean(dtype=np.float64)), 4),
    )


def _surface_mm(inside: np.ndarray, volume: CTVolume):
    """Search tree over the centres of the liver's outermost voxels, in RAS mm: a distance transform of a whole scan costs seconds."""
    from scipy.ndimage import binary_erosion
    from scipy.spatial import cKDTree

    box = _bounding_box(inside)
    if box is None:
        return None
    # A scan's border cuts the liver there; that cut is no surface.
    shell = inside[box] & ~binary_erosion(np.pad(inside[box], 1, mode="edge"))[1:-1, 1:-1, 1:-1]
    kji = np.argwhere(shell) + [part.start for part in box]
    return cKDTree(volume.ras(kji[:, ::-1])) if len(kji) else None


def _bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    ks = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(ks):
        return None
    inner = mask[ks[0] : ks[-1] + 1]
    js, is_ = np.flatnonzero(inner.any(axis=(0, 2))), np.flatnonzero(inner.any(axis=(0, 1)))
    return slice(ks[0], ks[-1] + 1), slice(js[0], js[-1] + 1), slice(is_[0], is_[-1] + 1)


def _to_view(array: np.ndarray, view) -> np.ndarray:
    """An array on the input grid in the axial order of `view`."""
    if view.axes is None:
        from scipy.ndimage import affine_transform

        inverse = np.linalg.inv(view.axial_from_original)
        order = 0 if array.dtype == np.uint8 else 1
        shape = view.volume.shape
        return affine_transform(array, inverse[::-1, ::-1][1:, 1:], inverse[2::-1, 3], output_shape=shape, order=order, cval=0)
    flipped = tuple(slice(None, None, -1) if flip else slice(None) for flip in view.flips)
    return array.transpose(view.axes)[flipped]
