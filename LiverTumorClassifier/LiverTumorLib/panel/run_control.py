"""The part of a panel that starts a run, shows how it goes, and stops it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from slicer.i18n import tr as _

from ..errors import RequirementError
from ..mrml.results import CaseNodes
from ..mrml.runs import CaseRun
from ..pipelines.options import Progress
from .messages import errors_shown

Launch = Callable[[Progress, Callable[[CaseRun], None]], CaseRun]


class RunControl:
    """One run at a time: an Apply button that becomes Cancel, stage, fraction and time left, and a log.

    Args:
        ui: a panel's widgets, with `applyButton`, `progressBar` (0 to 100), `statusLabel` and `logText`.
        launch: starts a run; called with the receivers of its progress and of its end.
        show_results: called with the nodes of a run that went well; answers with a line for the status label.
        changed: called when a run has begun or ended.
    """

    def __init__(self, ui, launch: Launch, show_results: Callable[[CaseNodes], str], changed: Callable[[], None]) -> None:
        self._ui = ui
        self._launch = launch
        self._show_results = show_results
        self._changed = changed
        self._run: CaseRun | None = None
        self._stopping = False
        self._stage = ""
        self._problem = ""
        ui.applyButton.connect("clicked(bool)", self._on_button)
        ui.progressBar.visible = False
        self._show_button()

    @property
    def running(self) -> bool:
        return self._run is not None

    def set_ready(self, problem: str) -> None:
        """Say why a run cannot be started now; "" when it can."""
        self._problem = problem
        self._show_button()

    def abandon(self) -> None:
        """Stop the run, if there is one, and forget it; its results are not shown."""
        run, self._run = self._run, None
        if run is not None:
            run.cancel()
            self._tell(_("Stopped."))
            self._show_state()

    def _on_button(self, checked: bool = False) -> None:
        if self._run is None:
            self._start()
        elif not self._stopping:
            self._stopping = True
            self._ui.statusLabel.text = _("Stopping...")
            self._show_button()
            self._run.cancel()

    def _start(self) -> None:
        import slicer

        self._ui.logText.clear()
        self._ui.progressBar.value = 0
        self._stage, self._stopping = "", False
        with errors_shown(_("The analysis could not be started."), self._tell), slicer.util.WaitCursor():
            self._tell(_("Starting..."))
            self._run = self._launch(self._on_progress, self._on_finished)
        self._show_state()

    def _on_progress(self, stage: str, fraction: float, message: str) -> None:
        if self._run is None or self._stopping:
            return
        if stage != self._stage:
            self._stage = stage
            self._log(message)
        if fraction >= 1:
            message = _("Bringing the results into the scene")
        remaining = self._run.job.remaining_s
        left = _(", about {seconds:.0f} s left").format(seconds=max(remaining, 1)) if remaining and fraction < 1 else ""
        self._ui.progressBar.value = round(100 * fraction)
        self._ui.statusLabel.text = f"{message}{left}"

    def _on_finished(self, run: CaseRun) -> None:
        if run is not self._run:  # abandoned
            return
        self._run = None
        try:
            with errors_shown(_("The analysis failed."), self._tell):
                nodes = run.result()
                self._log_run(nodes)
                self._tell(self._show_results(nodes))
        finally:
            if self._stopping:
                self._tell(_("Stopped; the scene is as it was."))
            self._show_state()

    def _log_run(self, nodes: CaseNodes) -> None:
        for model in nodes.result.models:
            self._log(_("Model {id} {version}, threshold {threshold:.2f}").format(**model))
        for stage, seconds in nodes.result.seconds.items():
            self._log(f"{stage}: {seconds:.1f} s")
        for note in nodes.summary.notes:
            self._log(note)

    def _tell(self, text: str) -> None:
        self._ui.statusLabel.text = text
        self._log(text)

    def _log(self, text: str) -> None:
        self._ui.logText.appendPlainText(text)

    def _show_state(self) -> None:
        self._ui.progressBar.visible = self.running
        self._show_button()
        self._changed()

    def _show_button(self) -> None:
        button = self._ui.applyButton
        if self.running:
            button.text, button.toolTip = _("Cancel"), _("Stop the analysis; the scene stays as it was.")
            button.enabled = not self._stopping
        else:
            button.text, button.toolTip = _("Apply"), self._problem or _("Start the analysis in the background.")
            button.enabled = not self._problem


def ensure_requirements(path: str | Path, requester: str) -> None:
    """Ask the user to install the packages of a requirements file that are missing, and install them.

    Raises:
        RequirementError: the user said no, or the installation failed.
    """
    import subprocess

    import slicer.packaging

    try:
        slicer.packaging.pip_ensure(slicer.packaging.load_requirements(path), requester=requester)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        raise RequirementError(f"The packages the analysis needs are not installed: {error}") from error
