"""Runs of the trainer: its Python is looked at, filled where the user agrees, and then runs the workflow, each in a
child process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import slicer
from LiverTumorLib.errors import RequirementError
from LiverTumorLib.mrml.serving import ServedRun, Steps, application
from LiverTumorLib.records.options import Progress

from ..environment.choice import SLICER, TrainerPython, trainer_python
from ..workflow import folder
from ..workflow.folder import Variant
from ..workflow.job import Listener, TrainerJob, start_installation, start_probe, start_workflow
from ..workflow.request import WorkflowRequest

# Asked with a Python and why it cannot train yet: True installs what it lacks.
Ask = Callable[[TrainerPython, str], bool]

# Kept on this computer and not in the scene, which may come from another.
KIND_KEY, PROGRAM_KEY, WHEELS_KEY = (f"LiverTumor/Trainer{name}" for name in ("Python", "PythonProgram", "Wheels"))

_tried: set[str] = set()


@dataclass(frozen=True)
class TrainerResult:
    """What a workflow's folder holds when a run is over; None, or an empty list, for what there is not.

    Attributes:
        outputFolder: the workflow's folder.
        variants: its models with sizes, scores and speeds.
        checkRows: what is wrong with the data, a problem a row.
        modelFolder: the bundle that came out.
        reportFile: the HTML report.
        log: what the trainer printed.
    """

    outputFolder: Path
    variants: list[Variant]
    checkRows: list[dict[str, str]]
    modelFolder: Path | None
    reportFile: Path | None
    log: str


@dataclass(frozen=True)
class Installation:
    """How packages get into a Python that lacks them.

    Attributes:
        requirements: file that lists them.
        ask: whether they may be installed.
        wheels: folder with the packages, for a computer without internet.
    """

    requirements: Path
    ask: Ask
    wheels: Path | None = None


class TrainerRun(ServedRun):
    """A run of the trainer that has been started; `result` is a TrainerResult, or what the Python told of itself.

    Args:
        request: the workflow to run; None only looks whether the Python can train.
        progress: called with (stage, fraction, message).
        on_event: called with every event, which at the end of an epoch has its "metrics".
        finished: called with this run when it is over.

    Raises:
        RequirementError: packages are missing, and they are not to be installed.
        OutputError, WorkerError: nothing can be started.
    """

    def __init__(
        self,
        python: TrainerPython,
        request: WorkflowRequest | None,
        installation: Installation,
        progress: Progress | None = None,
        on_event: Listener | None = None,
        finished: Callable[[TrainerRun], None] | None = None,
    ) -> None:
        def listen(event: dict) -> None:
            if progress is not None and event["event"] == "progress":
                progress(event["stage"], event["fraction"], event["message"])
            if on_event is not None:
                on_event(event)

        super().__init__(_steps(python, request, installation, listen), finished)


def setting(key: str, default: str = "") -> str:
    """A setting of this computer that the panel has written; the default without the application."""
    app = application()
    return str(app.userSettings().value(key, default) or default) if app is not None else default


def chosen_python() -> TrainerPython:
    """The Python that the user has chosen in the panel; raises UsageError where it is not a program."""
    return python_of(setting(KIND_KEY, SLICER), setting(PROGRAM_KEY))


def python_of(kind: str, path: str = "") -> TrainerPython:
    """The Python of a kind as Slicer would start it; raises UsageError where a path is not a program."""
    return trainer_python(kind, path, slicer.util.startupEnvironment() if application() is not None else None)


def _steps(
    python: TrainerPython, request: WorkflowRequest | None, installation: Installation, listen: Listener
) -> Steps:
    told: dict[str, str] = {}
    if request is None or str(python.executable) not in _tried:
        told = yield from _look(python, installation, listen)
    if request is None:
        return told
    job = start_workflow(python, request, listen)
    out = yield job
    problems = folder.check_rows(out / "prepare")
    return TrainerResult(out, folder.variants(out), problems, folder.bundle_of(out), folder.report_of(out), job.log)


def _look(python: TrainerPython, installation: Installation, listen: Listener) -> Steps:
    """See whether a Python can train, and fill it where it cannot; returns the versions of what it has."""
    told: dict[str, str] = {}

    def probe() -> TrainerJob:
        def note(event: dict) -> None:
            told.update(event.get("versions", {}))
            listen(event)

        return start_probe(python, note)

    try:
        if not python.ready:
            raise RequirementError("The trainer has no Python environment yet.")
        yield probe()
    except RequirementError as error:
        if not python.installable or not installation.ask(python, str(error)):
            raise
        yield start_installation(python, installation.requirements, installation.wheels, listen)
        yield probe()
    _tried.add(str(python.executable))
    return told
