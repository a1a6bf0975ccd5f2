"""The panel of LiverSegmentationMobileUNet: choices, a run, its results."""

from __future__ import annotations

import contextlib
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from ..errors import RequirementError
from ..mrml.case_nodes import SUMMARY_ROLE, CaseNodes, ct_of
from ..mrml.scans import show_scan
from .ct_panel import CTPanel
from .frames import offer_frames, wants_frames
from .keys import Keys
from .run_control import ensure_requirements
from .timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable

    from .follow_up import FollowUpPart
    from .report import ReportPart
    from .segmentation_results import SegmentationResults

_MODELS = {
    "liverModel": ("liverModelBox", "liver"),
    "tumorModel": ("tumorModelBox", "tumor"),
    "sliceModel": ("sliceModelBox", "slice"),
}
_OPTIONS = (*_MODELS, "tumor", "slices", "roiMarginMm", "minLesionMl", "keepProbabilities")
_ZERO_IS_AUTOMATIC = ("liverThreshold", "tumorThreshold", "sliceThreshold", "threads")  # a spin box cannot be empty


class SegmentationPanel(CTPanel):
    """Segment a CT, and look at what was found."""

    def __init__(self, module, logic) -> None:
        super().__init__(module, logic, _MODELS)
        self._shown = None
        self._results: SegmentationResults | None = None
        self._report: ReportPart | None = None
        self._follow_up: FollowUpPart | None = None
        self._steps = iter(self._steps_after_opening())
        self._opened = single_shot(0, self._next_step)
        self._opened.start()
        actions = {
            "N": lambda: self.results.step(1),
            "P": lambda: self.results.step(-1),
            "A": lambda: self.results.accept(),
            "X": lambda: self.results.reject(),
            "W": self._toggle_window,
        }
        self._keys = Keys(self.module.parent, actions)
        if self.module.parent.isEntered:  # a reloaded module is not entered again
            self.enter()

    def _steps_after_opening(self) -> tuple[Callable[[], object], ...]:
        """What is not seen first is made when the panel has been painted, a step a turn of the event loop; most of the
        time goes into importing what the parts use."""

        def library(name: str) -> Callable[[], object]:
            return partial(import_module, f"..{name}", __package__)

        return (
            self._load_results,
            library("mrml.corrections"),
            library("dicom"),
            library("batch.report_task"),
            library("mrml.report"),
            lambda: self.report,
            library("mrml.export"),
            self._show_results,
            self._load_follow_up,
            library("followup.follow"),
            library("batch.handed_dates"),
            lambda: self.follow_up,
        )

    def _next_step(self) -> None:
        if (step := next(self._steps, None)) is not None:
            step()
            self._opened.start()

    def _load_results(self) -> None:
        if not hasattr(self.ui, "summaryLabel"):
            self.load_form("LiverSegmentationMobileUNetResults", self.ui.resultsCollapsibleButton.layout())

    def _load_follow_up(self) -> None:
        if not hasattr(self.ui, "datesWidget"):
            self.load_form("LiverSegmentationMobileUNetFollowUp", self.ui.followUpCollapsibleButton.layout())

    @property
    def report(self) -> ReportPart:
        """The report part, made when it is first needed."""
        if self._report is None:
            from .report import ReportPart

            self._load_results()
            self._report = ReportPart(self.ui, self.run, self._offer_drawing)
        return self._report

    @property
    def results(self) -> SegmentationResults:
        """The results part, made when it is first needed; the report's lies in it."""
        if self._results is None:
            from .segmentation_results import SegmentationResults

            self._load_results()
            self._results = SegmentationResults(self.ui, lambda: self.parameters, self.run, self._offer_distances)
        return self._results

    @property
    def follow_up(self) -> FollowUpPart:
        """The follow-up part, made when it is first needed."""
        if self._follow_up is None:
            from .follow_up import FollowUpPart

            self._load_follow_up()
            self._follow_up = FollowUpPart(self.ui, lambda: self.parameters, self._offer_drawing)
        return self._follow_up

    def enter(self) -> None:
        super().enter()
        self._keys.on()

    def exit(self) -> None:
        self._keys.off()
        super().exit()

    def cleanup(self) -> None:
        self._keys.off()
        super().cleanup()
        self._opened.stop()
        if self._results is not None:
            self._results.cleanup()
        if self._follow_up is not None:
            self._follow_up.cleanup()

    def install(self) -> None:
        super().install()
        ensure_requirements(
            self.module.resourcePath("LiverSegmentationMobileUNetRequirements.txt"), self.module.moduleName
        )

    def launch(self, progress, finished):
        parameters = self.parameters
        options = {name: getattr(parameters, name) for name in _OPTIONS}
        options |= {name: getattr(parameters, name) or None for name in _ZERO_IS_AUTOMATIC}
        return self.logic.process(
            parameters.inputVolume,
            self.own_output("outputSegmentation", ct_of),
            liverSegmentation=parameters.liverSegmentation,
            keepCorrections=True,
            allFrames=wants_frames(parameters),
            wait=False,
            progressCallback=progress,
            finishedCallback=finished,
            **options,
        )

    def on_ct_chosen(self) -> None:
        self.let_go_of_others("outputSegmentation", ct_of, "vtkMRMLSegmentationNode", _ct_of_result)

    def _offer_distances(self) -> None:
        with contextlib.suppress(RequirementError):  # the other figures need no package
            ensure_requirements(
                self.module.resourcePath("LiverSegmentationComparisonRequirements.txt"), self.module.moduleName
            )

    def _offer_drawing(self) -> None:
        ensure_requirements(self.module.resourcePath("LiverSegmentationReportRequirements.txt"), self.module.moduleName)

    def on_parameters(self) -> None:
        super().on_parameters()
        if self.parameters is None and self._report is not None:
            self._report.show(None, None)

    def show_results(self, nodes: CaseNodes) -> str:
        from ..mrml.corrections import is_corrected  # a panel opens without it

        ct = ct_of(nodes.segmentationNode)
        self.learn_times(nodes)
        if other := self.chosen_meanwhile(ct):
            return other
        before, new = None, nodes.segmentationNode
        if self.parameters is not None:  # its node may have been deleted meanwhile
            before = self.chosen_segmentation()
            self.parameters.outputSegmentation = new
        show_scan(ct, segmentation_node=new)
        self._show_results()
        if before is not None and before is not new and is_corrected(before):
            return _("Done, in {new}: {old} holds corrections of yours and stays as it is.").format(
                new=new.GetName(), old=before.GetName()
            )
        return _("No liver found; is it a CT of the abdomen?") if not nodes.summary.liver_ml else _("Done.")

    def show_parameters(self) -> None:
        offer_frames(self.ui.framesCheckBox, self.parameters.inputVolume)
        self._show_chosen()
        if self._results is not None:
            self._show_results()
        if self._follow_up is not None:
            self._follow_up.show()

    def _show_results(self) -> None:
        self.report.show(*self.results.shown)
        self.results.show()

    def _toggle_window(self) -> None:
        from ..mrml.volumes import toggle_liver_window  # a panel opens without it

        if self.parameters is not None and self.parameters.inputVolume is not None:
            toggle_liver_window(self.parameters.inputVolume)

    def chosen_segmentation(self):
        return self.own_output("outputSegmentation", ct_of)

    def _show_chosen(self) -> None:
        """Another result was chosen: it is what is seen, in its CT."""
        chosen = self.parameters.outputSegmentation
        if chosen is not self._shown:
            self._shown = chosen
            if chosen is not None and (ct := _ct_of_result(chosen)) is not None:
                show_scan(ct, segmentation_node=chosen)

    def needed_models(self) -> list[str]:
        switches = {"liverModel": self.parameters.liverSegmentation is None, "tumorModel": self.parameters.tumor}
        return [name for name in _MODELS if switches.get(name, self.parameters.slices)]


def _ct_of_result(segmentation):
    """The CT of a segmentation that a run has made; None for any other segmentation."""
    return ct_of(segmentation) if segmentation.GetNodeReference(SUMMARY_ROLE) is not None else None
