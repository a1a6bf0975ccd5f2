"""What a reader does to the list of lesions: delete false ones, merge and split; `undo` takes each back.

Each takes a moment, so there is a function that does it here and now, and one that gives the steps of a run, see
`serving`. Nothing is written before all is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..ct.region import box_of
from ..errors import InputError
from ..pipelines.lesion_edits import split_lesion as split_mask
from ..records.results import TUMOR, CaseResult
from .case_nodes import LESIONS_ROLE, TABLES, CaseNodes, check_present
from .history import keeping, undoable_to
from .kept_axes import forget_axes
from .known_liver import see_liver
from .layers import Layer
from .lesions import LesionLabels, write_lesions
from .measuring import Measurable
from .nodes import no_leftovers
from .probabilities import MAPS
from .results import show_measured
from .segment_tags import number_of
from .segmentations import remove_segments
from .serving import Computation, at_once
from .tables import records_of
from .translation import _
from .volumes import voxel_mm


def delete_lesions(segmentation_node, ct_node, identifiers: Sequence[str]) -> CaseNodes:
    """Take lesions away; what of them is liver without them becomes liver, and what is in another lesion too, its own.

    Args:
        identifiers: of the lesions' segments.

    Raises:
        InputError: a lesion is no longer there; see `Measurable` too.
    """
    return at_once(deleting_lesions(segmentation_node, ct_node, identifiers))


def merge_lesions(segmentation_node, ct_node, identifiers: Sequence[str]) -> CaseNodes:
    """Make one lesion of several, which need not touch; it has the segment of the one with the lowest number.

    Raises:
        InputError: fewer than two, or one that is no longer there; see `Measurable` too.
    """
    return at_once(merging_lesions(segmentation_node, ct_node, identifiers))


def split_lesion(segmentation_node, ct_node, identifier: str) -> CaseNodes:
    """Part a lesion into its pieces or, where it is one, at its narrowest place. The largest part keeps its number.

    Raises:
        InputError: nothing to part it by, or it is no longer there; see `Measurable` too.
    """
    return at_once(splitting_lesion(segmentation_node, ct_node, identifier))


def deleting_lesions(segmentation_node, ct_node, identifiers: Sequence[str]) -> Computation:
    """`delete_lesions` as the steps of a run; see `editing`."""

    def left(found: LesionLabels) -> LesionLabels:
        for identifier in identifiers:
            found.label_of(identifier)
        return found.without(identifiers)

    return editing(segmentation_node, ct_node, left, identifiers)


def merging_lesions(segmentation_node, ct_node, identifiers: Sequence[str]) -> Computation:
    """`merge_lesions` as the steps of a run; see `editing`."""
    if len(set(identifiers)) < 2:
        raise InputError(_("Choose two or more lesions in the table (Ctrl or Shift and a click) to merge them."))

    def merged(found: LesionLabels) -> LesionLabels:
        first, *others = sorted(found.label_of(identifier) for identifier in set(identifiers))
        return found.without([found.lesions[label - TUMOR].identifier for label in others], become=first)

    return editing(segmentation_node, ct_node, merged, identifiers)


def splitting_lesion(segmentation_node, ct_node, identifier: str) -> Computation:
    """`split_lesion` as the steps of a run; see `editing`."""
    size = voxel_mm(ct_node)

    def split(found: LesionLabels) -> LesionLabels:
        label = found.label_of(identifier)
        lesion = found.lesions[label - TUMOR]
        mask = found.whole(label)
        if not mask.any():
            raise InputError(_("{name} has no voxels; choose another one.").format(name=lesion.name))
        box = box_of(mask)
        parts = split_mask(mask[box], size)
        if parts is None:
            raise InputError(
                _("{name} is one piece without a waist; part it with the scissors of the Segment Editor.").format(
                    name=lesion.name
                )
            )
        lesions, beneath = list(found.lesions), dict(found.beneath)
        lost = np.unravel_index(beneath.pop(lesion.number, np.zeros(0, np.intp)), found.labels.shape)
        part_of_lost = parts[tuple(at - part.start for at, part in zip(lost, box, strict=True))]
        own = found.labels[box] == label
        for part in range(1, int(parts.max()) + 1):
            number = lesion.number
            if part > 1:
                number = LesionLabels(found.labels, lesions).free_number
                found.labels[box][own & (parts == part)] = TUMOR + len(lesions)
                lesions.append(replace(lesion, identifier="", number=number, name=""))
            if (of_part := part_of_lost == part).any():
                places = [at[of_part] for at in lost]
                beneath[number] = np.ravel_multi_index(places, found.labels.shape)
        return replace(found, lesions=lesions, beneath=beneath)

    return editing(segmentation_node, ct_node, split, [identifier])


def editing(
    segmentation_node, ct_node, change: Callable[[LesionLabels], LesionLabels], changed_ones: Sequence[str] = ()
) -> Computation:
    """Change lesions, measure what came of it, and write it, so that `undo` brings back what was there.

    Args:
        change: makes others of the lesions; touches no node, and may write into the labels.
        changed_ones: the segments of lesions that it changes, of which axes that were drawn by hand no longer hold.

    Returns:
        the steps of a run, whose result is a `CaseNodes`.

    Raises:
        InputError: the CT has left the scene, or something was changed meanwhile; see `Measurable` too, and what
            `change` raises.
    """
    check_present(ct_node)
    taken = Measurable.of(segmentation_node, ct_node)

    def work() -> tuple[list[str], LesionLabels, list[tuple[Layer, dict[int, int]]], CaseResult]:
        found = taken.lesions.labels()
        changed = change(found)
        kept = {lesion.identifier for lesion in changed.lesions}
        gone = [lesion.identifier for lesion in found.lesions if lesion.identifier not in kept]
        return gone, changed, changed.layers(), taken.measured(changed)

    gone, changed, layers, result = yield work
    before = yield from keeping(segmentation_node, TABLES, MAPS)
    check_present(ct_node)
    taken.check_unchanged()
    with no_leftovers(ct_node.GetScene()), undoable_to(before):
        see_liver(segmentation_node)
        segments = map(segmentation_node.GetSegmentation().GetSegment, changed_ones)
        numbers = [number for segment in segments if (number := number_of(segment)) is not None]
        forget_axes(segmentation_node, records_of(segmentation_node.GetNodeReference(LESIONS_ROLE)), numbers)
        remove_segments(segmentation_node, gone)
        write_lesions(segmentation_node, ct_node, changed.lesions, layers)
        return show_measured(segmentation_node, ct_node, result)
