"""Slice views that were turned, and displays that are drawn in some views only, as long as several dates are shown.

What was before is kept in the nodes, and comes back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

_ORIENTATION = "LiverTumor.orientationBefore"
_VIEWS = "LiverTumor.viewsBefore"


def turn_to_axial(slice_node) -> None:
    """Show axial slices in a view, until `release_views`."""
    if slice_node.GetOrientation() != "Axial":
        if not slice_node.GetAttribute(_ORIENTATION):
            slice_node.SetAttribute(_ORIENTATION, slice_node.GetOrientation())
        slice_node.SetOrientation("Axial")


def bind(display_node, views: Sequence) -> None:
    """Draw a display in some views (nodes) only, until `release_views`."""
    if display_node.GetAttribute(_VIEWS) is None:
        display_node.SetAttribute(_VIEWS, json.dumps(list(display_node.GetViewNodeIDs())))
    display_node.SetViewNodeIDs([view.GetID() for view in views])


def release_views(scene) -> None:
    """Turn views back, and let displays be drawn where they were before."""
    for node in nodes_of(scene, "vtkMRMLSliceNode"):
        if before := node.GetAttribute(_ORIENTATION):
            node.RemoveAttribute(_ORIENTATION)
            node.SetOrientation(before)
    for node in nodes_of(scene, "vtkMRMLDisplayNode"):
        if (before := node.GetAttribute(_VIEWS)) is not None:
            node.RemoveAttribute(_VIEWS)
            node.SetViewNodeIDs(json.loads(before))


def nodes_of(scene, class_name: str) -> list:
    """The nodes of a class in a scene."""
    return [scene.GetNthNodeByClass(index, class_name) for index in range(scene.GetNumberOfNodesByClass(class_name))]
