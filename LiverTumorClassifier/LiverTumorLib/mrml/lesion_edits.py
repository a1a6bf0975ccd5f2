"""What a reader does to the list of lesions: delete false ones, merge and split; `undo` takes each back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ..ct.region import box_of
from ..errors import InputError
from ..pipelines.lesion_edits import split_lesion as split_mask
from ..records.results import TUMOR
from .lesions import LesionLabels, lesion_labels, write_lesions
from .nodes import no_leftovers
from .results import MAPS, TABLES, CaseNodes, check_present, measure_again
from .segmentations import remove_segments
from .translation import _
from .undo import undoable
from .volumes import voxel_mm


def delete_lesions(segmentation_node, ct_node, identifiers: Sequence[str]) -> CaseNodes:
    """Take lesions away, which become liver; those that were drawn by hand, which may be anywhere, become nothing.

    Args:
        identifiers: of the lesions' segments.

    Raises:
        InputError: a lesion is no longer there; see `lesion_labels` too.
    """
    with edited(segmentation_node, ct_node) as found:
        for identifier in identifiers:
            found.label_of(identifier)
        left = found.without(identifiers)
        remove_segments(segmentation_node, identifiers)
        write_lesions(segmentation_node, ct_node, left)
        return measure_again(segmentation_node, ct_node)


def merge_lesions(segmentation_node, ct_node, identifiers: Sequence[str]) -> CaseNodes:
    """Make one lesion of several, which need not touch; it has the segment of the one with the lowest number.

    Raises:
        InputError: fewer than two, or one that is no longer there; see `lesion_labels` too.
    """
    if len(set(identifiers)) < 2:
        raise InputError(_("Choose two or more lesions in the table (Ctrl or Shift and a click) to merge them."))
    with edited(segmentation_node, ct_node) as found:
        first, *others = sorted(found.label_of(identifier) for identifier in set(identifiers))
        gone = [found.lesions[label - TUMOR].identifier for label in others]
        merged = found.without(gone, become=first)
        remove_segments(segmentation_node, gone)
        write_lesions(segmentation_node, ct_node, merged)
        return measure_again(segmentation_node, ct_node)


def split_lesion(segmentation_node, ct_node, identifier: str) -> CaseNodes:
    """Part a lesion into its pieces or, where it is one, at its narrowest place. The largest part keeps its number.

    Raises:
        InputError: nothing to part it by, or it is no longer there; see `lesion_labels` too.
    """
    with edited(segmentation_node, ct_node) as found:
        label = found.label_of(identifier)
        lesion = found.lesions[label - TUMOR]
        mask = found.labels == label
        if not mask.any():
            raise InputError(_("{name} has no voxels; choose another one.").format(name=lesion.name))
        box = box_of(mask)
        parts = split_mask(mask[box], voxel_mm(ct_node))
        if parts is None:
            raise InputError(
                _("{name} is one piece without a waist; part it with the scissors of the Segment Editor.").format(
                    name=lesion.name
                )
            )
        lesions = list(found.lesions)
        for part in range(2, int(parts.max()) + 1):
            number = LesionLabels(found.labels, lesions).free_number
            found.labels[box][parts == part] = TUMOR + len(lesions)
            lesions.append(replace(lesion, identifier="", number=number, name=""))
        write_lesions(segmentation_node, ct_node, LesionLabels(found.labels, lesions))
        return measure_again(segmentation_node, ct_node)


@contextmanager
def edited(segmentation_node, ct_node) -> Iterator[LesionLabels]:
    """Lesions that are changed in the block, so that `undo` brings back what was there.

    The labels are a copy, so that all is as before when the block fails before it writes them.

    Raises:
        InputError: the CT has left the scene; see `lesion_labels` too.
    """
    check_present(ct_node)
    found = lesion_labels(segmentation_node, ct_node)
    with no_leftovers(ct_node.GetScene()), undoable(segmentation_node, TABLES, MAPS):
        yield found
