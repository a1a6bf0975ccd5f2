"""The panel of LiverTumorClassifier: choices, a run, its results."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from ..errors import LiverTumorError
from ..mrml import ct_from_node, labels_from_segmentation
from ..mrml.case_nodes import CaseNodes
from ..mrml.results import ct_of_table
from ..mrml.scans import show_scan
from ..records.options import RunOptions
from .ct_panel import CTPanel
from .evidence import EvidenceOverlay
from .frames import offer_frames, wants_frames
from .live import LiveMode
from .messages import errors_shown
from .run_control import ensure_requirements
from .slice_results import SliceResults

_ZERO_IS_AUTOMATIC = ("sliceThreshold", "threads")  # a spin box cannot be empty


class ClassificationPanel(CTPanel):
    """Score the slices of a CT, and go through them."""

    def __init__(self, module, logic) -> None:
        super().__init__(module, logic, {"sliceModel": ("sliceModelBox", "slice")})
        self.results = SliceResults(self.ui, lambda: self.parameters)
        self.live = LiveMode(self.ui, self._on_live_ended)
        self.evidence = EvidenceOverlay(self.ui, lambda: self.parameters, self.run, self._launch_evidence)
        self.ui.liveButton.connect("clicked(bool)", self._on_live)
        self.enter()  # a reloaded module is not entered again

    def enter(self) -> None:
        super().enter()
        self.results.follow(True)

    def exit(self) -> None:
        self.live.stop()
        self.results.follow(False)
        super().exit()

    def cleanup(self) -> None:
        self.live.stop()
        super().cleanup()
        self.results.removeObservers()
        self.evidence.removeObservers()

    def refresh(self, caller=None, event=None) -> None:
        super().refresh()
        problem = self.problem()
        self.evidence.show(problem)
        self.ui.liveButton.enabled = self.live.on or not problem
        self.ui.liveButton.toolTip = problem or _(
            "Score each axial slice as you come to it; its probability (0 to 1) is written into the view."
        )
        if self.live.on and self._live_choice() != self._live_with:
            self.live.stop()  # it would speak of another scan, or by another model

    def launch(self, progress, finished):
        parameters = self.parameters
        return self.logic.process(
            parameters.inputVolume,
            parameters.liverSegmentation,
            self.own_output("outputTable", ct_of_table),
            allFrames=wants_frames(parameters),
            wait=False,
            progressCallback=progress,
            finishedCallback=finished,
            **self._options(),
        )

    def on_ct_chosen(self) -> None:
        self.let_go_of_others("outputTable", ct_of_table, "vtkMRMLTableNode", ct_of_table)

    def _launch_evidence(self, progress, finished):
        return self.logic.mapEvidence(
            self.parameters.inputVolume,
            self.parameters.liverSegmentation,
            wait=False,
            progressCallback=progress,
            finishedCallback=finished,
            **self._options(),
        )

    def _options(self) -> dict:
        automatic = {name: getattr(self.parameters, name) or None for name in _ZERO_IS_AUTOMATIC}
        return {"sliceModel": self.parameters.sliceModel, **automatic}

    def install(self) -> None:
        super().install()
        ensure_requirements(self.module.resourcePath("LiverTumorClassifierRequirements.txt"), self.module.moduleName)

    def show_results(self, nodes: CaseNodes) -> str:
        ct = ct_of_table(nodes.sliceTable)
        self.learn_times(nodes)
        if other := self.chosen_meanwhile(ct):
            return other
        if self.parameters is not None:  # its node may have been deleted meanwhile
            self.parameters.outputTable = nodes.sliceTable
        show_scan(ct)
        self.results.show()
        suspicious = nodes.summary.suspicious_slices
        found = _("No suspicious slice.")
        if suspicious:
            found = _("{count} suspicious slices, the likeliest is {index}.").format(
                count=len(suspicious), index=suspicious[0]
            )
        return " ".join([found, *nodes.summary.notes])

    def show_parameters(self) -> None:
        offer_frames(self.ui.framesCheckBox, self.parameters.inputVolume)
        self.results.show()

    def _live_choice(self) -> tuple:
        """What live mode depends on."""
        parameters = self.parameters
        return (
            (parameters.inputVolume, parameters.liverSegmentation, parameters.sliceModel)
            if parameters is not None
            else ()
        )

    def _on_live(self, checked: bool) -> None:
        if not checked:
            self.live.stop()
            return
        with errors_shown(_("Live mode could not be started."), self._tell_live):
            self.install()
            self._start_live()
        self.ui.liveButton.checked = self.live.on

    def _start_live(self) -> None:
        with slicer.util.WaitCursor():
            ct, segmentation, model = self._live_with = self._live_choice()
            liver = labels_from_segmentation(segmentation, ct) if segmentation else None
            self.live.start(ct, ct_from_node(ct), RunOptions(slice_model=model), liver)
            self.live.addObserver(ct, ct.ImageDataModifiedEvent, self._on_ct_changed)  # until it stops

    def _on_live_ended(self, error: LiverTumorError) -> None:
        with errors_shown(_("Live mode ended."), self._tell_live):
            raise error

    def _on_ct_changed(self, caller, event) -> None:
        """Another frame of a sequence is shown, for example, which the worker does not have."""
        self.live.stop()
        self._tell_live(_("Live mode ended, as the CT has changed; start it again."))

    def _tell_live(self, text: str) -> None:
        self.ui.liveLabel.text = text
