"""What a follow-up takes from a segmentation: a short text that is the same as long as nobody changes it, and the axes
that were drawn by hand."""

from __future__ import annotations

import json
from typing import Any

from .case_nodes import LESIONS_ROLE
from .checksums import checksums
from .kept_axes import axes_of, length_of
from .lesions import lesions_of
from .segmentations import known_segments
from .tables import records_of


def contents_of(segmentation_node) -> str:
    """The voxels of the liver and the lesions, which of these are rejected, and the axes drawn by hand."""
    identifiers = [each for known in known_segments(segmentation_node).values() for each in known]
    rejected = [lesion.identifier for lesion in lesions_of(segmentation_node) if lesion.judgment.is_rejected]
    voxels = checksums(segmentation_node.GetSegmentation(), identifiers)
    return json.dumps([voxels, rejected, axes_by_hand(segmentation_node)])


def axes_by_hand(segmentation_node) -> dict[int, dict[str, Any]]:
    """By number of the lesion the axes that a user has drawn, as fields of `Lesion`."""
    records = records_of(segmentation_node.GetNodeReference(LESIONS_ROLE))
    found = {}
    for number, axes in axes_of(segmentation_node, records).items():
        if axes.by_hand:
            ends = {axis.ends: axes.ends[axis] for axis in axes.by_hand}
            lengths = {axis.length: length_of(axes.ends[axis]) for axis in axes.by_hand}
            found[number] = {**ends, **lengths, "axes_by_hand": axes.words}
    return found
