"""Whether a user has worked on what a run wrote into a segmentation: by checksums of the voxels, and by words."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ..ct.region import Box, bounding_box
from ..records.results import TUMOR
from ..records.segments import LESION_SEGMENT
from .layers import LABELMAP, voxels_of
from .nodes import SEQUENCE_ROLE
from .segment_tags import judgment_of, number_of
from .segmentations import known_segments

_WRITTEN = "LiverTumor.written"

_MOST_KNOWN = 16  # layers
_known: dict[int, dict[int, str]] = {}  # by the time of a layer's last change, the checksums of its values

Contents = dict[str, str]  # of each segment with voxels, what is in it


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


def checksums(segmentation, identifiers: list[str]) -> Contents:
    """A checksum of the voxels of each segment that has some."""
    layers: dict = {}
    for identifier in identifiers:
        segment = segmentation.GetSegment(identifier)
        if (image := segment.GetRepresentation(LABELMAP)) is not None:
            layers.setdefault(image, []).append((segment.GetLabelValue(), identifier))
    found = {}
    for image, values in layers.items():
        own = _of_layer(image, [value for value, _identifier in values])
        found.update({identifier: own[value] for value, identifier in values if own[value]})
    return {identifier: found[identifier] for identifier in identifiers if identifier in found}


def _of_layer(image, values: list[int]) -> dict[int, str]:
    """The checksums of a layer's values, "" without a voxel; those of a layer that has not changed are known."""
    known = _known.pop(image.GetMTime(), {})  # VTK gives no two changes, of whatever object, the same time
    missing = [value for value in values if value not in known]
    if missing and (voxels := voxels_of(image)) is not None:
        for value, box in _boxes(voxels, missing).items():
            known[value] = "" if box is None else _checksum(voxels[box] == value, box, image.GetExtent())
    known.update({value: "" for value in values if value not in known})
    _known[image.GetMTime()] = known  # the latest last
    while len(_known) > _MOST_KNOWN:
        del _known[next(iter(_known))]
    return known


def _boxes(voxels: np.ndarray, values: list[int]) -> dict[int, Box | None]:
    from scipy.ndimage import find_objects

    outer = bounding_box(voxels >= min(values))
    if outer is None:
        return dict.fromkeys(values)
    if len(values) == 1:
        return {values[0]: bounding_box(voxels == values[0])}
    places = find_objects(voxels[outer], max(values))  # of all values at once
    return {value: _moved(places[value - 1], outer) for value in values}


def _moved(place: tuple[slice, ...] | None, outer: Box) -> Box | None:
    """A box within another one as a box of the whole."""
    if place is None:
        return None
    k, j, i = (slice(a.start + b.start, a.stop + b.start) for a, b in zip(place, outer, strict=True))
    return k, j, i


def _checksum(mask: np.ndarray, box: Box, extent: tuple[int, ...]) -> str:
    """Of a mask that fills a box of a layer, whose extent says where that is."""
    starts = [part.start + first for part, first in zip(box, extent[4::-2], strict=True)]
    place = ",".join(map(str, (*starts, *mask.shape)))
    return f"{zlib.crc32(np.packbits(mask).data, zlib.crc32(place.encode())):08x}"


def _written(segmentation_node) -> Contents:
    """What a run has written; of scenes that earlier versions saved too."""
    text = segmentation_node.GetAttribute(_WRITTEN) or "{}"
    if text.startswith("{"):
        return json.loads(text)
    pairs = (part.rpartition(":") for part in text.split(" "))  # "Liver:5f3a… Lesion:", their identifiers held no blank
    return {identifier: checksum for identifier, _colon, checksum in pairs if checksum}
