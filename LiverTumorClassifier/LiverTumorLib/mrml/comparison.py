"""A segmentation against a reference that somebody drew, on the CT's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ct.region import bounding_box
from ..errors import RequirementError
from ..metrics import Counts, LesionDetection, detect_lesions, surface_distances
from ..records.results import TUMOR
from .segmentations import labels_from_segmentation
from .volumes import ct_from_node


@dataclass(frozen=True)
class Comparison:
    """Agreement of two segmentations; NaN where a figure is not defined (one of the two is empty).

    Attributes:
        liver_dice, tumor_dice: 2 |A and B| / (|A| + |B|), the liver with the tumor in it.
        liver_hd95_mm, tumor_hd95_mm: 95th percentile of the surface distances; None where the package for them is
        missing.
        lesions: the reference's lesions, found or missed, and those that are extra.
    """

    liver_dice: float
    tumor_dice: float
    liver_hd95_mm: float | None
    tumor_hd95_mm: float | None
    lesions: LesionDetection


def compare(segmentation_node, reference_node, ct_node) -> Comparison:
    """Compare two segmentation nodes of one CT.

    Raises:
        InputError: see `ct_from_node` and `labels_from_segmentation`.
    """
    volume = ct_from_node(ct_node)
    found, truth = (labels_from_segmentation(node, ct_node) for node in (segmentation_node, reference_node))
    box = bounding_box((found > 0) | (truth > 0)) or (slice(0, 1),) * 3
    found, truth = found[box], truth[box]
    masks = {"liver": (found > 0, truth > 0), "tumor": (found == TUMOR, truth == TUMOR)}
    dice = {name: Counts.of(*pair).dice for name, pair in masks.items()}
    hd95 = {name: _hd95(*pair, volume.spacing[::-1]) for name, pair in masks.items()}
    lesions = detect_lesions(*masks["tumor"], volume.voxel_ml)
    return Comparison(dice["liver"], dice["tumor"], hd95["liver"], hd95["tumor"], lesions)


def _hd95(found: np.ndarray, truth: np.ndarray, spacing: np.ndarray) -> float | None:
    try:
        return surface_distances(found, truth, spacing).hd95
    except RequirementError:
        return None
