"""Stage 2: tumor, in the liver that stage 1 found or straight from the abdomen.

At the border of the liver tumor is believed up to a margin beyond what stage 1 predicted, because lesions at the
surface are what stage 1 misses, but only where the network is surer than inside, and not where the CT shows fat or air
there; a believed tumor voxel outside the predicted liver counts as liver too.
"""

from __future__ import annotations

import math

import numpy as np

from ..ct import CTVolume
from ..ct.canvas import lay_canvas
from ..ct.region import bounding_box, box_of, components
from ..errors import UsageError
from ..models.session import Session
from ..records.results import LIVER, TUMOR
from .run import Report
from .slicemaps import SliceMaps
from .slicewise import map_slices

# Smoothing along and within slices, see `smoothed`; chosen on validation patients.
SMOOTH_MM = (2.0, 1.0)
# Beyond the predicted liver, what is darker than this on average over a few mm is fat, lung or bowel gas and no tumor.
FAT_HU = -20.0
_SMOOTH_MM = 2.0  # standard deviation of that average; single voxels are noise
# Beyond the predicted liver tumor needs at least this probability: most of what is faint there is stomach, vessels or
# kidney (measured out of fold, Docs/study.md).
BEYOND = 0.75


def find_tumor(
    session: Session,
    volume: CTVolume,
    labels: np.ndarray,
    roi: bool,
    margin_mm: float,
    report: Report,
    threshold: float = 0.5,
) -> SliceMaps:
    """Tumor probability on a canvas, 0 where tumor is not believed, below the threshold where it is nowhere sure
    enough.

    Args:
        session: of a network for task "tumor".
        volume: CT in axial order.
        labels: the predicted liver on the volume's grid, at least one voxel of it.
        roi: look inside the liver region only; False looks at the whole abdomen and believes all of it.
        margin_mm: how far beyond the predicted liver tumor is accepted.
        report: receives the stage's fraction.
        threshold: at which the maps will be used; see `keep_sure`.

    Raises:
        UsageError: the network was trained for the other way.
    """
    spec = session.bundle.manifest.input
    if roi != (spec.region == "liver"):
        wanted = "inside the liver region" if roi else "straight from the abdomen"
        raise UsageError(
            f"Model '{session.bundle.id}' was not trained to find tumor {wanted}; choose another tumor model."
        )
    canvas, offset_hu = lay_canvas(spec, volume, labels)
    if not roi:
        found = map_slices(session, volume, canvas, range(volume.shape[0]), report)
        smooth = found.smoothed(SMOOTH_MM, float(volume.spacing[2]))
        return SliceMaps(found.ks, keep_sure(smooth.maps, threshold, session.bundle.manifest.sure), canvas)
    slices = box_of(labels)[0]
    reach = int(margin_mm / volume.spacing[2])
    around = range(max(slices.start - reach, 0), min(slices.stop + reach, volume.shape[0]))
    found = map_slices(session, volume, canvas, around, report, offset_hu)
    liver = found.sampled(labels, lambda block: block > 0) >= 0.5
    believed = within(liver, found.ks * volume.spacing[2], canvas.spacing_mm, margin_mm)
    believed &= liver | ~_fat_or_air(found, volume)
    smooth = found.smoothed(SMOOTH_MM, float(volume.spacing[2]))
    maps, beyond = np.where(believed, smooth.maps, 0), believed & ~liver
    maps[beyond] = less_sure(maps[beyond], threshold)
    return SliceMaps(found.ks, keep_sure(maps, threshold, session.bundle.manifest.sure), canvas)


def less_sure(maps: np.ndarray, threshold: float) -> np.ndarray:
    """Probabilities beyond the predicted liver, lowered so that they reach the threshold where they are `BEYOND`."""
    return np.asarray(np.interp(maps, (0, max(BEYOND, threshold), 1), (0, threshold, 1)), maps.dtype)


def keep_sure(maps: np.ndarray, threshold: float, sure: float) -> np.ndarray:
    """Maps (k, rows, columns) in which connected regions at the threshold that reach `sure` nowhere are brought below
    the threshold.

    Hysteresis, as Canny (PAMI 1986) uses it for edges: a low threshold draws the whole lesion, and `sure` keeps faint
    false ones away.
    """
    if sure <= threshold:
        return maps
    found = components(maps >= threshold, faces_only=True)
    voxels = found.voxels(np.ones(len(found.sizes), bool))
    surest = np.zeros(len(found.sizes), np.float32)
    np.maximum.at(surest, np.repeat(found.parts, found.lengths), maps.ravel()[voxels])
    kept = maps.copy()
    kept.ravel()[found.voxels(surest < sure)] = threshold / 2
    return kept


def drop_small(labels: np.ndarray, volume: CTVolume, min_lesion_ml: float) -> None:
    """Turn connected tumor regions under `min_lesion_ml` back into liver."""
    if (liver := bounding_box(labels)) is None:
        return
    inside = labels[liver]
    found = components(inside == TUMOR)
    small = found.sizes * volume.voxel_ml < min_lesion_ml
    if small.any():
        inside[np.unravel_index(found.voxels(small), inside.shape)] = LIVER


def within(mask: np.ndarray, heights_mm: np.ndarray, pixel_mm: float, margin_mm: float) -> np.ndarray:
    """Where a pixel lies in the mask or no farther than `margin_mm` from it.

    Args:
        mask: (n, rows, columns) bool, slices at ascending `heights_mm` (n,), not all of them the same distance apart.
        pixel_mm: pixel size.
        margin_mm: distance in all directions.
    """
    from scipy.ndimage import distance_transform_edt

    # Slice by slice, and no farther from the mask than is asked: the transform of a whole stack takes some forty bytes
    # a pixel.
    distance = np.full(mask.shape, np.inf, np.float32)
    reach = math.ceil(margin_mm / pixel_mm)
    for plane, own in zip(distance, mask, strict=True):
        if own.any():
            used = (np.flatnonzero(own.any(axis=axis)) for axis in (1, 0))
            around = tuple(slice(max(at[0] - reach, 0), at[-1] + reach + 1) for at in used)
            plane[around] = distance_transform_edt(~own[around], sampling=pixel_mm)
    near = mask.copy()
    for height, plane in zip(heights_mm, near, strict=True):
        apart = np.abs(heights_mm - height)
        for other in np.flatnonzero(apart <= margin_mm):
            plane |= distance[other] <= np.sqrt(margin_mm**2 - apart[other] ** 2)
    return near


def _fat_or_air(found: SliceMaps, volume: CTVolume) -> np.ndarray:
    """Where the canvas shows fat or air, bool like the maps."""
    from scipy.ndimage import gaussian_filter

    low, high = 5 * FAT_HU, -5 * FAT_HU  # so that a speck of gas or bone does not decide for its surroundings
    hu = found.sampled(volume.array, lambda block: np.clip(block, low, high))
    return gaussian_filter(hu, (0, *[_SMOOTH_MM / found.canvas.spacing_mm] * 2)) < FAT_HU
