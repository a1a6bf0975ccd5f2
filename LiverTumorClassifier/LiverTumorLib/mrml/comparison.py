"""A segmentation against a reference that somebody drew, on the CT's grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..ct.region import bounding_box
from ..errors import RequirementError
from ..records.results import LIVER, TUMOR
from .segmentations import Meant, known_segments, labels_from_segmentation
from .serving import Computation
from .volumes import TakenCT, take_ct

if TYPE_CHECKING:
    from ..metrics import LesionDetection


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


def comparing(segmentation_node, reference_node, ct_node, meant: Meant | None = None) -> Computation:
    """Compare two segmentation nodes of one CT, as they are when this begins.

    Args:
        meant: which segments of the reference count, and as what; without it `known_segments`.

    Returns:
        the steps of a run, whose result is a `Comparison`.

    Raises:
        InputError: see `take_ct`, `check_ct` and `labels_from_segmentation`.
    """
    meant = known_segments(reference_node) if meant is None else meant
    ct = take_ct(ct_node)
    found = labels_from_segmentation(segmentation_node, ct_node)
    truth = labels_from_segmentation(reference_node, ct_node, meant)
    comparison = yield partial(_compared, ct, found, truth, meant)
    return comparison


def _compared(ct: TakenCT, found: np.ndarray, truth: np.ndarray, meant: Meant) -> Comparison:
    """Touches no node."""
    from ..metrics import detect_lesions

    volume = ct.checked()
    box = bounding_box((found > 0) | (truth > 0)) or (slice(0, 1),) * 3
    found, truth = found[box], truth[box]
    spacing = volume.spacing[::-1]
    liver = _agreement(found > 0, truth > 0, spacing) if LIVER in meant else None
    if TUMOR not in meant:
        return Comparison(liver, None, None)
    masks = found == TUMOR, truth == TUMOR
    return Comparison(liver, _agreement(*masks, spacing), detect_lesions(*masks, volume.voxel_ml))


def _agreement(found: np.ndarray, truth: np.ndarray, spacing: np.ndarray) -> Agreement:
    from ..metrics import Counts

    return Agreement(Counts.of(found, truth).dice, _hd95(found, truth, spacing))


def _hd95(found: np.ndarray, truth: np.ndarray, spacing: np.ndarray) -> float | None:
    from ..metrics import surface_distances

    try:
        return surface_distances(found, truth, spacing).hd95
    except RequirementError:
        return None
