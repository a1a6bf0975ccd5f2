"""The part of the segmentation panel that adds a lesion that the network has missed: a click, a look, and taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..mrml.missed import Missed, forget_missed, growing_missed, is_missed_shown, taking_missed
from ..mrml.nodes import remove_node
from ..mrml.views import end_placing, is_placing, start_placing
from .run_control import RunControl
from .timers import single_shot


class MissedPart(VTKObservationMixin):
    """Lets the user click on a missed lesion.

    Args:
        ui: the panel's widgets: `missedButton`, `missedLabel`, `missedThresholdBox`, `takeMissedButton`,
            `dropMissedButton`.
        run: the panel's run control, which grows and measures.
        tell: shows a line of text.
    """

    def __init__(self, ui, run: RunControl, tell: Callable[[str], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._ui = ui
        self._run = run
        self._tell = tell
        self._segmentation = self._ct = None
        self._seed: Any = None  # a Markups node while the user is about to click
        self._place: list[float] | None = None  # that was clicked, and not looked at yet
        self._grown_at: list[float] | None = None
        # The views must be done with the click before its node goes.
        self._clicked = single_shot(0, self._on_clicked)
        ui.missedButton.connect("clicked(bool)", self._on_button)
        ui.missedThresholdBox.connect("valueChanged(int)", self._on_threshold)
        ui.takeMissedButton.connect("clicked(bool)", self._take)
        ui.dropMissedButton.connect("clicked(bool)", self._drop)
        self._show_preview(False)

    def cleanup(self) -> None:
        """The panel goes."""
        self._clicked.stop()
        self._stop_placing()
        self._forget()

    def show(self, segmentation, ct) -> None:
        """Bring the part up to date; what was not taken of another segmentation goes."""
        if segmentation is not self._segmentation:
            self._stop_placing()
            self._forget()
        self._segmentation, self._ct = segmentation, ct
        idle = not self._run.running
        self._ui.missedButton.enabled = segmentation is not None and ct is not None and idle
        self._ui.takeMissedButton.enabled = idle
        self._ui.dropMissedButton.enabled = not self._run.computing
        self._show_preview(is_missed_shown(segmentation))

    def _on_button(self, checked: bool) -> None:
        self._stop_placing()
        if not checked:
            return
        self._seed = start_placing(slicer.mrmlScene, _("Missed lesion"))
        self.addObserver(self._seed, self._seed.PointPositionDefinedEvent, self._on_point)
        interaction = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLInteractionNode")
        if interaction is not None:
            self.addObserver(interaction, interaction.InteractionModeChangedEvent, self._on_mode)
        self._ui.missedButton.checked = True
        self._tell(_("Click on the missed lesion in a slice view; the right button or Esc ends it."))

    def _on_point(self, caller, event) -> None:
        self._place = list(self._seed.GetNthControlPointPositionWorld(0))
        self._clicked.start()

    def _on_mode(self, caller, event) -> None:
        if not is_placing(slicer.mrmlScene):
            self._clicked.start()

    def _on_clicked(self) -> None:
        place, self._place = self._place, None
        self._stop_placing()
        if place is None:
            return
        self._tell("")
        self._grow(place)

    def _stop_placing(self) -> None:
        self.removeObservers()
        if self._seed is not None:
            seed, self._seed = self._seed, None
            end_placing(slicer.mrmlScene)
            if seed.GetScene() is not None:
                remove_node(seed)
        self._ui.missedButton.checked = False

    def _grow(self, place: list[float], threshold: float | None = None) -> None:
        segmentation, ct = self._segmentation, self._ct

        def show(missed: Missed) -> str:
            self._grown_at = place
            if segmentation is self._segmentation and not self._run.has_next:
                self._show_figures(missed)
            return ""

        self._run.compute(
            lambda: growing_missed(segmentation, ct, place, threshold),
            _("Growing the lesion"),
            _("The lesion could not be grown."),
            show,
        )

    def _show_figures(self, missed: Missed) -> None:
        wasBlocked = self._ui.missedThresholdBox.blockSignals(True)
        self._ui.missedThresholdBox.maximum = max(1, int(100 * missed.highest))
        self._ui.missedThresholdBox.value = round(100 * missed.threshold)
        self._ui.missedThresholdBox.blockSignals(wasBlocked)
        self._ui.missedLabel.text = _("Missed lesion: {ml:.2f} ml above").format(ml=missed.volume_ml)

    def _on_threshold(self, percent: int) -> None:
        if self._grown_at is not None:
            self._grow(self._grown_at, percent / 100)

    def _take(self, checked: bool = False) -> None:
        segmentation, ct = self._segmentation, self._ct
        self._run.compute(
            lambda: taking_missed(segmentation, ct),
            _("Adding and measuring the lesion"),
            _("The lesion could not be added."),
            lambda nodes: "",
        )

    def _drop(self, checked: bool = False) -> None:
        self._forget()

    def _forget(self) -> None:
        if self._segmentation is not None and self._segmentation.GetScene() is not None:
            forget_missed(self._segmentation)
        self._show_preview(False)

    def _show_preview(self, visible: bool) -> None:
        ui = self._ui
        for part in (ui.missedLabel, ui.missedThresholdBox, ui.takeMissedButton, ui.dropMissedButton):
            part.visible = visible
