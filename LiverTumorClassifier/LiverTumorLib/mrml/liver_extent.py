"""How much liver there is with the lesions that count, and whether it is what was measured."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from ..ct.placed_mask import PlacedMask
from .checksums import LABELMAP, mask_checksum, voxels_of
from .layers import image_to_world
from .segment_tags import by_hand, is_lent, judgment_of
from .segmentations import known_segments

_MOST_KNOWN = 16


class Extent(NamedTuple):
    """What some segments cover together.

    Attributes:
        checksum: of their voxels; "" where there is none.
        ml: their volume, where several of them lie once.
        shared_ml: by how much their volumes together are larger.
    """

    checksum: str
    ml: float
    shared_ml: float


_known: dict[tuple, Extent] = {}  # by the times of layers' last changes, and the values in them


def liver_extent(segmentation_node) -> Extent:
    """Of what is measured as the liver: its segment with the lesions. Of those that are rejected the liver's segment
    has got what is liver."""
    segmentation = segmentation_node.GetSegmentation()
    liver = {each for identifiers in known_segments(segmentation_node).values() for each in identifiers}
    for identifier in list(liver):
        segment = segmentation.GetSegment(identifier)
        if judgment_of(segment).is_rejected and (by_hand(segment) or is_lent(segment)):
            liver.remove(identifier)
    return extent_of(segmentation, liver)


def shared_ml(segmentation, identifiers: Collection[str]) -> float:
    """By how much the volumes of segments together are larger than what they cover together."""
    layers = {segmentation.GetSegment(each).GetRepresentation(LABELMAP) for each in identifiers}
    return extent_of(segmentation, identifiers).shared_ml if len(layers) > 1 else 0.0


def extent_of(segmentation, identifiers: Collection[str]) -> Extent:
    """What segments cover together; where their layers have several grids, as if those did not overlap."""
    layers: dict = {}  # the values in them that count, and those that do not
    for identifier in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(identifier)
        if (image := segment.GetRepresentation(LABELMAP)) is not None:
            layers.setdefault(image, ([], []))[identifier not in identifiers].append(segment.GetLabelValue())
    layers = {image: values for image, values in layers.items() if values[0]}
    key = tuple((image.GetMTime(), *map(tuple, values)) for image, values in layers.items())
    if key not in _known:
        while len(_known) >= _MOST_KNOWN:
            del _known[next(iter(_known))]
        _known[key] = _extent(layers)
    return _known[key]


def _extent(layers: dict) -> Extent:
    import slicer

    masks: dict = {}
    for image, (counting, others) in layers.items():
        if (voxels := voxels_of(image)) is not None:
            first = image.GetExtent()[4::-2]
            mask = PlacedMask.of_values(voxels, counting, first) if others else PlacedMask.of(voxels != 0, first)
            if mask.voxels.size:
                masks[image] = mask
    sizes = [int(np.count_nonzero(mask.voxels)) * _voxel_ml(image) for image, mask in masks.items()]
    if not masks:
        return Extent("", 0.0, 0.0)
    first = next(iter(masks))
    match = slicer.vtkOrientedImageDataResample.DoGeometriesMatch
    if not all(match(image, first) for image in masks):
        checksums = sorted(mask_checksum(mask.voxels, mask.first) for mask in masks.values())
        return Extent(" ".join(checksums), sum(sizes), 0.0)
    together = PlacedMask.union(*masks.values())
    ml = int(np.count_nonzero(together.voxels)) * _voxel_ml(first)
    return Extent(mask_checksum(together.voxels, together.first), ml, sum(sizes) - ml)


def _voxel_ml(image) -> float:
    return abs(np.linalg.det(image_to_world(image)[:3, :3])) / 1000
