"""What is liver where no lesion counts, kept with its segmentation.

Slicer's Segment Editor takes from the liver what is painted as a lesion, before anybody can look. So the liver is
looked at after each run, edit and stroke, and what it has lost to lesions since is still known to be liver.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ct.placed_mask import PlacedMask, enclosed
from ..records.results import LIVER, TUMOR
from .checksums import LABELMAP, checksums, voxels_of
from .layers import Layer, image_to_world
from .lending import places_of
from .segment_tags import by_hand
from .segmentations import known_segments

_LIVER = "LiverTumor.liver"
_ROUNDED = 6  # decimals of mm


@dataclass(frozen=True)
class KnownLiver:
    """What is liver where no lesion counts.

    Attributes:
        mask: on the grid of the liver's segment.
        image: vtkOrientedImageData of that segment.
    """

    mask: PlacedMask
    image: Any


def liver_found(segmentation_node, layer: Layer) -> None:
    """Keep what a run has found, whose labels have just been written."""
    if (image := _layer_of_liver(segmentation_node)) is not None:
        _keep(segmentation_node, {"grid": _grid(image), "mask": layer.liver}, _contents(segmentation_node))


def see_liver(segmentation_node) -> None:
    """Look at the liver, and keep what is liver with the segmentation, unless it has no voxel."""
    if (image := _layer_of_liver(segmentation_node)) is None:
        return
    kept, contents = _kept(segmentation_node), _contents(segmentation_node)
    if kept.get("contents") == contents and kept.get("grid") == _grid(image):
        return
    if (mask := _looked_at(segmentation_node, image, _mask_of(kept, image))) is not None:
        _keep(segmentation_node, {"grid": _grid(image), "mask": mask.text()}, contents)


def still_known(segmentation_node) -> None:
    """What is liver is the same as when it was last looked at, whatever its segment and the lesions have got now."""
    if kept := _kept(segmentation_node):
        _keep(segmentation_node, kept, _contents(segmentation_node))


def known_liver(segmentation_node) -> KnownLiver | None:
    """What is liver now: its segment, and those voxels of lesions that were liver when it was last looked at. Where
    nobody has looked, those of lesions that a program has drawn, and what of the others is enclosed by them all."""
    if (image := _layer_of_liver(segmentation_node)) is None:
        return None
    kept = _kept(segmentation_node)
    mask = _mask_of(kept, image)
    if mask is None or kept.get("contents") != _contents(segmentation_node):
        mask = _looked_at(segmentation_node, image, mask)
    return None if mask is None else KnownLiver(mask, image)


def _looked_at(segmentation_node, image, before: PlacedMask | None) -> PlacedMask | None:
    """The mask of `known_liver` as the segments are now; `before` is that of the last look."""
    segmentation, known = segmentation_node.GetSegmentation(), known_segments(segmentation_node)
    own = places_of(segmentation, known[LIVER], image)
    if not own.voxels.size:
        return None
    lesions = known.get(TUMOR, [])
    if before is not None:
        return PlacedMask.union(own, before.common(places_of(segmentation, lesions, image)))
    drawn = [each for each in lesions if by_hand(segmentation.GetSegment(each))]
    own = PlacedMask.union(own, places_of(segmentation, [each for each in lesions if each not in drawn], image))
    doubtful = places_of(segmentation, drawn, image)
    first, shape = np.subtract(doubtful.first, 1), np.add(doubtful.voxels.shape, 2)
    around = own.within(first, shape)
    return PlacedMask.union(own, PlacedMask.of(enclosed(doubtful.within(first, shape) & ~around, around), first))


def _layer_of_liver(segmentation_node):
    """That in which the liver's segment is; None where there is none with voxels."""
    known = known_segments(segmentation_node).get(LIVER)
    image = segmentation_node.GetSegmentation().GetSegment(known[0]).GetRepresentation(LABELMAP) if known else None
    return image if voxels_of(image) is not None else None


def _contents(segmentation_node) -> list[str]:
    """What `known_liver` is computed from, in short."""
    known = known_segments(segmentation_node)
    found = checksums(segmentation_node.GetSegmentation(), [each for own in known.values() for each in own])
    return [f"{identifier} {own}" for identifier, own in found.items()]


def _keep(segmentation_node, kept: dict, contents: list[str]) -> None:
    segmentation_node.SetAttribute(_LIVER, json.dumps({**kept, "contents": contents}))


def _kept(segmentation_node) -> dict:
    try:
        kept = json.loads(segmentation_node.GetAttribute(_LIVER) or "{}")
    except ValueError:  # of others' hands
        return {}
    return kept if isinstance(kept, dict) else {}


def _mask_of(kept: dict, image) -> PlacedMask | None:
    """What was kept, if it lies on the grid on which the liver lies now."""
    if kept.get("grid") != _grid(image):
        return None
    try:
        return PlacedMask.from_text(str(kept.get("mask")))
    except ValueError:  # of others' hands
        return None


def _grid(image) -> list[float]:
    return np.round(image_to_world(image)[:3].ravel(), _ROUNDED).tolist()
