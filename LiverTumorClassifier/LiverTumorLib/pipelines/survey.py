"""What anatomy says of a region that should be a liver, and of the scan round it: the figures by which `doubt` judges.

All but the volume is measured on a coarse copy of the scan, so that it takes some hundredths of a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..ct import CTVolume
from ..ct.region import bounding_box

COARSE = 96  # columns and rows of the coarse copy, at most
FAT_HU = -30.0  # fat lies below, what is lean above
BODY_HU, LUNG_HU = -300.0, -400.0
BONE_HU, DENSE_BONE_HU = 150.0, 250.0  # the latter is above vessels full of contrast medium, but beyond most windows
CUT_SHARE = 0.25  # of the largest cross-section: what is smaller at the scan's end is a tip that touches it
CUT_SIDE_CM2, SIDE_MM = 15.0, 4.0  # as much of it so near the border, where networks see little, is cut
BESIDE_MM = (8.0, 12.0, 16.0, 20.0, 24.0)  # how far above and below a region its surroundings are looked at
RAY_MM = 80.0  # bone is looked for no farther from a region
DISC_MM = 24.0  # no gap between two vertebrae is higher
SPINE_SHARE, SPINE_CM2 = 0.75, 1.0  # bone in this part of all slices, and of this cross-section, is the spine
MIDDLE = 0.3  # the spine lies no farther from the middle, as a part of half the body's width


@dataclass(frozen=True)
class Survey:
    """A region of a scan that should be a liver.

    Attributes:
        ml: its volume.
        size_mm: its extent to left, posterior and superior.
        cut: by which ends of the scan it is cut: "lower", "upper", "side".
        even_mm: its height where it goes through the whole scan and its cross-section stays above half of the largest,
          else 0.
        thickness_mm: diameter of the largest ball that fits into it.
        body_mm: width of the body at its height, without the fat under the skin.
        share: its part of all lean tissue at its height, of the same part of the body (the same leg, say).
        bone_around: part of the rays from it that meet bone, in the one of four directions where the fewest do.
        lung_above, lung_below: part of its surroundings there that is lung, in a scan stored clipped to a window lung
        or fat;
            None where the scan does not show them.
        side: its middle between the body's right (-1) and left (1).
        spine: the spine's place between the body's front (-1) and back (1); None where it is not certain.
        hu, spread_hu: its median density, and the distance between the quartiles.
        probability: the network's mean probability in it; None where no network found it.
        voxel_mm: voxel size (i, j, k).
    """

    ml: float
    size_mm: tuple[float, float, float]
    cut: frozenset[str]
    even_mm: float
    thickness_mm: float
    body_mm: float
    share: float
    bone_around: float
    lung_above: float | None
    lung_below: float | None
    side: float
    spine: float | None
    hu: float
    spread_hu: float
    probability: float | None
    voxel_mm: tuple[float, float, float]


def survey(mask: np.ndarray, volume: CTVolume, probability: float | None = None) -> Survey | None:
    """Look at a region of a volume in axial order; None where the region is empty.

    Args:
        mask: (k, j, i) on the volume's grid, above 0 inside.
        volume: CT in axial order, HU.
        probability: mean of the network's probability in the region.
    """
    if (box := bounding_box(mask)) is None:
        return None
    heights = box[0]
    areas = np.count_nonzero(mask[box], axis=(1, 2)) * (1000 * volume.voxel_ml / float(volume.spacing[2]))  # mm²
    widest = heights.start + int(areas.argmax())
    inside = np.argwhere(mask[widest])
    row, column = map(int, inside[len(inside) // 2])
    within = widest, row, column  # a voxel of the region, so that the coarse copy has one too
    at_end = heights.start == 0, heights.stop == mask.shape[0]
    cut = _cut(mask, areas, at_end, volume)
    columns, step, coarse_mm = _coarse(volume, within)
    slab = (slice(heights.start + (widest - heights.start) % step, heights.stop, step), *columns)
    region, hu = mask[slab] > 0, volume.array[slab].astype(np.float32)
    clipped = _is_clipped(volume)
    lean = (_part_of_body(region, hu, clipped) & (hu > FAT_HU)) | region
    across = _span(lean, 2)
    spine = _spine(hu, lean, coarse_mm, clipped)  # where the region is too short for one, the whole scan may show it
    low, median, high = np.percentile(hu[region], (25, 50, 75))
    beside = (mask[heights, *columns], volume.array[:, *columns], heights.start, float(volume.spacing[2]), clipped)
    return Survey(
        ml=float(areas.sum() * volume.spacing[2] / 1000),
        size_mm=_three((part.stop - part.start) * mm for part, mm in zip(box[::-1], volume.spacing, strict=True)),
        cut=cut,
        even_mm=len(areas) * float(volume.spacing[2]) if all(at_end) and areas.min() >= areas.max() / 2 else 0.0,
        thickness_mm=_thickness_mm(region, coarse_mm, at_end),
        body_mm=float((across[1] - across[0] + 1) * coarse_mm[2]),
        share=float(region.sum() / lean.sum()),
        bone_around=_bone_around(region, hu, coarse_mm),
        lung_above=_lung_beside(*beside, up=True),
        lung_below=_lung_beside(*beside, up=False),
        side=_between(float(np.nonzero(region)[2].mean()), across),
        spine=find_spine(volume) if spine is None else spine,
        hu=float(median),
        spread_hu=float(high - low),
        probability=probability,
        voxel_mm=_three(volume.spacing),
    )


def _three(lengths: Iterable[float]) -> tuple[float, float, float]:
    i, j, k = map(float, lengths)
    return i, j, k


def find_spine(volume: CTVolume) -> float | None:
    """Where the spine lies in a scan in axial order, between the body's front (-1) and back (1); None where it is not
    certain."""
    columns, step, coarse_mm = _coarse(volume, (0, 0, 0))
    hu = volume.array[(slice(None, None, step), *columns)].astype(np.float32)
    clipped, lean = _is_clipped(volume), hu > FAT_HU
    return _spine(hu, lean & _part_of_body(lean, hu, clipped), coarse_mm, clipped)


def _coarse(volume: CTVolume, through: tuple[int, int, int]) -> tuple[tuple[slice, slice], int, np.ndarray]:
    """Coarse rows and columns, which hold the voxel `through` (k, j, i), the step between slices, and the coarse (k, j,
    i) voxel in mm."""
    step = max(1, -(-max(volume.shape[1:]) // COARSE))
    between = max(1, round(step * float(volume.spacing[:2].min() / volume.spacing[2])))
    rows, columns = (slice(place % step, None, step) for place in through[1:])
    return (rows, columns), between, volume.spacing[::-1] * (between, step, step)


def _is_clipped(volume: CTVolume) -> bool:
    """Whether the scan was stored clipped to a window, so that air looks like fat."""
    return bool(volume.array[:, ::8, ::8].min() > BODY_HU)


def _cut(mask: np.ndarray, areas: np.ndarray, at_end: tuple[bool, bool], volume: CTVolume) -> frozenset[str]:
    ends = zip(("lower", "upper"), at_end, areas[[0, -1]], strict=True)
    cut = {name for name, touches, area in ends if touches and area >= CUT_SHARE * areas.max()}
    border_mm2 = 0.0
    for axis in (1, 2):
        near = max(1, round(SIDE_MM / float(volume.spacing[2 - axis])))
        planes = np.moveaxis(mask, axis, 0)
        seen = np.count_nonzero(planes[:near].any(axis=0)) + np.count_nonzero(planes[-near:].any(axis=0))
        border_mm2 += seen * float(volume.spacing[axis - 1] * volume.spacing[2])
    return frozenset(cut | ({"side"} if border_mm2 >= 100 * CUT_SIDE_CM2 else set()))


def _part_of_body(region: np.ndarray, hu: np.ndarray, clipped: bool) -> np.ndarray:
    """The part of the body that holds the region; everything where the scan does not show where the body ends."""
    from scipy.ndimage import label

    numbered = np.ones(hu.shape, np.uint8) if clipped else label(hu > BODY_HU)[0]
    counts = np.bincount(numbered[region], minlength=1)
    counts[0] = 0
    return numbered == counts.argmax() if counts.any() else np.ones(hu.shape, bool)


def _span(tissue: np.ndarray, axis: int) -> tuple[int, int]:
    """First and last index along an axis between which nearly all of the tissue lies: a tube or the table's edge does
    not count."""
    counts = np.cumsum(tissue.sum(axis=tuple({0, 1, 2} - {axis})))
    first, last = np.searchsorted(counts, (0.02 * counts[-1], 0.98 * counts[-1]))
    return int(first), int(last)


def _between(place: float, span: tuple[int, int]) -> float:
    """A place between the ends of a span, -1 to 1."""
    return (2 * place - span[0] - span[1]) / max(span[1] - span[0], 1)


def _thickness_mm(region: np.ndarray, mm: np.ndarray, at_end: tuple[bool, bool]) -> float:
    """Diameter of the largest ball inside; what the scan's end cuts continues beyond it."""
    from scipy.ndimage import distance_transform_edt

    padded = np.pad(region[bounding_box(region)], 1)
    for plane, inner, touches in ((0, 1, at_end[0]), (-1, -2, at_end[1])):
        padded[plane] = padded[inner] & touches
    return 2 * float(distance_transform_edt(padded, sampling=mm).max())


