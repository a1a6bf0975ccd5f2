"""The part of a panel that starts a run, shows how it goes, and stops it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from slicer.i18n import tr as _

from ..errors import Cancelled, LiverTumorError, RequirementError
from ..mrml.results import CaseNodes
from ..mrml.runs import CaseRun
from ..pipelines.options import Progress


class RunControl:
    """One run at a time, with a panel's cancel button, progress bar and status label.

    Args:
        ui: a panel's widgets, with `cancelButton`, `progressBar` (0 to 100) and `statusLabel`.
        show_results: called with the nodes of a run that went well; answers with a line for the status label.
        update: called when a run has begun or ended.
    """

    def __init__(self, ui, show_results: Callable[[CaseNodes], str], update: Callable[[], None]) -> None:
        self._ui = ui
        self._show_results = show_results
        self._update = update
        self._run: CaseRun | None = None
        ui.cancelButton.connect("clicked(bool)", self._on_cancel)
        self._show_state()

    @property
    def running(self) -> bool:
        return self._run is not None

    def start(self, launch: Callable[[Progress, Callable[[CaseRun], None]], CaseRun]) -> None:
        """Start a run; `launch` is called with the receivers of its progress and of its end."""
        import slicer

        with _errors_shown(_("The analysis could not be started.")), slicer.util.WaitCursor():
            self._ui.progressBar.value = 0
            self._ui.statusLabel.text = _("Starting...")
            self._run = launch(self._on_progress, self._on_finished)
        self._show_state()

    def abandon(self) -> None:
        """Stop the run, if there is one, and forget it; its results are not shown."""
        run, self._run = self._run, None
        if run is not None:
            run.cancel()
            self._show_state()

    def _on_cancel(self, checked: bool = False) -> None:
        if self._run is not None:
            self._ui.statusLabel.text = _("Stopping...")
            self._run.cancel()

    def _on_progress(self, stage: str, fraction: float, message: str) -> None:
        self._ui.progressBar.value = round(100 * fraction)
        self._ui.statusLabel.text = message

    def _on_finished(self, run: CaseRun) -> None:
        if run is not self._run:  # abandoned
            return
        self._run = None
        self._show_state()
        with _errors_shown(_("The analysis failed.")):
            self._ui.statusLabel.text = self._show_results(run.result())

    def _show_state(self) -> None:
        self._ui.cancelButton.enabled = self.running
        self._ui.progressBar.visible = self.running
        if not self.running:
            self._ui.statusLabel.text = ""
        self._update()


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


@contextmanager
def _errors_shown(message: str) -> Iterator[None]:
    """Show known errors as their sentence, and unexpected ones with `message` and details; a stop is no error."""
    import slicer

    with slicer.util.tryWithErrorDisplay(message):
        try:
            yield
        except Cancelled:
            pass
        except LiverTumorError as error:
            slicer.util.errorDisplay(str(error))
