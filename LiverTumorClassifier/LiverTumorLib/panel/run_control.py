"""The part of a panel that starts a run, shows how it goes, and stops it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from slicer.i18n import tr as _

from ..errors import RequirementError
from .messages import errors_shown

if TYPE_CHECKING:
    from ..mrml.case_nodes import CaseNodes
    from ..mrml.serving import Computation, ServedRun
    from ..records.options import Progress

    Launch = Callable[[Progress, Callable[[ServedRun], None]], ServedRun]


class RunTexts(NamedTuple):
    """What the user reads of a run: on the button and its tool tip, while it starts, and when it ends."""

    start: str
    start_tip: str
    cancel_tip: str
    starting: str
    not_started: str
    failed: str
    stopped: str
    ending: str


def analysis_texts() -> RunTexts:
    """The texts of a run on a CT."""
    return RunTexts(
        start=_("Apply"),
        start_tip=_("Start the analysis in the background."),
        cancel_tip=_("Stop the analysis; the scene stays as it was."),
        starting=_("Starting..."),
        not_started=_("The analysis could not be started."),
        failed=_("The analysis failed."),
        stopped=_("Stopped; the scene is as it was."),
        ending=_("Bringing the results into the scene"),
    )


def analysis_log(nodes: CaseNodes) -> Iterator[str]:
    """Lines for the log: models, seconds and notes of a run on a CT."""
    for model in nodes.result.models:
        yield _("Model {id} {version}, threshold {threshold:.2f}").format(**model)
    for stage, seconds in nodes.result.seconds.items():
        yield f"{stage}: {seconds:.1f} s"
    yield from nodes.summary.notes


class _Purpose(NamedTuple):
    """What a run is for, and what comes of it; see `RunControl`."""

    show: Callable[[Any], str]
    texts: RunTexts
    log_lines: Callable[[Any], Iterator[str]] = lambda outcome: iter(())
    is_computing: bool = False


class RunControl:
    """One run at a time: a button that starts it and becomes Cancel, stage, fraction and time left, and a log.

    Args:
        ui: a panel's widgets, with `applyButton`, `progressBar` (0 to 100), `statusLabel` and `logText`.
        launch: starts a run; called with the receivers of its progress and of its end.
        show_results: called with the result of a run that went well, what its class says; returns a line for the status
            label.
        changed: called when a run has begun or ended.
        texts: what the user reads of it.
        log_lines: what the log says of a run that went well, from what `show_results` is given too.
        install: called before each run, to ask for what is missing; what it raises keeps the run from starting.
    """

    def __init__(
        self,
        ui,
        launch: Launch,
        show_results: Callable[[Any], str],
        changed: Callable[[], None],
        texts: RunTexts | None = None,
        log_lines: Callable[[Any], Iterator[str]] = analysis_log,
        install: Callable[[], None] = lambda: None,
    ) -> None:
        self._ui = ui
        self._texts = texts or analysis_texts()
        self._log_lines = log_lines
        self._launch = launch
        self._install = install
        self._show_results = show_results
        self._changed = changed
        self._current = _Purpose(show_results, self._texts, log_lines)  # of the run that continues
        self._next: Callable[[], None] | None = None
        self._run: ServedRun | None = None
        self._starting = False
        self._stopping = False
        self._stage = ""
        self._problem = ""
        ui.applyButton.connect("clicked(bool)", self._on_button)
        ui.progressBar.visible = False
        self._show_button()

    @property
    def running(self) -> bool:
        """Whether there is a run, or one is about to be."""
        return self._run is not None or self._starting

    @property
    def computing(self) -> bool:
        """Whether what goes on was started by `compute`: it works on what the scene shows, which better stays so."""
        return self.running and self._current.is_computing

    @property
    def has_next(self) -> bool:
        """Whether more was asked for meanwhile, which begins when what goes on is over."""
        return self._next is not None

    def set_ready(self, problem: str) -> None:
        """Say why a run cannot be started now; "" when it can."""
        self._problem = problem
        self._show_button()

    def abandon(self) -> None:
        """Stop the run, if there is one, and forget it; its results are not shown."""
        run, self._run = self._run, None
        self._next = None
        if run is not None:
            run.cancel()
            self._tell(_("Stopped."))
            self._show_state()

    def _on_button(self, checked: bool = False) -> None:
        if not self.running:
            self.start(self._launch, self._show_results)
        elif self._run is not None and not self._starting and not self._stopping:
            self._stopping = True
            self._next = None
            self._ui.statusLabel.text = _("Stopping...")
            self._show_button()
            self._run.cancel()

    def start(self, launch: Launch, show_results: Callable[[Any], str]) -> None:
        """Start another run than that of the button, which stops it all the same; for the arguments see the class."""
        self._start(launch, _Purpose(show_results, self._texts, self._log_lines), self._install)

    def compute(self, steps: Callable[[], Computation], doing: str, failed: str, show: Callable[[Any], str]) -> None:
        """Work on what the scene shows, beside the window; the button stops that too.

        While this goes on for something else, the newest that was asked for is done next; while a child process runs,
        nothing is.

        Args:
            steps: gives the steps, when it begins.
            doing: what the user reads meanwhile.
            failed: the sentence for an unexpected error.
            show: called with the result; returns a line for the status label.
        """
        if self.computing:
            self._next = partial(self.compute, steps, doing, failed, show)
            return

        from ..mrml.serving import ServedRun

        def launch(progress: Progress, finished: Callable[[ServedRun], None]) -> ServedRun:
            run = ServedRun(steps(), finished)
            run.serve()
            return run

        tip = _("Stop this; the scene stays as it was.")
        texts = self._texts._replace(starting=doing, not_started=failed, failed=failed, cancel_tip=tip)
        self._start(launch, _Purpose(show, texts, is_computing=True), lambda: None)

    def _start(self, launch: Launch, purpose: _Purpose, install: Callable[[], None]) -> None:
        import slicer

        if self.running:
            return
        self._ui.logText.clear()
        self._ui.progressBar.value = 0
        self._ui.progressBar.maximum = 0 if purpose.is_computing else 100  # 0: nobody knows how much is left
        self._current, self._stage, self._stopping = purpose, "", False
        self._starting = True
        self._let_go_of_keyboard()
        self._show_state()
        try:
            with errors_shown(purpose.texts.not_started, self._tell):
                install()
                self._tell(purpose.texts.starting)
                self._run = launch(self._on_progress, self._on_finished)
            # The second click of a double click must find the button as it is now, and not Cancel.
            slicer.app.processEvents()
        finally:
            self._starting = False
            self._show_state()

    def _let_go_of_keyboard(self) -> None:
        """Of a button that was clicked and is off now, Qt would hand the keyboard to the next field, which would take
        the panel's keys for its own."""
        focused = self._ui.applyButton.window().focusWidget()
        if focused is not None and focused.inherits("QAbstractButton"):
            focused.clearFocus()

    def _on_progress(self, stage: str, fraction: float, message: str) -> None:
        if self._run is None or self._stopping:
            return
        from ..jobs.remaining import duration

        if stage != self._stage:
            self._stage = stage
            self._log(message)
        if fraction >= 1:
            message = self._current.texts.ending
        remaining = self._run.remaining_s
        left = _(", about {time} left").format(time=duration(remaining)) if remaining and fraction < 1 else ""
        self._ui.progressBar.value = round(100 * fraction)
        self._ui.statusLabel.text = f"{message}{left}"

    def _on_finished(self, run: ServedRun) -> None:
        if run is not self._run:  # abandoned
            return
        self._run = None
        try:
            with errors_shown(self._current.texts.failed, self._tell):
                outcome = run.result()
                for line in self._current.log_lines(outcome):
                    self._log(line)
                self._tell(self._current.show(outcome))
        finally:
            if self._stopping:
                self._tell(self._texts.stopped)
            self._show_state()
            go_on, self._next = self._next, None
            if go_on is not None:
                go_on()

    def _tell(self, text: str) -> None:
        self._ui.statusLabel.text = text
        if text:
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
            button.text, button.toolTip = _("Cancel"), self._current.texts.cancel_tip
            button.enabled = not self._starting and not self._stopping
        else:
            button.text, button.toolTip = self._texts.start, self._problem or self._texts.start_tip
            button.enabled = not self._problem


def ensure_requirements(path: str | Path, requester: str) -> None:
    """Ask the user to install the packages of a requirements file that are missing, and install them.

    Raises:
        RequirementError: the user said no, or the installation failed.
    """
    import subprocess

    import slicer.packaging

    requirements = slicer.packaging.load_requirements(path)
    try:
        slicer.packaging.pip_ensure(requirements, requester=requester)
    except (subprocess.CalledProcessError, OSError) as error:
        wanted = [each.name for each in requirements if each.marker is None or each.marker.evaluate()]
        names, listed = " ".join(wanted), ", ".join(map(repr, wanted))
        raise RequirementError(
            _(
                "The packages the analysis needs ({names}) could not be installed. Without internet: "
                "fetch them on another computer of this kind with 'pip download {names}' (Python 3.12), "
                "bring the folder here, and type in Slicer's Python console: "
                "slicer.packaging.pip_install(['--no-index', '--find-links', r'FOLDER', {listed}])."
            ).format(names=names, listed=listed)
        ) from error
    except RuntimeError as error:
        raise RequirementError(
            _("The packages the analysis needs are not installed: {error}").format(error=error)
        ) from error
