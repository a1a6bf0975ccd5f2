"""The results part of the segmentation panel: figures, lesions to jump to, another threshold, corrections, comparison,
files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..mrml import can_undo, undo
from ..mrml.case_nodes import LESIONS_ROLE, SLICES_ROLE, SUMMARY_ROLE, ct_of
from ..mrml.corrections import is_corrected
from ..mrml.export import exporting_labels, exporting_lesions
from ..mrml.history import changed_since
from ..mrml.plots import CHART_ROLE
from ..mrml.probabilities import kept_threshold, used_threshold
from ..mrml.results import measuring_again, trying_threshold
from ..mrml.tables import records_of
from ..mrml.views import remove_marker
from .files import ask_path
from .messages import confirmed, errors_shown
from .reference import ReferencePart
from .run_control import RunControl
from .timers import single_shot
from .training import TrainingPart
from .worklist import WorklistPart

_SETTLE_MS = 150  # a slider that is dragged is obeyed when it rests


class SegmentationResults(VTKObservationMixin):
    """Shows what belongs to the chosen output segmentation, and follows its tables.

    Args:
        ui: the panel's widgets.
        parameters: gives the parameter node as it is now, or None.
        run: the panel's run control, which also does what takes a moment.
        offer_distances: offers to install what measures surface distances, where it is missing.
    """

    def __init__(self, ui, parameters: Callable, run: RunControl, offer_distances: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._ui = ui
        self._parameters = parameters
        self._run = run
        self._followed: list = []
        self._settled = single_shot(_SETTLE_MS, self._threshold_again)
        ui.thresholdSlider.connect("valueChanged(double)", self._on_slider)
        ui.show3DButton.connect("pressed()", self._on_show_3d)
        ui.show3DButton.connect("clicked(bool)", self._on_shown_3d)
        ui.measureButton.connect("clicked(bool)", self._measure_again)
        ui.undoButton.connect("clicked(bool)", self._undo)
        ui.plotButton.connect("clicked(bool)", self._show_plot)
        ui.csvButton.connect("clicked(bool)", self._export_csv)
        ui.labelsButton.connect("clicked(bool)", self._export_labels)
        self._training = TrainingPart(ui, run)
        self._showing = False
        self._reference = ReferencePart(ui, run, offer_distances)
        self._worklist = WorklistPart(ui, run, self._work, self._tell, self.show)

    def step(self, by: int) -> None:
        """Show the next lesion, or the one before."""
        self._worklist.step(by)

    def accept(self) -> None:
        """Accept the chosen lesions, or take that back."""
        self._worklist.accept()

    def reject(self) -> None:
        """Reject the chosen lesions, or take that back."""
        self._worklist.reject()

    def cleanup(self) -> None:
        """The panel goes."""
        self.removeObservers()
        self._reference.removeObservers()
        self._worklist.cleanup()

    @property
    def _segmentation(self):
        parameters = self._parameters()
        return parameters.outputSegmentation if parameters is not None else None

    @property
    def _ct(self):
        """The CT that the segmentation was made on, whatever has been chosen since."""
        parameters = self._parameters()
        if parameters is None or parameters.outputSegmentation is None:
            return None
        return ct_of(parameters.outputSegmentation) or parameters.inputVolume

    @property
    def shown(self) -> tuple:
        """The segmentation that is shown and its CT; None for what there is not."""
        return self._segmentation, self._ct

    @property
    def _slices(self):
        """The table of the slices' probabilities; None where they were not scored."""
        return self._segmentation.GetNodeReference(SLICES_ROLE) if self._segmentation is not None else None

    @property
    def _chart(self):
        return self._slices.GetNodeReference(CHART_ROLE) if self._slices is not None else None

    def show(self, caller=None, event=None) -> None:
        """Bring everything up to date with the nodes."""
        segmentation, ct = self._segmentation, self._ct
        lesions = segmentation.GetNodeReference(LESIONS_ROLE) if segmentation is not None else None
        summary = segmentation.GetNodeReference(SUMMARY_ROLE) if segmentation is not None else None
        self._follow([table for table in (lesions, summary) if table is not None])
        figures = records_of(summary)
        self._ui.summaryLabel.text = (
            _summary_text(figures[0], records_of(self._slices)) if figures else _("Press Apply to get results.")
        )
        self._ui.plotButton.enabled = self._chart is not None
        self._worklist.show(segmentation, ct)
        self._ui.show3DButton.setSegmentationNode(segmentation)
        kept = segmentation is not None and kept_threshold(segmentation) is not None
        self._show_threshold(used_threshold(segmentation) if segmentation is not None else None, kept)
        ready = segmentation is not None and ct is not None
        for button in (self._ui.measureButton, self._ui.csvButton, self._ui.labelsButton):
            button.enabled = ready and not self._run.running
        self._ui.undoButton.enabled = can_undo(segmentation) and not self._run.computing
        self._training.show(segmentation, ct)
        self._reference.show(segmentation, ct, self._parameters().referenceSegmentation if ready else None)
        self._ui.resultsCollapsibleButton.enabled = segmentation is not None
        self._ui.resultsCollapsibleButton.visible = segmentation is not None  # last, or Qt lays out all of it each time

    def _follow(self, tables: list) -> None:
        """Tables change without the panel too: from the console, or when another frame of a sequence is shown."""
        if tables != self._followed:
            self.removeObservers()
            for table in tables:
                self.addObserver(table, vtk.vtkCommand.ModifiedEvent, self.show)
            self._followed = tables

    def _show_threshold(self, threshold: float | None, kept: bool) -> None:
        slider = self._ui.thresholdSlider
        slider.enabled = kept and (not self._run.running or self._run.computing)  # or it would slip from the hand
        slider.toolTip = (
            _("Probability from which a voxel counts as tumor; tried at once on the kept maps. Undo takes it back.")
            if kept
            else _(
                "Switch on 'Keep probability volumes' (Advanced) and press Apply to try other thresholds without a new "
                "run."
            )
        )
        if threshold is not None and not self._settled.active and not self._run.computing and not self._run.has_next:
            self._showing = True
            slider.value = threshold
            self._showing = False

    def _on_show_3d(self) -> None:
        """The button is Slicer's own; making surfaces takes a moment, in which the window does not paint."""
        if not self._ui.show3DButton.checked:
            self._tell(_("Making the 3D surfaces."))
            self._ui.statusLabel.repaint()

    def _on_shown_3d(self, checked: bool = False) -> None:
        self._tell("")

    def _on_slider(self, value: float) -> None:
        if not self._showing:
            self._settled.start()

    def _threshold_again(self) -> None:
        segmentation, ct = self._segmentation, self._ct
        if segmentation is None or ct is None:
            return
        threshold, least_ml = round(self._ui.thresholdSlider.value, 2), self._parameters().minLesionMl
        lost = _("Another threshold replaces what you have corrected in {name}; Undo brings it back.").format(
            name=segmentation.GetName()
        )
        if not is_corrected(segmentation) or confirmed(lost):
            self._run.compute(
                lambda: trying_threshold(segmentation, ct, threshold, least_ml),
                _("Trying the threshold {threshold:.2f}").format(threshold=threshold),
                _("The threshold could not be changed."),
                lambda nodes: "",
            )
        else:
            self.show()

    def _undo(self, checked: bool = False) -> None:
        segmentation = self._segmentation
        lost = _("Going back loses what you have corrected in {name} since.").format(name=segmentation.GetName())
        if not changed_since(segmentation) or confirmed(lost):
            with self._work(_("It could not be undone.")):
                remove_marker(segmentation)
                undo(segmentation)
        self.show()

    def _measure_again(self, checked: bool = False) -> None:
        segmentation, ct = self._segmentation, self._ct
        self._run.compute(
            lambda: measuring_again(segmentation, ct),
            _("Measuring the lesions"),
            _("The segments could not be measured."),
            lambda nodes: "",
        )

    def _show_plot(self, checked: bool = False) -> None:
        slicer.modules.plots.logic().ShowChartInLayout(self._chart)

    def _export_csv(self, checked: bool = False) -> None:
        if path := ask_path(self._ct, _("Lesions"), "lesions.csv", "CSV (*.csv)"):
            self._export(exporting_lesions, path, _("The lesions could not be written."))

    def _export_labels(self, checked: bool = False) -> None:
        if path := ask_path(
            self._ct, _("Labels"), "labels.nii.gz", "NIfTI (*.nii.gz *.nii);;Slicer segmentation (*.seg.nrrd)"
        ):
            self._export(exporting_labels, path, _("The labels could not be written."))

    def _export(self, exporting: Callable, path: Path, failed: str) -> None:
        segmentation, ct = self._segmentation, self._ct
        self._run.compute(
            lambda: exporting(segmentation, ct, path),
            _("Writing {path}").format(path=path),
            failed,
            lambda nothing: _("Written: {path}").format(path=path),
        )

    def _tell(self, text: str) -> None:
        self._ui.statusLabel.text = text

    def _work(self, message: str):
        return errors_shown(message, self._tell, wait_cursor=True)


