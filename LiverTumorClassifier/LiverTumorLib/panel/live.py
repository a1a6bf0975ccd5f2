"""Live mode: the probability of the axial slice that is looked at, in the slice view and in the panel, from a warm
worker."""

from __future__ import annotations

import time
from collections.abc import Callable

import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..errors import LiverTumorError, UsageError
from ..jobs import Job, start_job
from ..mrml.scans import show_scan
from ..mrml.views import axial_slice_node, shown_s
from ..records.options import RunOptions
from .slice_text import SliceText

_POLL_MS = 10
_TRAINED, _OUTSIDE = (1.0, 0.9, 0.3), (0.6, 0.6, 0.6)  # text colors


class LiveMode(VTKObservationMixin):
    """Follows the axial slice view while it is on.

    Args:
        ui: the panel's widgets, with `liveButton` (checkable), `liveBar` (0 to 100) and `liveLabel`.
        ended: called with the error when the worker has ended by itself.
    """

    def __init__(self, ui, ended: Callable[[LiverTumorError], None]) -> None:
        import qt

        VTKObservationMixin.__init__(self)
        self._ui = ui
        self._ended = ended
        self._job: Job | None = None
        self._ct = None
        self._heights: list[float] = []
        self._fields: list[str] = []
        self._notes: list[str] = []
        self._index: int | None = None
        self._moved_at = 0.0
        self._text: SliceText | None = None
        self.latency_s: float | None = None  # from the slice view's event to the text, of the latest answer
        self._timer = qt.QTimer()
        self._timer.setInterval(_POLL_MS)
        self._timer.connect("timeout()", self._poll)
        self._show_off()

    @property
    def on(self) -> bool:
        return self._job is not None

    def start(self, ct, volume, options: RunOptions, liver) -> None:
        """Start the worker.

        Args:
            ct: the volume node.
            volume: the CT in it.
            liver: uint8 (k, j, i), a liver that is known already, or None.

        Raises:
            LiverTumorError: no view shows axial slices, or the worker cannot be started.
        """
        self.stop()
        show_scan(ct)
        node = axial_slice_node(ct)
        if node is None:
            raise UsageError(
                _("Live mode follows a slice view that shows axial slices of the CT; turn a view to Axial first.")
            )
        self._ct = ct
        self._job = start_job("live", volume, options, on_event=self._on_event, liver=liver)
        self._ui.liveLabel.text = _("Preparing the scan...")
        self._text = SliceText(node)
        self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._on_slice)
        self._timer.start()

    def stop(self) -> None:
        """End the worker and leave nothing in the view."""
        self._timer.stop()
        self.removeObservers()
        if self._text is not None:
            self._text.remove()
            self._text = None
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
        self._heights, self._fields, self._notes, self._index = [], [], [], None
        self._show_off()

    def _show_off(self) -> None:
        self._ui.liveButton.checked = self.on
        self._ui.liveBar.enabled = self.on
        self._ui.liveBar.value = 0
        self._ui.liveLabel.text = ""

    def _poll(self) -> None:
        if self._job is None or not self._job.poll():
            return
        job = self._job
        self.stop()
        try:
            job.output()
        except LiverTumorError as error:
            self._ended(error)

    def _on_event(self, event: dict) -> None:
        if event["event"] != "answer" or self._job is None:
            return
        if "heights" in event:
            self._heights, self._fields, self._notes = event["heights"], event["fields"], event["notes"]
            self._on_slice()
        elif event["index"] == self._index:  # the user has not gone on meanwhile
            self._show(event["index"], event["probability"])

    def _on_slice(self, caller=None, event=None) -> None:
        if self._job is None or not self._heights:
            return
        node = axial_slice_node(self._ct)
        if node is None:
            return
        s = shown_s(node)
        index = min(range(len(self._heights)), key=lambda number: abs(self._heights[number] - s))
        if index != self._index:
            self._index, self._moved_at = index, time.perf_counter()
            self._job.ask(str(index))

    def _show(self, index: int, probability: float) -> None:
        text = _("Tumor p = {p:.2f}").format(p=probability)
        trained = self._fields[index] == "liver"
        if not trained:
            known = self._fields[index] == "no liver"
            text += "\n" + (
                _("no liver here: outside the trained field") if known else _("trained on liver slices only")
            )
        if self._text is not None:
            self._text.show(text, _TRAINED if trained else _OUTSIDE)
        self.latency_s = time.perf_counter() - self._moved_at
        self._ui.liveBar.value = round(100 * probability)
        line = _("Slice {index} (S {s:.1f} mm): ").format(index=index, s=self._heights[index]) + text.replace(
            "\n", ", "
        )
        self._ui.liveLabel.text = "\n".join([line, *self._notes])
