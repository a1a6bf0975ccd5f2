"""Commands of the trainer as child processes: a fresh TensorFlow whose memory is given back, and which ends with all it
started."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from LiverTumorLib import errors
from LiverTumorLib.jobs.events import crash_error
from LiverTumorLib.jobs.folder import new_job_folder
from LiverTumorLib.jobs.process import ChildJob

from .process import child_environment

PROGRAM = (sys.executable, "-m", "LiverTumorLib.cli")
TICK_S = 0.2
_SENTENCE = "livertumor: "


class CommandJob(ChildJob[Path]):
    """A command of the trainer that tells of itself by events; `output` returns the folder it has filled, and `log`
    with what it printed."""

    log = ""

    def _results(self, folder: Path, log: str) -> Path:
        self.log = log
        return folder

    def _error(self, exit_code: int, log: str) -> errors.LiverTumorError:
        """From its last words where it has told of its end by no event, as where its arguments were wrong."""
        kinds = {kind.exit_code: kind for kind in errors.LiverTumorError.__subclasses__()} | {1: errors.LiverTumorError}
        said = [line.removeprefix(_SENTENCE) for line in log.splitlines() if line.startswith(_SENTENCE)]
        return kinds[exit_code](said[-1]) if said and exit_code in kinds else crash_error(exit_code, log)


def run_child(words: Sequence[str], log: Path, listen: Callable[[dict | None], None]) -> None:
    """Run one command to its end.

    Args:
        words: the command line after the program's name, "--events" among them.
        log: what the command prints is appended here.
        listen: called with each progress event, and at least every TICK_S seconds with None; what it raises ends the
          command.

    Raises:
        LiverTumorError: what the command ended with: its own sentence, its own exit code.
        OutputError: the log cannot be written.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"\n{datetime.now(UTC).isoformat(timespec='seconds')} {' '.join(words)}\n")
    except OSError as error:
        raise errors.OutputError(f"{log} cannot be written: {error.strerror or error}.") from error

    def hear(event: dict) -> None:
        if event["event"] == "progress":
            listen(event)

    folder = new_job_folder()
    try:
        job = CommandJob([*PROGRAM, *words], folder, hear, child_environment(), log)
    except BaseException:
        folder.remove()
        raise
    try:
        while not job.poll():
            listen(None)
            job.ends_within(TICK_S)
    except BaseException:
        job.cancel()
        while not job.ends_within(1):
            pass
        raise
    job.output()
