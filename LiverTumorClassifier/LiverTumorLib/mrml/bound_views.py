"""Slice views that were turned or set apart, and displays that are drawn in some views only, as long as several dates
are shown.

What was before is kept in the nodes, and comes back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

_ORIENTATION = "LiverTumor.orientationBefore"
_VIEWS = "LiverTumor.viewsBefore"
_GROUP = "LiverTumor.groupBefore"


def turn_to_axial(slice_node) -> None:
    """Show axial slices in a view, until `release_views`."""
    if slice_node.GetOrientation() != "Axial":
        if not slice_node.GetAttribute(_ORIENTATION):
            slice_node.SetAttribute(_ORIENTATION, slice_node.GetOrientation())
        slice_node.SetOrientation("Axial")


def set_apart(slice_nodes: Sequence) -> None:
    """Let Slicer's own links, jumps and crosses of slice views, which take all CT for one space, join some views with
    one another only, until `release_views`."""
    everything = nodes_of(slice_nodes[0].GetScene(), "vtkMRMLSliceNode")
    _join_again(everything)
    group = 1 + max(node.GetViewGroup() for node in everything)
    for node in slice_nodes:
        node.SetAttribute(_GROUP, str(node.GetViewGroup()))
        node.SetViewGroup(group)


def bind(display_node, views: Sequence) -> None:
    """Draw a display in some views (nodes) only, until `release_views`."""
    if display_node.GetAttribute(_VIEWS) is None:
        display_node.SetAttribute(_VIEWS, json.dumps(list(display_node.GetViewNodeIDs())))
    display_node.SetViewNodeIDs([view.GetID() for view in views])


def release_views(scene) -> None:
    """Turn views back, join them again, and let displays be drawn where they were before."""
    _join_again(nodes_of(scene, "vtkMRMLSliceNode"))
    for node in nodes_of(scene, "vtkMRMLSliceNode"):
        if before := node.GetAttribute(_ORIENTATION):
            node.RemoveAttribute(_ORIENTATION)
            node.SetOrientation(before)
    for node in nodes_of(scene, "vtkMRMLDisplayNode"):
        if (before := node.GetAttribute(_VIEWS)) is not None:
            node.RemoveAttribute(_VIEWS)
            node.SetViewNodeIDs(json.loads(before))


def _join_again(slice_nodes: Sequence) -> None:
    for node in slice_nodes:
        if before := node.GetAttribute(_GROUP):
            node.RemoveAttribute(_GROUP)
            node.SetViewGroup(int(before))


def nodes_of(scene, class_name: str) -> list:
    """The nodes of a class in a scene."""
    return [scene.GetNthNodeByClass(index, class_name) for index in range(scene.GetNumberOfNodesByClass(class_name))]