def _bone_around(region: np.ndarray, hu: np.ndarray, mm: np.ndarray) -> float:
    from scipy.ndimage import uniform_filter

    bone = (uniform_filter(np.where(region, 0, hu), (1, 3, 3)) >= BONE_HU) & ~region
    met = []
    for axis in (1, 2):
        reach = max(1, round(RAY_MM / float(mm[axis])))
        inside, dense = np.moveaxis(region, axis, 0), np.moveaxis(bone, axis, 0)
        rays = np.nonzero(inside.any(axis=0))
        up_to = np.cumsum(dense[:, *rays], axis=0, dtype=np.int16)
        first, last = inside.argmax(axis=0)[rays], len(inside) - 1 - inside[::-1].argmax(axis=0)[rays]
        ray = np.arange(len(first))
        before = up_to[first, ray] - up_to[np.maximum(first - reach, 0), ray]
        behind = up_to[np.minimum(last + reach, len(inside) - 1), ray] - up_to[last, ray]
        met += [float((count > 0).mean()) for count in (before, behind)]
    return min(met)


def _lung_beside(
    mask: np.ndarray, hu: np.ndarray, start: int, slice_mm: float, clipped: bool, up: bool
) -> float | None:
    """`mask` holds the slices of the region only, from `start` on."""
    columns = np.nonzero((mask > 0).any(axis=0))
    if up:
        ends, away = start + len(mask) - 1 - (mask[::-1] > 0).argmax(axis=0)[columns], 1
    else:
        ends, away = start + (mask > 0).argmax(axis=0)[columns], -1
    ks = ends + away * np.array([[max(1, round(mm / slice_mm))] for mm in BESIDE_MM])
    shown = (ks >= 0) & (ks < len(hu))
    if shown.mean() < 0.25:
        return None
    js, is_ = (np.broadcast_to(each, ks.shape)[shown] for each in columns)
    return float((hu[ks[shown], js, is_] < (FAT_HU if clipped else LUNG_HU)).mean())


