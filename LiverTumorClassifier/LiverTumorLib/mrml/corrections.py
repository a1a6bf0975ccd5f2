"""Whether a user has corrected what a run wrote into a segmentation, by a checksum of the voxels that is kept there."""

from __future__ import annotations

import zlib

import numpy as np

from ..ct.region import bounding_box
from ..records.segments import SEGMENTS
from .nodes import SEQUENCE_ROLE

_WRITTEN = "LiverTumor.written"


def mark_as_written(segmentation_node) -> None:
    """Remember the segments of a run as they are now."""
    segmentation_node.SetAttribute(_WRITTEN, _contents(segmentation_node))


def is_corrected(segmentation_node) -> bool:
    """Whether somebody's work is in a segmentation: its Liver and Lesion are not what a run has written there.

    Of a segmentation with frames, any frame counts.
    """
    sequence = segmentation_node.GetNodeReference(SEQUENCE_ROLE)
    frames = (
        [sequence.GetNthDataNode(number) for number in range(sequence.GetNumberOfDataNodes())]
        if sequence is not None
        else []
    )
    return any(
        _contents(node) != (node.GetAttribute(_WRITTEN) or _contents(None)) for node in (segmentation_node, *frames)
    )


def _contents(segmentation_node) -> str:
    """The segments that a run writes: where their voxels are, whatever layers and extents Slicer keeps them in."""
    segmentation = segmentation_node.GetSegmentation() if segmentation_node is not None else None
    found = [segmentation.GetSegment(segment.id) if segmentation is not None else None for segment in SEGMENTS]
    return " ".join(f"{segment.id}:{_checksum(each)}" for segment, each in zip(SEGMENTS, found, strict=True))


def _checksum(vtk_segment) -> str:
    """Of a segment's voxels; "" where it has none."""
    from vtk.util.numpy_support import vtk_to_numpy

    image = vtk_segment.GetRepresentation("Binary labelmap") if vtk_segment is not None else None
    if image is None:
        return ""
    scalars = image.GetPointData().GetScalars()
    if scalars is None or not scalars.GetNumberOfTuples():
        return ""
    mask = vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1]) == vtk_segment.GetLabelValue()
    if (box := bounding_box(mask)) is None:
        return ""
    starts = [part.start + first for part, first in zip(box, image.GetExtent()[4::-2], strict=True)]
    place = ",".join(map(str, (*starts, *mask[box].shape)))
    return f"{zlib.crc32(np.packbits(mask[box]).data, zlib.crc32(place.encode())):08x}"
