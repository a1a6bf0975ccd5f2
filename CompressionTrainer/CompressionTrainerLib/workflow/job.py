"""The trainer's commands as jobs: child processes of a Python that is chosen, which a panel or the console listens
to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from LiverTumorLib.errors import OutputError
from LiverTumorLib.jobs.folder import new_job_folder

from ..environment.child import CommandJob
from ..environment.choice import OWN, SLICER, TrainerPython, own_folder, trainer_python
from .request import WorkflowRequest

CONFIG = "compress.toml"
Listener = Callable[[dict], None]


class TrainerJob(CommandJob):
    """A command that may have children of its own."""

    terminate_after_s, kill_after_s = 1.2, 0.6  # a workflow ends its stages before itself


def start_workflow(python: TrainerPython, request: WorkflowRequest, on_event: Listener | None = None) -> TrainerJob:
    """Run a workflow. Raises OutputError or WorkerError where it cannot be started."""

    def words(folder: Path) -> list[str]:
        (folder / CONFIG).write_text(request.config, encoding="utf-8")
        return ["LiverTumorLib.cli", *request.words(folder / CONFIG), "--events"]

    return _start(python, words, on_event)


def start_probe(python: TrainerPython, on_event: Listener | None = None) -> TrainerJob:
    """Look whether a Python can train; a progress event tells its versions. Raises WorkerError where it cannot be
    started."""
    return _start(python, lambda folder: ["CompressionTrainerLib.environment.probe"], on_event)


def start_installation(
    python: TrainerPython, requirements: Path, wheels: Path | None = None, on_event: Listener | None = None
) -> TrainerJob:
    """Install the packages of a requirements file, from the internet or a folder of wheels, into a Python that is
    `installable`."""
    words = ["CompressionTrainerLib.environment.install", str(requirements)]
    words += ["--venv", str(own_folder())] if python.kind == OWN else []
    words += ["--wheels", str(wheels)] if wheels else []
    return _start(trainer_python(SLICER), lambda folder: words, on_event)


def _start(python: TrainerPython, words: Callable[[Path], Sequence[str]], on_event: Listener | None) -> TrainerJob:
    """Start `python -m WORDS`; the words may name files that they have written into the job's folder."""
    folder = new_job_folder()
    try:
        return TrainerJob([str(python.executable), "-m", *words(folder.path)], folder, on_event, python.variables)
    except OSError as error:
        folder.remove()
        raise OutputError(
            f"The temporary folder {folder.path} cannot be written: {error.strerror or error}."
        ) from error
    except BaseException:
        folder.remove()
        raise