def _spine(hu: np.ndarray, lean: np.ndarray, mm: np.ndarray, clipped: bool) -> float | None:
    """The most posterior bone in the middle of the body that goes through nearly all slices; a sternum, in front, may
    do so too."""
    from scipy.ndimage import maximum_filter, maximum_filter1d, minimum_filter1d, uniform_filter

    if len(hu) * mm[0] < 2 * DISC_MM or not lean.any():
        return None
    across, along = _span(lean, 2), _span(lean, 1)
    middle, half = sum(across) / 2, MIDDLE * (across[1] - across[0]) / 2
    columns = slice(round(middle - half), round(middle + half) + 1)
    hu = np.where(lean[:, :, columns], hu[:, :, columns], FAT_HU)  # without the table
    # Contrast medium is as dense as what a clipped scan shows of bone, but in few places through all slices.
    bone = uniform_filter(hu, (1, 3, 3)) >= BONE_HU if clipped else maximum_filter(hu >= DENSE_BONE_HU, (1, 3, 3))
    disc = max(1, round(DISC_MM / float(mm[0])))
    through = minimum_filter1d(maximum_filter1d(bone, disc, axis=0), disc, axis=0).mean(axis=0) >= SPINE_SHARE
    if through.sum() * mm[1] * mm[2] < 100 * SPINE_CM2:
        return None
    return _between(float(np.percentile(np.nonzero(through)[0], 90)), along)
