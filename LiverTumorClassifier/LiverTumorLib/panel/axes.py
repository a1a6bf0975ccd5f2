"""The part of the segmentation panel that shows the axes of the chosen lesion, and follows them where they are dragged
to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..mrml.axes import are_by_hand, axis_lines, measure_by_voxels, show_axes, shown_lesion, take_axes
from ..mrml.nodes import remove_node
from ..mrml.views import markups_of


class AxesPart(VTKObservationMixin):
    """Axes of one lesion at a time, as Markups lines.

    Args:
        ui: the panel's widgets: `resetAxesButton`.
        work: what changes are made in, which shows their errors; called with the sentence for unexpected ones.
        changed: called with the number of a lesion whose axes count otherwise now.
    """

    def __init__(self, ui, work: Callable, changed: Callable[[int], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._ui = ui
        self._work = work
        self._changed = changed
        self._segmentation = self._ct = None
        self._lines: list = []
        self._deaf = False  # while the mouse moves an end, and while the lines are changed here
        ui.resetAxesButton.connect("clicked(bool)", self._reset)
        self.show(None, None)

    def show(self, segmentation, ct) -> None:
        """Bring the part up to date with the chosen segmentation."""
        self._segmentation, self._ct = segmentation, ct
        lines = axis_lines(segmentation) if segmentation is not None else []
        if lines != self._lines:  # also those that came with a saved scene
            self._follow(lines)
        number = shown_lesion(segmentation) if lines else None
        self._ui.resetAxesButton.enabled = number is not None and are_by_hand(segmentation, number)

    def show_lesion(self, number: int) -> None:
        """Draw the axes of a lesion."""
        with self._not_listening():
            show_axes(self._segmentation, number)
        self.show(self._segmentation, self._ct)

    def _follow(self, lines: list) -> None:
        self.removeObservers()
        self._lines = lines
        for line in lines:
            self.addObserver(line, line.PointStartInteractionEvent, self._on_start)
            self.addObserver(line, line.PointEndInteractionEvent, self._on_end)
            self.addObserver(line, line.PointModifiedEvent, self._on_moved)
        if lines:
            self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self._on_node_goes)

    @contextmanager
    def _not_listening(self) -> Iterator[None]:
        self._deaf = True
        try:
            yield
        finally:
            self._deaf = False

    def _on_start(self, caller, event) -> None:
        self._deaf = True

    def _on_end(self, caller, event) -> None:
        self._deaf = False
        self._take()

    def _on_moved(self, caller, event) -> None:
        if not self._deaf:  # from the console, for one
            self._take()

    def _take(self) -> None:
        with self._work(_("The axis could not be measured.")):
            with self._not_listening():
                changed = self._ct is not None and take_axes(self._segmentation, self._ct)
            if changed and (number := shown_lesion(self._segmentation)) is not None:
                self._changed(number)

    def _reset(self, checked: bool = False) -> None:
        with self._work(_("The axes could not be reset.")):
            if (number := shown_lesion(self._segmentation)) is not None:
                with self._not_listening():
                    measure_by_voxels(self._segmentation, number)
                self._changed(number)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_goes(self, caller, event, node) -> None:
        """With the segmentation goes what marks its lesions."""
        if node is self._segmentation and not slicer.mrmlScene.IsClosing():
            for markups in markups_of(node):
                remove_node(markups)
            self.show(None, None)
