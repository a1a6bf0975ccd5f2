"""A lesion that the network has missed: grown around a place on its probability map, shown, and then taken or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..ct import CTVolume
from ..ct.region import box_of
from ..errors import InputError
from ..pipelines.lesion_edits import Voxel, grow_lesion
from ..records.results import LIVER, TUMOR
from ..records.segments import LESION_SEGMENT, Segment
from .case_nodes import check_present
from .layers import Layer, merged_labels
from .lesion_edits import editing
from .lesions import LesionLabels, LesionSegment
from .measuring import Measurable
from .nodes import companion_node, no_leftovers, one_update, remove_node
from .probabilities import used_threshold
from .segmentations import add_segment, write_segments
from .serving import Computation
from .translation import _

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


def growing_missed(segmentation_node, ct_node, ras: Sequence[float], threshold: float | None = None) -> Computation:
    """Grow a lesion around a place, and show it beside the segmentation; what was shown before goes, also
    where nothing comes of it.

    Args:
        ras: the place, in RAS mm of the world.
        threshold: probability (0 to 1); without it half of the largest one near the place, or what the run used where
            that is less, and more as long as the lesion would not end within 30 mm.

    Returns:
        the steps of a run, whose result is a `Missed`.

    Raises:
        InputError: the probability maps were not kept, the place lies outside of the CT or in a lesion that is known,
            or there is nothing to grow; or something has changed meanwhile.
    """
    check_present(ct_node)
    try:
        taken = Measurable.of(segmentation_node, ct_node)
        if taken.probability is None:
            raise InputError(
                _(
                    "The probability maps of {name} were not kept, on which a lesion could be grown; switch on 'Keep "
                    "probability volumes' and press Apply, or draw the lesion in the Segment Editor."
                ).format(name=segmentation_node.GetName())
            )
        used = used_threshold(segmentation_node) if threshold is None else threshold
        grown, missed = yield partial(_grow, taken, ras, used, threshold is not None)
        check_present(ct_node)
        taken.check_unchanged()
        with no_leftovers(ct_node.GetScene()):
            _show(segmentation_node, ct_node, grown)
    except Exception:
        forget_missed(segmentation_node)
        raise
    return missed


def taking_missed(segmentation_node, ct_node) -> Computation:
    """Make what is shown a lesion with the next number; `undo` takes that back.

    Returns:
        the steps of a run, whose result is a `CaseNodes`.

    Raises:
        InputError: nothing is shown, or nothing of it is left beside the lesions that are known; or something has
            changed meanwhile.
    """
    preview = segmentation_node.GetNodeReference(PREVIEW_ROLE)
    if preview is None or preview.GetSegmentation().GetSegment(_MISSED.id) is None:
        raise InputError(_("No missed lesion is shown; click on one first."))
    shown = merged_labels(preview, ct_node, [(_MISSED.id, 1)])

    def added(found: LesionLabels) -> LesionLabels:
        mask = (shown > 0) & (found.labels <= LIVER)
        if not mask.any():
            raise InputError(_("Nothing of it is left beside the other lesions; click again."))
        found.labels[mask] = TUMOR + len(found.lesions)
        return replace(found, lesions=[*found.lesions, LesionSegment("", found.free_number, "")])

    nodes = yield from editing(segmentation_node, ct_node, added)
    forget_missed(segmentation_node)
    return nodes


def forget_missed(segmentation_node) -> None:
    """Take away what is shown and was not taken."""
    if (preview := segmentation_node.GetNodeReference(PREVIEW_ROLE)) is not None:
        remove_node(preview)


def is_missed_shown(segmentation_node) -> bool:
    """Whether a missed lesion is shown."""
    return segmentation_node is not None and segmentation_node.GetNodeReference(PREVIEW_ROLE) is not None


def _grow(taken: Measurable, ras: Sequence[float], threshold: float | None, is_chosen: bool) -> tuple[Layer, Missed]:
    """The lesion, ready to be shown, and its figures. Touches no node. Raises InputError, see `growing_missed`.

    Args:
        threshold: that the user has chosen, else that of the run.
    """
    volume, probability, found = taken.ct.volume, taken.probability, taken.lesions.labels()
    assert probability is not None
    seed = _seed(volume, ras, found, probability)
    k, j, i = (int(np.ceil(REACH_MM / size)) for size in volume.spacing[::-1])
    allowed, highest = found.labels <= LIVER, float(probability[seed])
    if is_chosen and threshold is not None:
        percent = min(100 * threshold, highest)
        grown = grow_lesion(probability, seed, percent, allowed, (k, j, i))
    else:
        percent = min(highest / 2, 100 * (threshold or 1.0))
        while True:
            grown = grow_lesion(probability, seed, percent, allowed, (k, j, i))
            ends = zip(box_of(grown), seed, (k, j, i), strict=True)
            if (
                all(part.start > at - far and part.stop <= at + far for part, at, far in ends)
                or percent > 0.9 * highest
            ):
                break
            percent *= 1.1
    ml = int(np.count_nonzero(grown)) * volume.voxel_ml
    return Layer.of(grown.astype(np.uint8)), Missed(round(ml, 4), percent / 100, highest / 100)


def _seed(volume: CTVolume, ras: Sequence[float], found: LesionLabels, probability: np.ndarray) -> Voxel:
    """The likeliest voxel (k, j, i) near a place that is in no lesion. Raises InputError, see `growing_missed`."""
    ijk = np.linalg.solve(volume.ijk_to_ras, [*ras, 1.0])[:3]
    at = np.rint(ijk[::-1]).astype(int)
    shape = np.array(found.labels.shape)
    if (at < 0).any() or (at >= shape).any():
        raise InputError(_("That place lies outside of {name}; click inside.").format(name=volume.name))
    if (label := int(found.labels[tuple(at)])) >= TUMOR:
        lesion = found.lesions[label - TUMOR]
        known = _("That place is in {name}, which was rejected; take back its rejection instead.")
        known = known if lesion.judgment.is_rejected else _("That place is in {name} already; click on another.")
        raise InputError(known.format(name=lesion.name or lesion.number))
    sizes = volume.spacing[::-1]
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


def _show(segmentation_node, ct_node, grown: Layer) -> None:
    name = _("Missed lesion?")
    node = companion_node(segmentation_node, PREVIEW_ROLE, "vtkMRMLSegmentationNode", name)
    node.SetSaveWithScene(False)
    node.SetHideFromEditors(True)
    with one_update(node):
        node.CreateDefaultDisplayNodes()
        add_segment(node, _MISSED)
        write_segments(node, ct_node, grown, [(_MISSED.id, _MISSED.label)])
