"""Lesions and volumes measured on a label volume; also what is recomputed when a user has corrected the labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..ct import CTVolume, to_axial
from ..ct.region import Box, Components, bounding_box, box_of, components, outermost
from ..records.results import TUMOR, CaseSummary, Lesion, Line

# Gives the tumor probability at axial voxel coordinates (n, 3) in (k, j, i) order.
if TYPE_CHECKING:
    from scipy.spatial import cKDTree

ProbabilityAt = Callable[[np.ndarray], np.ndarray]


def measure(
    labels: np.ndarray, volume: CTVolume, tumor_probability: np.ndarray | None = None
) -> tuple[list[Lesion], CaseSummary]:
    """Measure every lesion and the case, on the volume's own grid.

    Args:
        labels: uint8 (k, j, i) on the volume's grid; 1 liver, 2 tumor. Liver volume includes the tumor in it.
        volume: the CT, for HU statistics and geometry.
        tumor_probability: map on the same grid, for each lesion's mean probability.

    Returns:
        lesions, largest first and numbered from 1, and the summary. Regions that touch by a face, edge or corner are
        one lesion.

    Raises:
        ValueError: labels on another grid.
    """
    if labels.shape != volume.shape:
        raise ValueError(f"labels of shape {labels.shape} are not on the volume's grid {volume.shape}")
    view = to_axial(volume)
    if tumor_probability is None:
        return measure_axial(view.bring(labels), view.volume)
    axial = view.bring(tumor_probability.astype(np.float32), order=1)
    return measure_axial(view.bring(labels), view.volume, lambda kji: axial[tuple(kji.T)])


def measure_axial(
    labels: np.ndarray, volume: CTVolume, probability_at: ProbabilityAt | None = None
) -> tuple[list[Lesion], CaseSummary]:
    """`measure` for a volume that is in axial order already."""
    lesions: list[Lesion] = []
    tumor_voxels = 0
    if (liver := bounding_box(labels)) is not None:
        found = components(labels[liver] == TUMOR)
        tumor_voxels = int(found.sizes.sum())
        surface = _surface_mm(labels, liver, volume) if tumor_voxels else None
        for number, part in enumerate(_largest_first(found), start=1):
            own, box = found.part(part)
            corner = [outer.start + inner.start for outer, inner in zip(liver, box, strict=True)]
            lesions.append(_lesion(number, own, corner, volume, probability_at, surface))
    diameters = [lesion.longest_diameter_mm for lesion in lesions]
    return lesions, _summary(int(np.count_nonzero(labels)), tumor_voxels, diameters, volume.voxel_ml)


def measure_numbered(
    labels: np.ndarray,
    volume: CTVolume,
    numbers: Sequence[int],
    rejected: Collection[int] = (),
    probability_at: ProbabilityAt | None = None,
    *,
    liver: np.ndarray | None = None,
    whole: Mapping[int, np.ndarray] | None = None,
) -> tuple[list[Lesion], CaseSummary]:
    """As `measure_axial`, for lesions that somebody has told apart: they may touch, or consist of several pieces.

    Args:
        labels: uint8 (k, j, i) in axial order; 1 liver, and 2, 3 … the lesions.
        numbers: of the lesions, in the order of their labels.
        rejected: numbers of lesions that are measured, but do not count in the summary.
        liver: anything but 0 where the liver is with the lesions that count; without it where the labels are not 0.
        whole: by number the voxels (k, j, i) of lesions that lie beneath others in the labels.

    Returns:
        lesions by their numbers, but for those without a voxel, and the summary.
    """
    from scipy.ndimage import find_objects

    lesions: list[Lesion] = []
    tumor_voxels = 0
    liver = labels if liver is None else liver
    if (box := bounding_box(labels)) is not None:
        inside = labels[box]
        places = find_objects(inside, TUMOR + len(numbers) - 1)[TUMOR - 1 :]
        surface = _surface_mm(liver, box, volume) if any(places) else None
        for label, (number, place) in enumerate(zip(numbers, places, strict=True), start=TUMOR):
            own = None if place is None else inside[place] == label
            tumor_voxels += 0 if own is None or number in rejected else int(np.count_nonzero(own))
            if whole is not None and number in whole:
                place = box_of(whole[number][box])
                own = whole[number][box][place]
            if place is not None and own is not None:
                corner = [outer.start + inner.start for outer, inner in zip(box, place, strict=True)]
                lesions.append(_lesion(number, own, corner, volume, probability_at, surface))
    lesions.sort(key=lambda lesion: lesion.id)
    diameters = [lesion.longest_diameter_mm for lesion in lesions if lesion.id not in rejected]
    return lesions, _summary(int(np.count_nonzero(liver)), tumor_voxels, diameters, volume.voxel_ml)


def summary_of(
    liver_ml: float,
    volumes_ml: Sequence[float],
    diameters_mm: Sequence[float],
    voxel_ml: float,
    shared_ml: float = 0.0,
) -> CaseSummary:
    """The figures of a case from those of its lesions that count, as they would be measured; `liver_ml` is with them.

    Volumes of tables are rounded; they are brought back to whole voxels.

    Args:
        shared_ml: what several of the lesions have, for each but one.
    """
    tumor_voxels = _voxels(volumes_ml, voxel_ml) - _voxels([shared_ml], voxel_ml)
    return _summary(_voxels([liver_ml], voxel_ml), tumor_voxels, diameters_mm, voxel_ml)


def _voxels(volumes_ml: Sequence[float], voxel_ml: float) -> int:
    return sum(round(each / voxel_ml) for each in volumes_ml)


def _summary(liver_voxels: int, tumor_voxels: int, diameters_mm: Sequence[float], voxel_ml: float) -> CaseSummary:
    liver_ml, tumor_ml = liver_voxels * voxel_ml, tumor_voxels * voxel_ml
    return CaseSummary(
        liver_ml=round(liver_ml, 3),
        tumor_ml=round(tumor_ml, 3),
        tumor_burden_percent=round(100 * tumor_ml / liver_ml, 3) if liver_ml else None,
        lesion_count=len(diameters_mm),
        largest_diameter_mm=max(diameters_mm, default=None),
    )


def number_lesions(labels: np.ndarray) -> tuple[np.ndarray, Box] | None:
    """The lesions of a label volume (k, j, i), numbered from 1 as `measure_axial` numbers them, in their common box.

    None where there are none.
    """
    box = bounding_box(labels == TUMOR)
    if box is None:
        return None
    found = components(labels[box] == TUMOR)
    numbered = np.zeros(found.shape, np.int32)
    for number, part in enumerate(_largest_first(found), start=1):
        own, place = found.part(part)
        numbered[place][own] = number
    return numbered, box


def _largest_first(found: Components) -> list[int]:
    order: list[int] = np.argsort(-found.sizes, kind="stable").tolist()
    return order


class Axes(NamedTuple):
    """The longest diameter of a 2-D mask and the longest line across it at right angles.

    Attributes:
        longest, perpendicular: mm.
        long_ends, short_ends: both ends of each, (2, 2) rows of fractional voxel coordinates (j, i).
    """

    longest: float
    perpendicular: float
    long_ends: np.ndarray
    short_ends: np.ndarray


def axial_axes(mask: np.ndarray, voxel_mm: tuple[float, float]) -> Axes:
    """Longest diameter of a 2-D mask (j, i) and the longest line across it at right angles.

    Measured on the convex hull, between voxel centers, which is unbiased for round shapes; never less than one (mean)
    voxel.
    """
    from scipy.spatial import ConvexHull, QhullError

    points = _ends_of_rows(mask) * np.asarray(voxel_mm)
    try:
        corners = points[ConvexHull(points).vertices]
    except (QhullError, ValueError):  # fewer than three points, or all on a line
        corners = points
    size = float(np.mean(voxel_mm))
    distances = np.hypot(*(corners[:, None] - corners).transpose(2, 0, 1))
    a, b = np.unravel_index(distances.argmax(), distances.shape)
    along = (corners[b] - corners[a]) / distances[a, b] if len(corners) > 1 else np.array([0.0, 1.0])
    across = np.array([-along[1], along[0]])
    t, u, crossing = _longest_crossing(corners @ along, corners @ across)
    middle = t * along + (u + crossing / 2) * across
    longest, perpendicular = max(float(distances[a, b]), size), max(crossing, size)
    return Axes(
        longest,
        perpendicular,
        _ends((corners[a] + corners[b]) / 2, along, longest) / voxel_mm,
        _ends(middle, across, perpendicular) / voxel_mm,
    )


def _ends(middle: np.ndarray, direction: np.ndarray, length: float) -> np.ndarray:
    return np.array([middle - length / 2 * direction, middle + length / 2 * direction])


def _ends_of_rows(mask: np.ndarray) -> np.ndarray:
    """First and last pixel (j, i) of every row of a 2-D mask that has any, among which are the corners of its hull."""
    rows = np.flatnonzero(mask.any(axis=1))
    first, last = mask[rows].argmax(axis=1), mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    more = first < last
    return np.concatenate([np.stack([rows, first], 1), np.stack([rows[more], last[more]], 1)])


def _longest_crossing(t: np.ndarray, u: np.ndarray) -> tuple[float, float, float]:
    """Longest line along u through a convex polygon with corners (t, u) in order: its t, its lower end and its length.

    It starts at a corner.
    """
    next_t, next_u = np.roll(t, -1), np.roll(u, -1)
    slanted = next_t != t  # an edge along u is met at its ends, where other edges end too
    if not slanted.any():
        return float(t[0]), float(u.min()), float(np.ptp(u))
    part = (t[:, None] - t[slanted]) / (next_t - t)[slanted]  # where the line through each corner meets each edge
    meets = (part >= -1e-9) & (part <= 1 + 1e-9)
    height = u[slanted] + part * (next_u - u)[slanted]
    low = np.where(meets, height, np.inf).min(axis=1)
    length = np.where(meets, height, -np.inf).max(axis=1) - low
    best = int(length.argmax())
    return float(t[best]), float(low[best]), float(length[best])


def _lesion(
    number: int,
    own: np.ndarray,
    corner: list[int],
    volume: CTVolume,
    probability_at: ProbabilityAt | None,
    surface: cKDTree | None,
) -> Lesion:
    """Measure lesion `number`, which is `own`, a mask whose first voxel is at `corner` (k, j, i) of the volume."""
    box = tuple(slice(first, first + length) for first, length in zip(corner, own.shape, strict=True))
    kji = np.argwhere(own) + corner
    r, a, s = volume.ras(kji.mean(axis=0)[::-1])
    hu = volume.array[box][own].astype(np.float64)
    voxel_mm = (float(volume.spacing[1]), float(volume.spacing[0]))
    axes, plane = _largest_axes(own, voxel_mm)
    diameter_slice = corner[0] + plane
    lines = [
        volume.ras([(*(end[::-1] + corner[:0:-1]), diameter_slice) for end in ends])
        for ends in (axes.long_ends, axes.short_ends)
    ]
    return Lesion(
        id=number,
        volume_ml=round(len(kji) * volume.voxel_ml, 4),
        longest_diameter_mm=round(axes.longest, 2),
        perpendicular_diameter_mm=round(axes.perpendicular, 2),
        diameter_slice=diameter_slice,
        mean_hu=round(float(hu.mean()), 2),
        sd_hu=round(float(hu.std()), 2),
        centroid_ras=(round(float(r), 2), round(float(a), 2), round(float(s), 2)),
        first_slice=box[0].start,
        last_slice=box[0].stop - 1,
        distance_to_surface_mm=None if surface is None else _distance_mm(own, corner, volume, surface),
        mean_probability=None
        if probability_at is None
        else round(float(probability_at(kji).mean(dtype=np.float64)), 4),
        longest_ends_ras=_line(lines[0]),
        perpendicular_ends_ras=_line(lines[1]),
    )


def _line(ends: np.ndarray) -> Line:
    (r, a, s), (r_end, a_end, s_end) = np.round(ends, 3).tolist()
    return (r, a, s), (r_end, a_end, s_end)


def _largest_axes(own: np.ndarray, voxel_mm: tuple[float, float]) -> tuple[Axes, int]:
    """The axes of the slice of a lesion that has the longest, and that slice; of equal ones the later."""
    largest: dict[int, Axes] = {}
    longest = 0.0
    extents = {k: np.ptp(_ends_of_rows(plane), axis=0) * voxel_mm for k, plane in enumerate(own) if plane.any()}
    for k in sorted(extents, key=lambda k: -np.hypot(*extents[k])):
        if max(np.hypot(*extents[k]), *voxel_mm) + 1e-9 < longest:  # nor into any slice that is left
            break
        largest[k] = axial_axes(own[k], voxel_mm)
        longest = max(longest, largest[k].longest)
    best = max(largest, key=lambda k: (largest[k].longest, largest[k].perpendicular, k))
    return largest[best], best


def _distance_mm(own: np.ndarray, corner: list[int], volume: CTVolume, surface: cKDTree) -> float:
    """Shortest distance from a lesion to the surface; its outermost voxels are the nearest ones, and far fewer.

    A few of them say how far it is at most, which spares the search for the others most of its way.
    """
    kji = np.argwhere(outermost(own, outside=False)) + corner
    points = volume.ras(kji[:, ::-1])
    bound = float(np.min(surface.query(points[::64])[0]))
    return round(min(bound, float(np.min(surface.query(points, distance_upper_bound=bound)[0]))), 2)


def _surface_mm(labels: np.ndarray, liver: Box, volume: CTVolume) -> cKDTree | None:
    """Search tree over the centers of the outermost voxels of the liver, which lies in the box `liver`, in RAS mm.

    A distance transform of a whole scan would take seconds. None when there is no surface.
    """
    from scipy.spatial import cKDTree

    box = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in liver)
    inside = labels[box] > 0
    # Where the scan ends it cuts the liver; that cut is not a surface, so beyond the scan counts as liver.
    kji = np.argwhere(outermost(inside, outside=True)) + [part.start for part in box]
    # Built without sorting, which pays for many more questions than are asked here.
    return cKDTree(volume.ras(kji[:, ::-1]), compact_nodes=False, balanced_tree=False) if len(kji) else None
