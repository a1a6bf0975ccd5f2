"""The panel of LiverSegmentationMobileUNet: choices, a run, its results."""

from __future__ import annotations

import contextlib

from slicer.i18n import tr as _

from ..errors import RequirementError
from ..mrml.results import SUMMARY_ROLE, CaseNodes
from ..mrml.segmentations import ct_of
from ..mrml.views import show_ct
from .frames import offer_frames, wants_frames
from .panel import Panel
from .run_control import ensure_requirements
from .segmentation_results import SegmentationResults

_MODELS = {
    "liverModel": ("liverModelBox", "liver"),
    "tumorModel": ("tumorModelBox", "tumor"),
    "sliceModel": ("sliceModelBox", "slice"),
}
_OPTIONS = (*_MODELS, "tumor", "slices", "roiMarginMm", "minLesionMl", "keepProbabilities")
_ZERO_IS_AUTOMATIC = ("liverThreshold", "tumorThreshold", "sliceThreshold", "threads")  # a spin box cannot be empty


class SegmentationPanel(Panel):
    """Segment a CT, and look at what was found."""

    def __init__(self, module, logic) -> None:
        super().__init__(module, logic, _MODELS)
        self.results = SegmentationResults(self.ui, lambda: self.parameters, self._offer_distances)
        self.enter()  # a reloaded module is not entered again

    def cleanup(self) -> None:
        super().cleanup()
        self.results.removeObservers()

    def install(self) -> None:
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

    def show_results(self, nodes: CaseNodes) -> str:
        if self.parameters is not None:  # its node may have been deleted meanwhile
            self.parameters.outputSegmentation = nodes.segmentationNode
        show_ct(ct_of(nodes.segmentationNode))  # another input may have been chosen meanwhile
        self.results.show()
        self.learn_times(nodes)
        return _("No liver found; is it a CT of the abdomen?") if not nodes.summary.liver_ml else _("Done.")

    def show_parameters(self) -> None:
        offer_frames(self.ui.framesCheckBox, self.parameters.inputVolume)
        self.results.show()

    def needed_models(self) -> list[str]:
        switches = {"liverModel": self.parameters.liverSegmentation is None, "tumorModel": self.parameters.tumor}
        return [name for name in _MODELS if switches.get(name, self.parameters.slices)]


def _ct_of_result(segmentation):
    """The CT of a segmentation that a run has made; None for any other segmentation."""
    return ct_of(segmentation) if segmentation.GetNodeReference(SUMMARY_ROLE) is not None else None
