"""Real lesions carried from one patient into the liver of another, for training only.

After TumorCP (Yang et al., MICCAI 2021) and CarveMix (Zhang et al., MICCAI 2021): a lesion is cut out of another
patient's slices with its rim, turned, mirrored and brought to a drawn size, and blended in at its contrast with the
liver around it. Painted lesions (`synthetic`) have invented shapes; these have the texture and the
borders of real ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from LiverTumorLib.ct.canvas import InputSpec, neighbor_channels
from scipy.ndimage import affine_transform, find_objects, gaussian_filter, label

from .slices import CaseSlices
from .synthetic import LEAST_LIVER_PX

# Of the pasted lesion; drawn evenly in its logarithm, so that small ones are as frequent as large ones.
RADIUS_MM = (2.5, 30.0)
LARGEST_SCALE = 2.0  # a lesion is enlarged or shrunk by no more than this, or its texture would be another
CONTRAST = (0.6, 1.3)  # factor on its contrast with the liver around it
RIM_MM = 5.0  # cut out around a lesion
SOFT_MM = (0.6, 1.5)  # standard deviation of the blending
SMALLEST_PX = 6
BULGING_SHARE = 0.25  # of the lesions that may reach out of the liver
TRIES = 8


@dataclass(frozen=True)
class Lesion:
    """A lesion cut out of a case.

    Attributes:
        contrast: float32 (rows, columns, 3), density minus that of the liver around, as a share of the window; 3
          neighboring slices.
        mask: float32 (rows, columns, 3) in 0..1, the same slices.
        radius_mm: of a disk as large as the lesion in the middle slice.
    """

    contrast: np.ndarray
    mask: np.ndarray
    radius_mm: float


class LesionBank:
    """The lesions of training cases; only slices that the split gives to the training are used.

    Args:
        cases: the training's cases.
        spec: the network's input.
    """

    def __init__(self, cases: Sequence[CaseSlices], spec: InputSpec) -> None:
        self._spec = spec
        self._donors = [(case, ks) for case in cases if len(ks := case.ks(case.has_tumor))]

    def paste(
        self, image: np.ndarray, masks: np.ndarray, patient: str, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Blend a lesion of another patient into healthy liver.

        Args:
            image: float32 (rows, columns, 3) in 0..1; the channels are neighboring slices, the middle one is labeled.
            masks: float32 (rows, columns, 2) liver and tumor in 0..1.
            patient: whose slice this is.
            rng: source of all randomness.

        Returns:
            image and masks with the lesion; the inputs themselves where there is too little healthy liver, or no lesion
            for it.
        """
        places = np.argwhere((masks[..., 0] > 0.9) & (masks[..., 1] < 0.1))
        if len(places) < LEAST_LIVER_PX or (lesion := self.draw(patient, rng)) is None:
            return image, masks
        return _blended(
            image, masks, lesion, places[rng.integers(len(places))], rng.uniform(*SOFT_MM) / self._spec.spacing_mm, rng
        )

    def draw(self, patient: str, rng: np.random.Generator) -> Lesion | None:
        """A lesion of another patient than `patient`, of a size that can be brought to the one drawn; None where none
        was found."""
        donors = [donor for donor in self._donors if donor[0].patient != patient]
        if not donors:
            return None
        wanted_mm = float(np.exp(rng.uniform(*np.log(RADIUS_MM))))
        weights = np.sqrt([len(ks) for _, ks in donors])
        for _ in range(TRIES):
            case, ks = donors[rng.choice(len(donors), p=weights / weights.sum())]
            lesion = self._cut(case, int(rng.choice(ks)), rng)
            if lesion and 1 / LARGEST_SCALE <= wanted_mm / lesion.radius_mm <= LARGEST_SCALE:
                return _turned(lesion, wanted_mm / lesion.radius_mm, rng)
        return None

    def _cut(self, case: CaseSlices, k: int, rng: np.random.Generator) -> Lesion | None:
        offset = self._spec.neighbor_mm / case.slice_mm
        numbered, count = label(case.tumor[k] >= 128)
        sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
        usable = np.flatnonzero(sizes >= SMALLEST_PX)
        if not len(usable):
            return None
        number = int(rng.choice(usable))
        rim = round(RIM_MM / self._spec.spacing_mm)
        box = tuple(slice(max(part.start - rim, 0), part.stop + rim) for part in find_objects(numbered)[number])
        image = neighbor_channels(case.image, k, offset)[box].astype(np.float32) / 255
        mask = neighbor_channels(case.tumor, k, offset)[box].astype(np.float32) / 255
        mask[(numbered[box] > 0) & (numbered[box] != number + 1)] = 0  # lesions beside it stay where they are
        around = (case.liver[k][box] >= 128) & (case.tumor[k][box] < 16)
        if np.count_nonzero(around) < 4 * rim:
            return None
        radius = np.sqrt(sizes[number] / np.pi) * self._spec.spacing_mm
        return Lesion(image - np.median(image[around, 1]), mask, float(radius))


def _blended(image, masks, lesion: Lesion, place, soft_px: float, rng) -> tuple[np.ndarray, np.ndarray]:
    """Image and masks as `LesionBank.paste` has them, with the lesion's middle at a pixel `place`."""
    target, source = _overlap(place - np.array(lesion.mask.shape[:2]) // 2, lesion.mask.shape[:2], image.shape[:2])
    cover = gaussian_filter(lesion.mask, (soft_px, soft_px, 0))[source]
    inside = lesion.mask[source][..., 1]
    if rng.random() >= BULGING_SHARE:
        cover, inside = cover * masks[target][..., :1], inside * masks[target][..., 0]
    image, masks = image.copy(), masks.copy()
    liver = masks[target][..., 0] > 0.5
    level = np.median(image[target][liver], axis=0) if liver.any() else image[target].mean(axis=(0, 1))
    wanted = level + lesion.contrast[source] * np.float32(rng.uniform(*CONTRAST))
    image[target] += cover * (wanted - image[target])
    masks[target][..., 1] = np.maximum(masks[target][..., 1], inside)
    masks[target][..., 0] = np.maximum(masks[target][..., 0], inside)
    return np.clip(image, 0, 1), masks


def _turned(lesion: Lesion, scale: float, rng: np.random.Generator) -> Lesion:
    """The lesion at another size, turned and, half of the time, mirrored."""
    angle, mirror = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([1.0, mirror]) / scale
    rows, columns = lesion.mask.shape[:2]
    side = int(np.ceil(np.hypot(rows, columns) * scale))
    offset = (np.array([rows, columns]) - 1) / 2 - turn @ np.full(2, (side - 1) / 2)

    def moved(planes: np.ndarray, mode: Literal["nearest", "constant"]) -> np.ndarray:
        each = [
            affine_transform(plane, turn, offset, (side, side), order=1, mode=mode)
            for plane in np.moveaxis(planes, -1, 0)
        ]
        return np.stack(each, -1)

    return Lesion(moved(lesion.contrast, "nearest"), moved(lesion.mask, "constant"), lesion.radius_mm * scale)


def _overlap(corner, patch: tuple[int, int], shape: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a patch with its first pixel at `corner` lies in an image of `shape`: the part of the image, and that of
    the patch."""
    row, column = corner
    target = (
        slice(max(row, 0), min(row + patch[0], shape[0])),
        slice(max(column, 0), min(column + patch[1], shape[1])),
    )
    source = (
        slice(target[0].start - row, target[0].stop - row),
        slice(target[1].start - column, target[1].stop - column),
    )
    return target, source
