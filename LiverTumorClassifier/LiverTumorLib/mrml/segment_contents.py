"""What the segments of a segmentation hold, as a short text that is the same as long as nobody draws in them."""

from __future__ import annotations

import zlib

import numpy as np

from ..ct.region import bounding_box
from .segmentations import known_segments

_LABELMAP = "Binary labelmap"


def contents_of(segmentation_node) -> str:
    """Of the liver and the lesions: which segments they are, and a checksum of their voxels and their place."""
    from vtk.util.numpy_support import vtk_to_numpy

    segmentation = segmentation_node.GetSegmentation()
    meant = sorted(
        identifier for identifiers in known_segments(segmentation_node).values() for identifier in identifiers
    )
    values: dict[int, list[int]] = {}
    images = {}
    for identifier in meant:
        segment = segmentation.GetSegment(identifier)
        image = segment.GetRepresentation(_LABELMAP)
        if image is not None:
            images[id(image)] = image
            values.setdefault(id(image), []).append(segment.GetLabelValue())
    sums = []
    for key, image in images.items():
        scalars = image.GetPointData().GetScalars()
        if scalars is None or not scalars.GetNumberOfTuples():
            continue
        array = vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1])
        array = np.where(np.isin(array, values[key]), array, 0)
        if (box := bounding_box(array)) is None:
            continue
        start = [part.start + first for part, first in zip(box, image.GetExtent()[4::-2], strict=True)]
        place = f"{start} {array[box].shape} {values[key]}"
        sums.append(f"{zlib.crc32(np.ascontiguousarray(array[box]).data, zlib.crc32(place.encode())):08x}")
    return " ".join([*meant, *sums])
