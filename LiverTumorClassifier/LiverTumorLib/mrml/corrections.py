"""Whether a user has worked on what a run wrote into a segmentation: by checksums of the voxels, and by words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import InputError
from ..records.results import TUMOR
from ..records.segments import LESION_SEGMENT
from .checksums import Contents, checksums
from .nodes import SEQUENCE_ROLE
from .segment_tags import judgment_of, number_of
from .segmentations import known_segments
from .translation import _

_WRITTEN = "LiverTumor.written"


def mark_as_written(segmentation_node) -> None:
    """Remember the liver and the lesions of a run as they are now."""
    segmentation_node.SetAttribute(_WRITTEN, json.dumps(contents(segmentation_node)))


def is_corrected(segmentation_node) -> bool:
    """Whether somebody's work is in a segmentation: its liver and lesions are not what a run has written there, or
    something has been said of a lesion.

    Of a segmentation with frames, any frame counts.
    """
    sequence = segmentation_node.GetNodeReference(SEQUENCE_ROLE)
    frames = (
        [sequence.GetNthDataNode(number) for number in range(sequence.GetNumberOfDataNodes())]
        if sequence is not None
        else []
    )
    return any(contents(node) != _written(node) for node in (segmentation_node, *frames))


def is_redrawn(segmentation_node) -> bool:
    """Whether the voxels of liver or lesions are not what a run has written there, whatever was said of them."""
    now, written = (
        {identifier: own.partition(" ")[0] for identifier, own in each.items()}
        for each in (contents(segmentation_node), _written(segmentation_node))
    )
    return now != written


@contextmanager
def still_as_written(segmentation_node, identifier: str) -> Iterator[None]:
    """What the block does to a segment's voxels is no correction: where they were what a run has written, they are."""
    segmentation = segmentation_node.GetSegmentation()
    before, written = checksums(segmentation, [identifier]), _written(segmentation_node)
    yield
    if identifier in before and written.get(identifier) == before[identifier]:
        written |= checksums(segmentation, [identifier])
        segmentation_node.SetAttribute(_WRITTEN, json.dumps(written))


def contents(segmentation_node) -> Contents:
    """What the liver and the lesions hold: where their voxels are, whatever layers and extents Slicer keeps them in,
    and what a user has said of a lesion."""
    segmentation = segmentation_node.GetSegmentation()
    known = known_segments(segmentation_node)
    found = checksums(segmentation, [identifier for each in known.values() for identifier in each])
    for identifier in known.get(TUMOR, ()):
        segment = segmentation.GetSegment(identifier)
        words = [judgment_of(segment)] if judgment_of(segment).is_said else []
        number = number_of(segment)
        if number is not None and segment.GetName() != f"{LESION_SEGMENT.name} {number}":
            words.append(segment.GetName())
        if words:
            found[identifier] = f"{found.get(identifier, '')} {words}"
    return found


def check_contents(segmentation_node, before: Contents) -> None:
    """Raises InputError where liver and lesions are gone or hold something else than `before`, which was worked on."""
    if segmentation_node.GetScene() is None or contents(segmentation_node) != before:
        raise InputError(_("{name} was changed meanwhile; start again.").format(name=segmentation_node.GetName()))


def _written(segmentation_node) -> Contents:
    """What a run has written; of scenes that earlier versions saved too."""
    text = segmentation_node.GetAttribute(_WRITTEN) or "{}"
    if text.startswith("{"):
        return json.loads(text)
    pairs = (part.rpartition(":") for part in text.split(" "))  # "Liver:5f3a… Lesion:", their identifiers held no blank
    return {identifier: checksum for identifier, _colon, checksum in pairs if checksum}
