"""The panel of CompressionTrainer: data and choices, a run, what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from LiverTumorLib.errors import LiverTumorError
from LiverTumorLib.panel.panel import Panel
from LiverTumorLib.panel.run_control import RunControl, RunTexts
from slicer.i18n import tr as _

from ..mrml.runs import TrainerResult, TrainerRun, chosen_python
from ..workflow.request import WorkflowRequest
from .choices import FILE, Choices
from .python_choice import PythonChoice
from .results import Results


class TrainerPanel(Panel):
    """Train, prune, quantize, measure and install a model."""

    def __init__(self, module, logic) -> None:
        super().__init__(module, logic)
        self._stage = ""
        self.choices = Choices(self.ui, lambda: self.parameters)
        self.results = Results(self.ui, lambda: self.parameters)
        self.python = PythonChoice(self.ui, self.refresh)
        self.ui.checkButton.connect("clicked(bool)", self._on_check)
        self.ui.probeButton.connect("clicked(bool)", self._on_probe)
        self.enter()  # a reloaded module is not entered again

    def make_run_control(self) -> RunControl:
        texts = RunTexts(
            start=_("Start"),
            start_tip=_(
                "Start the training in the background; it continues where the output folder's run was stopped."
            ),
            cancel_tip=_(
                "Stop the training; what is finished stays, and Start continues after the last complete epoch."
            ),
            starting=_("Starting..."),
            not_started=_("The training could not be started."),
            failed=_("The training failed."),
            stopped=_("Stopped; press Start to continue from here."),
            ending=_("Reading the results"),
        )
        return RunControl(self.ui, self.launch, self.show_results, self._on_run, texts, _log_lines)

    def launch(self, progress, finished):
        return self._launch(self.choices.request(), progress, finished)

    def show_results(self, result: TrainerResult) -> str:
        return _("Done; everything is in {folder}.").format(folder=result.outputFolder)

    def show_parameters(self) -> None:
        self.choices.show()
        self.results.show()

    def problem(self) -> str:
        if self.parameters is None:
            return _("Open the module again.")
        try:
            self.choices.request()
            chosen_python()
        except LiverTumorError as error:
            return str(error)
        return ""

    def refresh(self, caller=None, event=None) -> None:
        super().refresh()
        parameters = self.parameters
        free = not self.run.running and parameters is not None
        checkable = free and parameters.split != FILE
        self.ui.checkButton.enabled = checkable and not self.problem()
        self.ui.probeButton.enabled = free

    def enter(self) -> None:
        self.python.show()
        super().enter()

    def _on_scene_closing(self, caller, event) -> None:
        """A training has nothing in the scene: it continues."""
        self.use(None)

    def _on_run(self) -> None:
        """A run has begun or ended."""
        if self.run.running:
            self.choices.stages.begin()
        else:
            self.choices.stages.end()
            if self.parameters is not None:
                self.results.show(again=True)
        self.refresh()

    def _on_check(self, checked: bool = False) -> None:
        self.run.start(
            lambda *receivers: self._launch(self.choices.request(until="prepare"), *receivers), self._show_check
        )

    def _show_check(self, result: TrainerResult) -> str:
        return _("The data are checked, the split is frozen.")

    def _on_probe(self, checked: bool = False) -> None:
        self.run.start(lambda *receivers: self._launch(None, *receivers), self._show_probe)

    def _show_probe(self, versions: dict[str, str]) -> str:
        self.python.tell(versions)
        return _("This Python can train.")

    def _launch(self, request: WorkflowRequest | None, progress, finished) -> TrainerRun:
        requirements = Path(self.module.resourcePath("CompressionTrainerRequirements.txt"))
        run = TrainerRun(
            chosen_python(), request, self.python.installation(requirements), progress, self._on_event, finished
        )
        run.serve()
        return run

    def _on_event(self, event: dict) -> None:
        if event["event"] != "progress" or self.parameters is None:
            return
        self.choices.stages.advance(event["stage"])
        if event.get("metrics"):
            self.results.show_epochs()
        if event["stage"] != self._stage:  # what the one before has left can be looked at
            self._stage = event["stage"]
            self.results.show(again=True)


def _log_lines(result: TrainerResult | dict) -> Iterator[str]:
    if isinstance(result, TrainerResult):
        yield result.log
