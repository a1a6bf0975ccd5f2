"""The child process: `python -m LiverTumorLib.jobs.worker JOBFILE` runs one job and prints events (see `protocol`).

A closed stdin, which is also what a dead parent looks like, stops it: the next progress call raises Cancelled, and if
none comes in time the process ends itself. Where stdin is not a pipe (a terminal, a cluster's /dev/null) it is not
watched. Files of anybody's are read here, and within bounds: see `source`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..ct import CTVolume
from ..errors import Cancelled, LiverTumorError, UsageError, WorkerError
from ..records.options import CaseOutput
from .dialog import Dialog
from .protocol import JOBS_IN, MEMORY_VARIABLE, WRITING, JobRecord, read_job, save_output
from .remaining import RemainingTime
from .source import Source, find, read_source

STOP_GRACE_S = 1.5
SWITCH_S = 0.0005  # after which threads let others go on: Python's own 5 ms are longer than a network takes for a slice


class EventChannel:
    """The worker's real stdout, kept for events alone: from its making on, whatever else prints to stdout lands on
    stderr.

    Sets `stopped` when nobody listens anymore, which a dead parent's worker may see before its closed stdin.
    """

    def __init__(self, stopped: threading.Event) -> None:
        sys.stdout.flush()
        self._stream = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self._stopped = stopped
        self._lock = threading.Lock()

    def send(self, **event: object) -> None:
        """Write one event; raises OSError when nobody listens anymore."""
        with self._lock:
            try:
                self._stream.write(json.dumps(event).encode("ascii") + b"\n")
            except OSError:
                self._stopped.set()
                raise


class ProgressReporter:
    """The `Progress` that a pipeline calls: sends events with never falling fractions, and is where a stop takes
    effect."""

    def __init__(self, channel: EventChannel, stopped: threading.Event) -> None:
        self._channel = channel
        self._stopped = stopped
        self._fraction = 0.0
        self._remaining = RemainingTime(time.monotonic())

    def __call__(self, stage: str, fraction: float, message: str) -> None:
        self.check()
        self._fraction = max(self._fraction, min(1.0, float(fraction)))
        remaining = self._remaining.update(time.monotonic(), self._fraction)
        try:
            self._channel.send(
                event="progress", stage=stage, fraction=self._fraction, message=message, remaining_s=remaining
            )
        except OSError:
            raise Cancelled("The run was stopped.") from None

    def check(self) -> None:
        """Raise Cancelled when the run has been stopped."""
        if self._stopped.is_set():
            raise Cancelled("The run was stopped.")


def main(arguments: list[str]) -> int:
    """Run the job file named by the only argument, or behind `JOBS_IN` those that are told on stdin, which lie in the
    folder that the second names; returns the exit code."""
    stopped = threading.Event()
    channel = EventChannel(stopped)
    several = arguments[:1] == [JOBS_IN]
    if len(arguments) != (2 if several else 1):
        return _fail(channel, UsageError("The worker takes one argument, the path of a job file."))
    path = Path(arguments[-1]).resolve()
    folder: Path | None = path if several else None  # which goes with this process where it is stopped

    def discard() -> None:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    try:
        offer_to_be_killed()
        bound_memory()
        sys.setswitchinterval(SWITCH_S)
        dialog = Dialog(channel.send)
        if several:
            watch_stdin(stopped, discard, dialog)
            _do_what_is_told(channel, stopped, dialog)
            return 0
        job = read_job(path)
        folder = path.parent if job.temporary else None
        watch_stdin(stopped, discard, dialog)
        _do(job, channel, stopped, dialog)
        channel.send(event="result", folder=str(job.output))
        return 0
    except LiverTumorError as error:
        return _fail(channel, error)
    except KeyboardInterrupt:
        return _fail(channel, Cancelled("The run was stopped."))
    except MemoryError:
        traceback.print_exc()
        return _fail(
            channel, WorkerError("The analysis ran out of memory; close other programs, or crop the CT to the abdomen.")
        )
    except BaseException as error:
        traceback.print_exc()
        return _fail(channel, WorkerError(f"The analysis failed unexpectedly: {type(error).__name__}: {error}"))
    finally:
        if stopped.is_set():
            discard()


def _do_what_is_told(channel: EventChannel, stopped: threading.Event, dialog: Dialog) -> None:
    """One job after another; what nobody has foreseen ends the process, and the next job gets a fresh one."""
    while (path := dialog.question()) is not None:
        try:
            _do(read_job(path), channel, stopped, dialog)
        except LiverTumorError as error:
            dialog.answer(kind=type(error).__name__, message=str(error))
        else:
            dialog.answer(kind=None, message="")


def _do(job: JobRecord, channel: EventChannel, stopped: threading.Event, dialog: Dialog) -> None:
    """Read, run the task, and write or save what it gives."""
    volume = job.volume
    if isinstance(volume, Source):
        channel.send(event="progress", stage="reading", fraction=0.0, message="Reading the CT", remaining_s=None)
        threading.Thread(target=_load_ahead, args=(job.entry,), name="loading", daemon=True).start()
        volume = read_source(volume, lambda path: channel.send(event="file", path=path))
    progress = ProgressReporter(channel, stopped)
    known: dict[str, np.ndarray | Dialog] = {"liver": job.liver} if job.liver is not None else {}
    if job.dialog:
        known["dialog"] = dialog
    output = find(job.entry)(volume, job.options, progress, **known)
    if isinstance(volume, CTVolume) and isinstance(job.volume, Source) and output.volume is None:
        output.volume = volume
    progress.check()
    if job.writer is not None:
        progress(WRITING, 1.0, "Writing the results")
        find(job.writer.entry)(output, **job.writer.arguments)
        output = CaseOutput(output.result)
    save_output(output, job.output)
    progress.check()


def _load_ahead(entry: str) -> None:
    """Load what a task is going to use, if its module says what that is, while another thread reads the file."""
    with contextlib.suppress(Exception):  # whoever uses it says what is missing
        getattr(importlib.import_module(entry.partition(":")[0]), "load_ahead", lambda: None)()


def _fail(channel: EventChannel, error: LiverTumorError) -> int:
    with contextlib.suppress(OSError):  # nobody listens anymore
        channel.send(event="error", kind=type(error).__name__, message=str(error))
    return error.exit_code


def bound_memory() -> None:
    """Take no more address space than MEMORY_VARIABLE allows, where the system knows such bounds."""
    if (limit := os.environ.get(MEMORY_VARIABLE)) is None:
        return
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (int(limit), resource.getrlimit(resource.RLIMIT_AS)[1]))


def offer_to_be_killed() -> None:
    """Where memory runs out, Linux ends this process rather than the program that waits for it, Slicer with a scene
    unsaved for one."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def watch_stdin(stopped: threading.Event, discard: Callable[[], None], dialog: Dialog | None = None) -> None:
    """Hand what comes on stdin to `dialog`; set `stopped` when stdin closes, and end the process when that is not
    obeyed in time."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return
    control = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    # On Windows a thread that waits on fd 0 blocks whoever else touches it, a starting grandchild for one.
    os.dup2(null, 0)
    os.close(null)

    def watch() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(control, 4096):
                if dialog is not None:
                    dialog.hear(data)
        stopped.set()
        if dialog is not None:
            dialog.close()
        time.sleep(STOP_GRACE_S)
        discard()
        os._exit(Cancelled.exit_code)

    threading.Thread(target=watch, name="stdin watcher", daemon=True).start()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)  # all is written; to take libraries and volumes apart first takes a tenth of a second
