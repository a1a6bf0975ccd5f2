"""Two slice views with two dates that scroll together, each in its own CT.

Slicer's own link of slice views gives them the same place in space, where the liver of another date does not lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

_LEAST_MM, _LEAST_TURN = 1e-3, 1e-6  # by which a slice must move to be followed, and turn not to be


class LinkedSlices:
    """Moves one of two views along its normal when the other is moved so; turning, panning and zooming are each view's
    own."""

    def __init__(self) -> None:
        self._nodes: tuple = ()
        self._tags: list[int] = []
        self._holds: Callable[[], bool] = lambda: True
        self._places: list[np.ndarray] = []
        self._ways: list[np.ndarray] = []
        self._seen: list[np.ndarray] = []
        self._moving = False

    def link(
        self,
        slice_nodes: tuple,
        places: Sequence[Sequence[float] | None],
        to_first: np.ndarray,
        holds: Callable[[], bool] = lambda: True,
    ) -> None:
        """Let two views (vtkMRMLSliceNode) scroll together; two that did so before no longer do.

        Args:
            places: RAS mm of what is the same in both; None is where a view is now.
            to_first: 3x3, what a step of the second view is in the first; the identity keeps their distance.
            holds: asked at each move whether the views still show what was linked; else they are no longer.
        """
        import vtk

        self.unlink()
        self._nodes, self._holds = tuple(slice_nodes), holds
        self._places = [
            _origin(node) if place is None else np.asarray(place, float)
            for node, place in zip(slice_nodes, places, strict=True)
        ]
        self._ways = [np.linalg.inv(to_first), to_first]  # from the first, from the second
        self._seen = [_plane(node) for node in slice_nodes]
        self._tags = [node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._on_modified) for node in slice_nodes]

    def unlink(self) -> None:
        """Let each scroll alone."""
        for node, tag in zip(self._nodes, self._tags, strict=True):
            node.RemoveObserver(tag)
        self._nodes, self._tags = (), []

    def _on_modified(self, caller, event) -> None:
        if self._moving or caller not in self._nodes:
            return
        moved = self._nodes.index(caller)
        before, self._seen[moved] = self._seen[moved], _plane(caller)
        turned, depth = np.split(np.abs(self._seen[moved] - before), [3])
        if turned.max() > _LEAST_TURN or depth[0] < _LEAST_MM:
            return
        if not self._holds():
            self.unlink()
            return
        other = 1 - moved
        normal, here = _normal(caller), self._places[moved]
        step = normal * ((_origin(caller) - here) @ normal)
        self._moving = True
        try:
            self._nodes[other].JumpSliceByOffsetting(*(self._places[other] + self._ways[moved] @ step))
        finally:
            self._moving = False
        self._seen[other] = _plane(self._nodes[other])


def _origin(slice_node) -> np.ndarray:
    """RAS mm of the middle of what a view shows."""
    return np.array([slice_node.GetSliceToRAS().GetElement(row, 3) for row in range(3)])


def _normal(slice_node) -> np.ndarray:
    normal = np.array([slice_node.GetSliceToRAS().GetElement(row, 2) for row in range(3)])
    return normal / np.linalg.norm(normal)


def _plane(slice_node) -> np.ndarray:
    """The normal of a view's slice, and how far along it the slice lies, in mm."""
    normal = _normal(slice_node)
    return np.append(normal, _origin(slice_node) @ normal)
