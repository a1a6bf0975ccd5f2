"""Two dates side by side: each CT in an axial view of its own, at its own lesion, with its own outlines."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .follow_up import DateNodes
from .scans import result_segmentations, show_segmentations
from .views import (
    MARKER_ROLE,
    fit,
    jump_to,
    mark_lesion,
    put_into,
    remove_marker,
    slice_composites,
    slice_nodes_of,
    views_of_ours,
)

_ORIENTATION = "LiverTumor.orientationBefore"  # of a slice view that was turned here
_VIEWS = "LiverTumor.viewsBefore"  # of a display that was bound to views here

Place = tuple[float, float, float]


def show_dates(prior: DateNodes, current: DateNodes) -> bool:
    """Show two CT side by side, in views that the user has not given to another volume; whether both are seen.

    A view that shows one of them already keeps it, and one of the user's its direction too. The outlines of each date
    are drawn in its own views only: in the other's they would lie in the wrong place.
    """
    scene = current.ct.GetScene()
    free = views_of_ours(scene, current.ct)
    taken: list = []
    for date in (prior, current):
        view = _view_of(date.ct, scene, free, taken)
        if view is None:
            continue
        taken.append(view)
        if view.GetBackgroundVolumeID() != date.ct.GetID():
            put_into(view, date.ct)
            fit([view])
        if view in free:
            _turn_to_axial(view, date.ct)
    show_segmentations(result_segmentations(scene), [prior.segmentation, current.segmentation])
    for date in (prior, current):
        _bind(date)
    return len(taken) == 2


def show_pair(dates: Sequence[DateNodes], places: Sequence[Place | None], texts: Sequence[str]) -> None:
    """Go to a lesion at each of the dates that are shown.

    Args:
        places: RAS mm for each date; None where it is not known.
        texts: what stands at the marker there.
    """
    for date, place, text in zip(dates, places, texts, strict=True):
        remove_marker(date.segmentation)
        if place is not None:
            jump_to(date.ct, place)
            mark_lesion(date.segmentation, place, text)
        _bind(date)


def leave_dates(scene) -> None:
    """Turn the views back, and let outlines be seen in all views again."""
    for node in _nodes(scene, "vtkMRMLSliceNode"):
        if before := node.GetAttribute(_ORIENTATION):
            node.SetOrientation(before)
            node.RemoveAttribute(_ORIENTATION)
    for segmentation in _nodes(scene, "vtkMRMLSegmentationNode"):
        for display in _displays(segmentation):
            if (before := display.GetAttribute(_VIEWS)) is not None:
                display.SetViewNodeIDs(json.loads(before))
                display.RemoveAttribute(_VIEWS)


def _view_of(ct, scene, free: list, taken: list):
    """The view for a CT: one that shows it already, else a free one; ours before the user's."""
    views = [view for view in [*free, *slice_composites(scene)] if view not in taken]
    showing = next((view for view in views if view.GetBackgroundVolumeID() == ct.GetID()), None)
    return showing or next((view for view in free if view not in taken), None)


def _turn_to_axial(view, ct) -> None:
    node = next(node for node in slice_nodes_of(ct) if node.GetLayoutName() == view.GetLayoutName())
    if node.GetOrientation() != "Axial":
        if not node.GetAttribute(_ORIENTATION):
            node.SetAttribute(_ORIENTATION, node.GetOrientation())
        node.SetOrientation("Axial")


def _bind(date: DateNodes) -> None:
    """Let what belongs to a date be drawn in the slice views of its CT, and in 3D, only."""
    views = [node.GetID() for node in (*slice_nodes_of(date.ct), *_nodes(date.ct.GetScene(), "vtkMRMLViewNode"))]
    for display in _displays(date.segmentation):
        if display.GetAttribute(_VIEWS) is None:
            display.SetAttribute(_VIEWS, json.dumps(list(display.GetViewNodeIDs())))
        display.SetViewNodeIDs(views)


def _displays(segmentation) -> list:
    marker = segmentation.GetNodeReference(MARKER_ROLE)
    nodes = [segmentation.GetDisplayNode(), marker.GetDisplayNode() if marker is not None else None]
    return [node for node in nodes if node is not None]


def _nodes(scene, class_name: str) -> list:
    return [scene.GetNthNodeByClass(index, class_name) for index in range(scene.GetNumberOfNodesByClass(class_name))]
