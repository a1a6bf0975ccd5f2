"""Two dates side by side: each CT in an axial view of its own, at its own lesion, with its own outlines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..records.followup import FollowUp
from .bound_views import bind, nodes_of, set_apart, turn_to_axial
from .follow_up import DateNodes
from .linked_slices import LinkedSlices
from .scans import result_segmentations, show_segmentations
from .views import (
    fit,
    jump_to,
    mark_lesion,
    markups_of,
    put_into,
    remove_marker,
    slice_composites,
    slice_nodes_of,
    views_of_ours,
)

Place = tuple[float, float, float]


def show_dates(prior: DateNodes, current: DateNodes) -> tuple | None:
    """Show two CT side by side, in views that the user has not given to another volume: the view (vtkMRMLSliceNode) of
    each; None where there are no two.

    A view that shows one of them already keeps it, and one of the user's its direction too. The outlines of each date
    are drawn in its own views only: in the other's they would lie in the wrong place. `show_scan` ends all that.
    """
    scene = current.ct.GetScene()
    free = views_of_ours(scene, current.ct)
    first = _view_of(prior.ct, scene, free, None)
    second = _view_of(current.ct, scene, free, first)
    if second is None and first in free:  # the only one is the current CT's
        first, second = None, first
    for view, date in ((first, prior), (second, current)):
        if view is None:
            continue
        if view.GetBackgroundVolumeID() != date.ct.GetID():
            put_into(view, date.ct)
            fit([view])
        if view in free:
            turn_to_axial(_slice_node(view, date.ct))
    show_segmentations(result_segmentations(scene), [prior.segmentation, current.segmentation])
    for date in (prior, current):
        _bind(date)
    if first is None or second is None:
        return None
    set_apart(slice_nodes_of(prior.ct))
    return _slice_node(first, prior.ct), _slice_node(second, current.ct)


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


def link_dates(linked: LinkedSlices, views: tuple, dates: Sequence[DateNodes], places, to_prior: np.ndarray) -> None:
    """Let the views of two dates, which `show_dates` gives, scroll together as long as they show them.

    Args:
        places, to_prior: see `LinkedSlices.link`.
    """

    def holds() -> bool:
        return all(
            date.ct.GetScene() is not None and view in slice_nodes_of(date.ct)
            for view, date in zip(views, dates, strict=True)
        )

    linked.link(views, places, to_prior, holds)


def step_to_prior(result: FollowUp, prior: int, date: int) -> np.ndarray:
    """The 3x3 matrix that turns a step in the liver of a date into one of an earlier date, by the registrations between
    them; the identity where there are none."""
    parts = result.linear_parts[prior:date]
    if len(parts) < date - prior or None in parts:
        return np.eye(3)
    matrix = np.eye(3)
    for part in parts:
        matrix = matrix @ np.array(part)
    return matrix


def _view_of(ct, scene, free: list, taken):
    """The view for a CT: one that shows it already, else a free one; ours before the user's."""
    views = [view for view in [*free, *slice_composites(scene)] if view is not taken]
    showing = next((view for view in views if view.GetBackgroundVolumeID() == ct.GetID()), None)
    return showing or next((view for view in free if view is not taken), None)


def _slice_node(view, ct):
    return next(node for node in slice_nodes_of(ct) if node.GetLayoutName() == view.GetLayoutName())


def _bind(date: DateNodes) -> None:
    """Let what belongs to a date be drawn in the slice views of its CT, and in 3D, only."""
    views = [*slice_nodes_of(date.ct), *nodes_of(date.ct.GetScene(), "vtkMRMLViewNode")]
    for node in (date.segmentation, *markups_of(date.segmentation)):
        if node.GetDisplayNode() is not None:
            bind(node.GetDisplayNode(), views)