def _summary_text(figures: dict, slices: list[dict]) -> str:
    """The figures of a case and, below them, what is to be noted on them."""
    return "\n".join(filter(None, (_summary_line(figures, slices), figures.get("notes"))))


def _summary_line(figures: dict, slices: list[dict]) -> str:
    """One line with the figures of a case, named; what was not looked for is left out."""
    if not figures.get("liver_ml"):
        return _("{name}: no liver found.").format(name=figures["name"])
    parts = [_("{name}: liver {ml:.0f} ml").format(name=figures["name"], ml=figures["liver_ml"])]
    if "tumor_ml" in figures:
        parts.append(
            _("tumor {ml:.1f} ml ({percent:.1f} %)").format(
                ml=figures["tumor_ml"], percent=figures["tumor_burden_percent"]
            )
        )
        parts.append(_("{count} lesions").format(count=figures["lesion_count"]))
    if "largest_diameter_mm" in figures:
        parts.append(_("largest {mm:.0f} mm").format(mm=figures["largest_diameter_mm"]))
    if any("probability" in row for row in slices):
        likeliest = max(slices, key=lambda row: row["probability"])
        parts.append(
            _("likeliest slice {index} (p = {p:.2f})").format(index=likeliest["index"], p=likeliest["probability"])
        )
    return ", ".join(parts)
