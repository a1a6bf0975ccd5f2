"""A segmentation against a reference that somebody drew, on the CT's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ct.region import bounding_box
from ..errors import RequirementError
from ..metrics import Counts, LesionDetection, detect_lesions, surface_distances
from ..records.results import LIVER, TUMOR
from .segmentations import Meant, known_segments, labels_from_segmentation
from .volumes import ct_from_node


@dataclass(frozen=True)
class Agreement:
    """Agreement of two masks; NaN where a figure is not defined (one of the two is empty).

    Attributes:
        dice: 2 |A and B| / (|A| + |B|).
        hd95_mm: 95th percentile of the surface distances; None where the package for it is missing.
    """

    dice: float
    hd95_mm: float | None


@dataclass(frozen=True)
class Comparison:
    """Agreement of two segmentations.

    Attributes:
        liver: with the tumor in it; None where the reference has no segment for it.
        tumor: None where the reference has no segment for it, which is something else than one without a voxel.
        lesions: the reference's lesions, found or missed, and those that are extra; None as `tumor`.
    """

    liver: Agreement | None
    tumor: Agreement | None
    lesions: LesionDetection | None


def compare(segmentation_node, reference_node, ct_node, meant: Meant | None = None) -> Comparison:
    """Compare two segmentation nodes of one CT.

    Args:
        meant: which segments of the reference count, and as what; without it `known_segments`.

    Raises:
        InputError: see `ct_from_node` and `labels_from_segmentation`.
    """
    meant = known_segments(reference_node) if meant is None else meant
    volume = ct_from_node(ct_node, copy=False)
    found, truth = (
        labels_from_segmentation(segmentation_node, ct_node),
        labels_from_segmentation(reference_node, ct_node, meant),
    )
    box = bounding_box((found > 0) | (truth > 0)) or (slice(0, 1),) * 3
    found, truth = found[box], truth[box]
    spacing = volume.spacing[::-1]
    liver = _agreement(found > 0, truth > 0, spacing) if LIVER in meant else None
    if TUMOR not in meant:
        return Comparison(liver, None, None)
    masks = found == TUMOR, truth == TUMOR
    return Comparison(liver, _agreement(*masks, spacing), detect_lesions(*masks, volume.voxel_ml))


def _agreement(found: np.ndarray, truth: np.ndarray, spacing: np.ndarray) -> Agreement:
    return Agreement(Counts.of(found, truth).dice, _hd95(found, truth, spacing))


def _hd95(found: np.ndarray, truth: np.ndarray, spacing: np.ndarray) -> float | None:
    try:
        return surface_distances(found, truth, spacing).hd95
    except RequirementError:
        return None
