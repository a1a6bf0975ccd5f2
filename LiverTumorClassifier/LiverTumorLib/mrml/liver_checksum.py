"""Whether the liver is what was measured: a checksum of what counts as the liver then."""

from __future__ import annotations

import numpy as np

from ..ct.region import bounding_box
from .checksums import LABELMAP, mask_checksum, voxels_of
from .segment_tags import by_hand, judgment_of
from .segmentations import known_segments

_MOST_KNOWN = 16
_known: dict[tuple, str] = {}  # by the times of layers' last changes, and the values in them


def liver_checksum(segmentation_node) -> str:
    """A checksum of what is measured as the liver: its segment with the lesions, but for those drawn by hand and
    rejected, which may be anywhere. "" where there is no voxel."""
    segmentation = segmentation_node.GetSegmentation()
    liver = {each for identifiers in known_segments(segmentation_node).values() for each in identifiers}
    layers: dict = {}  # the values in them that count, and those that do not
    for identifier in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(identifier)
        if (image := segment.GetRepresentation(LABELMAP)) is not None:
            counts = identifier in liver and not (judgment_of(segment).is_rejected and by_hand(segment))
            layers.setdefault(image, ([], []))[not counts].append(segment.GetLabelValue())
    layers = {image: values for image, values in layers.items() if values[0]}
    key = tuple((image.GetMTime(), *map(tuple, values)) for image, values in layers.items())
    if key not in _known:
        while len(_known) >= _MOST_KNOWN:
            del _known[next(iter(_known))]
        _known[key] = _checksum(layers)
    return _known[key]


def _checksum(layers: dict) -> str:
    """Of the voxels with one of some values in any of the layers; of each layer where they have several grids."""
    import slicer

    masks: dict = {}
    for image, (counting, others) in layers.items():
        if (voxels := voxels_of(image)) is not None:
            mask = np.isin(voxels, counting) if others else voxels != 0
            if (box := bounding_box(mask)) is not None:
                masks[image] = np.add(image.GetExtent()[4::-2], [part.start for part in box]), mask[box]
    first = next(iter(masks), None)
    match = slicer.vtkOrientedImageDataResample.DoGeometriesMatch
    if not all(match(image, first) for image in masks):
        return " ".join(sorted(mask_checksum(mask, start) for start, mask in masks.values()))
    if not masks:
        return ""
    low = np.min([start for start, _mask in masks.values()], axis=0)
    together = np.zeros(np.max([start + mask.shape for start, mask in masks.values()], axis=0) - low, bool)
    for start, mask in masks.values():
        together[tuple(slice(a, a + size) for a, size in zip(start - low, mask.shape, strict=True))] |= mask
    return mask_checksum(together, low)
