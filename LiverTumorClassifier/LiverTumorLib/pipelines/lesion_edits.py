"""A lesion that is two, and one that was missed: what a reader corrects, on label arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..ct.region import box_of, components
from ..files.itk import import_sitk

_LEAST_PART = 0.05  # of a lesion that is split; less is a bump, not a lesion of its own
_SMOOTH_MM = 1.0
_LEVELS = 24

Voxel = tuple[int, int, int]


def pieces_of(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the connected pieces of a mask (k, j, i), the largest 1; 0 outside."""
    found = components(mask)
    numbered = np.zeros(mask.shape, np.int32)
    for number, part in enumerate(np.argsort(-found.sizes, kind="stable").tolist(), start=1):
        own, box = found.part(part)
        numbered[box][own] = number
    return numbered


def split_lesion(mask: NDArray[np.bool_], voxel_mm: tuple[float, float, float]) -> NDArray[np.int32] | None:
    """Part a lesion: into its pieces, or else, where it is one, in two at its narrowest place.

    That is a watershed on the distance to its surface (Beucher and Lantuéjoul 1979), flooded from the first two
    pieces that the lesion falls into when its surface moves inward. Each part is a twentieth of the lesion at least.

    Args:
        mask: (k, j, i), not empty.
        voxel_mm: voxel size along (k, j, i), in mm.

    Returns:
        Number of the part, the largest 1; 0 outside. None where there is nothing to part it by.
    """
    box = box_of(mask)
    parts = pieces_of(mask[box])
    if parts.max() < 2:
        parts = _parted_at_waist(np.pad(mask[box], 1), voxel_mm)[1:-1, 1:-1, 1:-1]
    if parts.max() < 2:
        return None
    numbered = np.zeros(mask.shape, np.int32)
    numbered[box] = parts
    return numbered


def grow_lesion(
    probability: NDArray[np.number], place: Voxel, threshold: float, allowed: NDArray[np.bool_], reach: Voxel
) -> NDArray[np.bool_]:
    """What hangs together with a place where a map is above a threshold.

    Args:
        probability: (k, j, i).
        place: voxel (k, j, i) that is surely in it.
        threshold: in units of the map.
        allowed: where it may grow, on the same grid.
        reach: how far it may grow from the place, in voxels along (k, j, i).

    Returns:
        (k, j, i); empty where the place itself is not above the threshold, or not allowed.
    """
    grown = np.zeros(probability.shape, bool)
    box = tuple(
        slice(max(0, at - far), min(size, at + far + 1))
        for at, far, size in zip(place, reach, probability.shape, strict=True)
    )
    seed = tuple(at - part.start for at, part in zip(place, box, strict=True))
    above = (probability[box] >= threshold) & allowed[box]
    if above[seed]:
        found = components(above)
        run = np.searchsorted(found.starts, np.ravel_multi_index(seed, above.shape), side="right") - 1
        own, inner = found.part(int(found.parts[run]))
        grown[box][inner] = own
    return grown


def _parted_at_waist(inside: NDArray[np.bool_], voxel_mm: tuple[float, float, float]) -> NDArray[np.int32]:
    """The two parts of one piece, which touches no side of the array, the largest 1; all 0 where there are none."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    sitk = import_sitk()

    depth = distance_transform_edt(inside, sampling=voxel_mm)
    depth = gaussian_filter(depth, [_SMOOTH_MM / size for size in voxel_mm])  # steps of voxels have peaks of their own
    image = sitk.GetImageFromArray(-depth.astype(np.float32))
    for level in np.linspace(0, depth.max(), _LEVELS, endpoint=False)[1:]:
        seeds = pieces_of((depth > level) & inside)
        if seeds.max() < 2:
            continue
        seeds[seeds > 2] = 0
        seeds[~inside] = 3  # or the flood would run around the lesion
        flooded = sitk.MorphologicalWatershedFromMarkers(
            image, sitk.GetImageFromArray(seeds.astype(np.uint8)), markWatershedLine=False, fullyConnected=True
        )
        parts = np.where(inside, sitk.GetArrayFromImage(flooded), 0).astype(np.int32)
        parts[parts > 2] = 0
        sizes = np.bincount(parts.ravel(), minlength=3)[1:]
        if sizes.min() >= _LEAST_PART * inside.sum():
            return parts if sizes[0] >= sizes[1] else np.choose(parts, [0, 2, 1]).astype(np.int32)
    return np.zeros(inside.shape, np.int32)
