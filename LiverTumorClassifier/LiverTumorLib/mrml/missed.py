"""A lesion that the network has missed: grown around a place on its probability map, shown, and then taken or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..ct.region import box_of
from ..errors import InputError
from ..pipelines.lesion_edits import Voxel, grow_lesion
from ..records.results import LIVER, TUMOR
from ..records.segments import LESION_SEGMENT, Segment
from .layers import merged_labels
from .lesion_edits import edited
from .lesions import LesionLabels, LesionSegment, lesion_labels, write_lesions
from .nodes import companion_node, no_leftovers, one_update, remove_node
from .probabilities import kept_probability, used_threshold
from .results import CaseNodes, check_present, measure_again
from .segmentations import add_segment, write_segments
from .translation import _
from .volumes import ijk_to_world, voxel_ml, voxel_mm

PREVIEW_ROLE = "LiverTumor.preview"
REACH_MM = 30.0  # from the place that was clicked; a larger one the network does not miss
_NEAR_MM = 3.0  # how far from a click the lesion's likeliest voxel may be
_LEAST = 5  # percent; below, the network saw nothing
_MISSED = Segment(1, "Missed", "Missed lesion", (255, 80, 255), LESION_SEGMENT.terminology)


@dataclass(frozen=True)
class Missed:
    """A lesion that is shown and not taken yet.

    Attributes:
        volume_ml: of it.
        threshold: probability (0 to 1) above which it was grown.
        highest: the largest probability near the click.
    """

    volume_ml: float
    threshold: float
    highest: float


def show_missed(segmentation_node, ct_node, ras: Sequence[float], threshold: float | None = None) -> Missed:
    """Grow a lesion around a place, and show it beside the segmentation; what was shown before goes.

    Args:
        ras: the place, in RAS mm of the world.
        threshold: probability (0 to 1); without it half of the largest one near the place, or what the run used where
            that is less, and more as long as the lesion would not end within 30 mm.

    Raises:
        InputError: the probability maps were not kept, the place lies outside of the CT or in a lesion that is known,
            or there is nothing to grow.
    """
    check_present(ct_node)
    forget_missed(segmentation_node)
    found = lesion_labels(segmentation_node, ct_node)
    probability = kept_probability(segmentation_node, found.labels.shape)
    if probability is None:
        raise InputError(
            _(
                "The probability maps of {name} were not kept, on which a lesion could be grown; switch on 'Keep "
                "probability volumes' and press Apply, or draw the lesion in the Segment Editor."
            ).format(name=segmentation_node.GetName())
        )
    seed = _seed(ct_node, ras, found, probability)
    grown, used = _grown(segmentation_node, ct_node, found, probability, seed, threshold)
    ml = int(np.count_nonzero(grown)) * voxel_ml(ct_node)
    with no_leftovers(ct_node.GetScene()):
        _show(segmentation_node, ct_node, grown)
    return Missed(round(ml, 4), used / 100, float(probability[seed]) / 100)


def take_missed(segmentation_node, ct_node) -> CaseNodes:
    """Make what is shown a lesion with the next number; `undo` takes that back.

    Raises:
        InputError: nothing is shown, or nothing of it is left beside the lesions that are known.
    """
    preview = segmentation_node.GetNodeReference(PREVIEW_ROLE)
    if preview is None or preview.GetSegmentation().GetSegment(_MISSED.id) is None:
        raise InputError(_("No missed lesion is shown; click on one first."))
    with edited(segmentation_node, ct_node) as found:
        mask = (merged_labels(preview, ct_node, [(_MISSED.id, 1)]) > 0) & (found.labels <= LIVER)
        if not mask.any():
            raise InputError(_("Nothing of it is left beside the other lesions; click again."))
        found.labels[mask] = TUMOR + len(found.lesions)
        lesions = [*found.lesions, LesionSegment("", found.free_number, "")]
        write_lesions(segmentation_node, ct_node, LesionLabels(found.labels, lesions))
        nodes = measure_again(segmentation_node, ct_node)
    forget_missed(segmentation_node)
    return nodes


def forget_missed(segmentation_node) -> None:
    """Take away what is shown and was not taken."""
    if (preview := segmentation_node.GetNodeReference(PREVIEW_ROLE)) is not None:
        remove_node(preview)


def is_missed_shown(segmentation_node) -> bool:
    """Whether a missed lesion is shown."""
    return segmentation_node is not None and segmentation_node.GetNodeReference(PREVIEW_ROLE) is not None


def _seed(ct_node, ras: Sequence[float], found: LesionLabels, probability: np.ndarray) -> Voxel:
    """The likeliest voxel (k, j, i) near a place that is in no lesion. Raises InputError, see `show_missed`."""
    ijk = np.linalg.solve(ijk_to_world(ct_node), [*ras, 1.0])[:3]
    at = np.rint(ijk[::-1]).astype(int)
    shape = np.array(found.labels.shape)
    if (at < 0).any() or (at >= shape).any():
        raise InputError(_("That place lies outside of {name}; click inside.").format(name=ct_node.GetName()))
    if (label := int(found.labels[tuple(at)])) >= TUMOR:
        lesion = found.lesions[label - TUMOR]
        known = _("That place is in {name}, which was rejected; take back its rejection instead.")
        known = known if lesion.judgment.is_rejected else _("That place is in {name} already; click on another.")
        raise InputError(known.format(name=lesion.name or lesion.number))
    sizes = np.array(voxel_mm(ct_node))
    reach = np.floor(_NEAR_MM / sizes).astype(int)
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    near = np.where(found.labels[box] <= LIVER, probability[box], 0)
    k, j, i = (int(part) for part in np.unravel_index(near.argmax(), near.shape) + low)
    if probability[k, j, i] < _LEAST:
        raise InputError(
            _(
                "The network saw nothing there (probability {percent} %), so there is nothing to grow; draw the lesion "
                "in the Segment Editor."
            ).format(percent=int(probability[k, j, i]))
        )
    return k, j, i


def _grown(
    segmentation_node, ct_node, found: LesionLabels, probability: np.ndarray, seed: Voxel, threshold: float | None
) -> tuple[np.ndarray, float]:
    """The lesion (k, j, i), and the threshold in percent it was grown at."""
    k, j, i = (int(np.ceil(REACH_MM / size)) for size in voxel_mm(ct_node))
    allowed, highest = found.labels <= LIVER, float(probability[seed])
    if threshold is not None:
        percent = min(100 * threshold, highest)
        return grow_lesion(probability, seed, percent, allowed, (k, j, i)), percent
    percent = min(highest / 2, 100 * (used_threshold(segmentation_node) or 1.0))
    while True:
        grown = grow_lesion(probability, seed, percent, allowed, (k, j, i))
        ends = zip(box_of(grown), seed, (k, j, i), strict=True)
        if all(part.start > at - far and part.stop <= at + far for part, at, far in ends) or percent > 0.9 * highest:
            return grown, percent
        percent *= 1.1


def _show(segmentation_node, ct_node, grown: np.ndarray) -> None:
    name = _("Missed lesion?")
    node = companion_node(segmentation_node, PREVIEW_ROLE, "vtkMRMLSegmentationNode", name)
    node.SetSaveWithScene(False)
    node.SetHideFromEditors(True)
    with one_update(node):
        node.CreateDefaultDisplayNodes()
        add_segment(node, _MISSED)
        write_segments(node, ct_node, grown.astype(np.uint8), [(_MISSED.id, _MISSED.label)])
