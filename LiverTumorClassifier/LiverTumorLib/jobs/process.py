"""Start a worker with subprocess, listen to it without blocking anybody, and stop it with all of its children."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import Cancelled, LiverTumorError, WorkerError
from ..files.held import HeldFolder
from ..records.options import CaseOutput, RunOptions
from .events import Event, JobState, crash_error
from .folder import new_job_folder
from .group import signal_group, start_group
from .protocol import Writer, load_output, worker_command, worker_environment, write_job
from .source import Source

if TYPE_CHECKING:
    import numpy as np

    from ..ct import CTVolume

# After a stop: closed stdin, then terminate, then kill. All of it fits into the two seconds that a user is promised.
TERMINATE_AFTER_S = 0.6
KILL_AFTER_S = 0.3
LOG_TAIL_BYTES = 20_000

Outcome = TypeVar("Outcome")

_running: set[ChildJob[Any]] = set()


def start_job(
    task: str,
    volume: CTVolume | Source,
    options: RunOptions,
    *,
    python: list[str] | None = None,
    environment: Mapping[str, str] | None = None,
    on_event: Callable[[Event], None] | None = None,
    entry: str | None = None,
    liver: np.ndarray | None = None,
    writer: Writer | None = None,
) -> Job:
    """Run a task ("segment", "classify", "live", "evidence" or "read") in a child process.

    Args:
        volume: the CT, or the files that the child reads; what it has read is the output's `volume`.
        python: the interpreter and its own arguments, by default the running one; it needs numpy, scipy and the
          inference runtime.
        environment: as for `Job`.
        on_event: called with each event, on the thread that polls or waits.
        entry: "module:function" instead of the task's own, see `protocol.write_job`.
        liver: uint8 (k, j, i), a liver that is known already.
        writer: writes the output in the child, of which then only the figures come back.

    Raises UsageError, OutputError (no room for the pixels in the temporary folder) or WorkerError (the child cannot be
    started).
    """
    folder = new_job_folder()
    try:
        job = write_job(folder.path, task, volume, options, entry=entry, liver=liver, writer=writer)
        return Job(worker_command(job, python), folder, on_event, environment)
    except BaseException:
        folder.remove()
        raise


def read_apart(path: str | Path) -> CTVolume:
    """`read_ct` in a child process, see `source`. Raises what it raises, and OutputError or WorkerError where there can
    be no child."""
    volume = start_job("read", Source((os.path.abspath(path), None)), RunOptions()).wait().volume
    if volume is None:
        raise WorkerError(f"The analysis process read {path} and gave nothing back; run it again.")
    return volume


class ChildJob(ABC, Generic[Outcome]):
    """A running worker. `poll` and `wait` are for one thread, the caller's; `cancel` may come from any.

    A thread of its own reads the events, loads the results and removes the job folder, whether anybody polls or not.
    What the results are, a class derived from this one says.

    Args:
        command: the command line of the child, which speaks the job protocol.
        folder: of this job alone; the child's stderr goes there.
        on_event: called with each event, on the thread that polls or waits.
        environment: the child's; by default `worker_environment`.
        log: file to which the child's stderr is appended, instead of one in the folder; it stays.
    """

    terminate_after_s, kill_after_s = TERMINATE_AFTER_S, KILL_AFTER_S
    poll_ms = 100  # how often whoever has a window asks

    def __init__(
        self,
        command: Sequence[str],
        folder: HeldFolder,
        on_event: Callable[[Event], None] | None = None,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        self._folder = folder
        self._log = log or folder.path / "worker.log"
        self._on_event = on_event
        self._state = JobState()
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._cancelled = False
        self._ended = threading.Event()
        self._outcome: Outcome | LiverTumorError | None = None
        try:
            with open(self._log, "ab") as file:
                self._log_start = file.tell()
                self._process, self._stdin, self._stdout = start_group(
                    command, file, worker_environment() if environment is None else environment
                )
        except OSError as error:
            raise WorkerError(
                f"The analysis process {command[0]} cannot be started: {error.strerror or error}."
            ) from error
        _running.add(self)
        threading.Thread(target=self._supervise, name="job events", daemon=True).start()

    @property
    def events(self) -> list[Event]:
        """Every event received so far but answers and files, oldest first."""
        return self._state.events

    @property
    def stage(self) -> str:
        """The stage of the latest progress event, "" before the first."""
        return self._state.stage

    @property
    def fraction(self) -> float:
        """How much of the run is done, 0 to 1."""
        return self._state.fraction

    @property
    def message(self) -> str:
        """The sentence of the latest progress event."""
        return self._state.message

    @property
    def remaining_s(self) -> float | None:
        """Estimated seconds left; None while it cannot be told."""
        return self._state.remaining_s

    def poll(self) -> bool:
        """Take in the events that have come, without waiting; True when the run is over and `output` has its answer."""
        # Slicer's main thread keeps the interpreter lock while idle: without this the reader would starve.
        time.sleep(0.001)
        ended = self._ended.is_set()  # asked first: events that come before the end are in the queue by then
        with contextlib.suppress(queue.Empty):
            while True:
                event = self._queue.get_nowait()
                if self._state.take(event) and self._on_event is not None:
                    self._on_event(event)
        return ended

    def output(self) -> Outcome:
        """The results of a run that is over. Raises the error it ended with, WorkerError while it still runs."""
        outcome = self._outcome if self._ended.is_set() else None
        if outcome is None:
            raise WorkerError("The run is not over yet.")
        if isinstance(outcome, LiverTumorError):
            raise outcome
        return outcome

    def wait(self, timeout: float | None = None, serve: Callable[[], object] | None = None) -> Outcome:
        """Wait for the end and return the results.

        Args:
            timeout: seconds; TimeoutError after that, and the run continues.
            serve: called again and again while waiting, to keep a window alive (Qt's processEvents).

        Raises the LiverTumorError the run ended with. Ctrl-C stops the run and raises Cancelled; any other exception
        that comes from `serve` or from the event receiver stops it too.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while not self.poll() and (deadline is None or time.monotonic() < deadline):
                if serve is not None:
                    serve()
                self._ended.wait(0.02)
        except BaseException as error:
            self.cancel()
            self._ended.wait()
            if isinstance(error, KeyboardInterrupt):
                raise Cancelled("The run was stopped.") from None
            raise
        if not self._ended.is_set():
            raise TimeoutError(f"The run is not over after {timeout} s.")
        return self.output()

    def ends_within(self, seconds: float) -> bool:
        """Wait a while for the end; True when the run is over."""
        return self._ended.wait(seconds)

    def ask(self, question: str) -> None:
        """Put a question (one line) to a task that answers them; only the newest one is sure of an answer."""
        with contextlib.suppress(OSError, ValueError):  # it has ended; `poll` tells why
            self._stdin.write(question.encode() + b"\n")
            self._stdin.flush()

    def cancel(self) -> None:
        """Stop the run; returns at once, and within two seconds neither a process nor a file of it is left."""
        if self._ask_to_stop():
            threading.Thread(target=self._enforce_stop, name="job stop", daemon=True).start()

    def _ask_to_stop(self) -> bool:
        """Whether it runs and has not been asked before."""
        with self._lock:
            if self._cancelled or self._ended.is_set():
                return False
            self._cancelled = True
        with contextlib.suppress(OSError):
            self._stdin.close()
        return True

    def _enforce_stop(self) -> None:
        if not self._ended.wait(self.terminate_after_s):
            self._signal_tree(terminate=True)
        if not self._ended.wait(self.kill_after_s):
            self._signal_tree(terminate=False)

    def _supervise(self) -> None:
        """Read events until the worker closes its stdout, then settle the outcome and remove the folder."""
        reader = JobState()
        try:
            try:
                while data := self._stdout.read1(65536):
                    for event in reader.feed(data):
                        self._queue.put(event)
            finally:
                exit_code = self._reap()
            outcome: Outcome | LiverTumorError = self._settle(reader, exit_code)
        except LiverTumorError as error:
            outcome = error
        except Exception as error:  # a lost outcome would leave the caller waiting for ever
            outcome = WorkerError(f"The analysis process could not be followed: {type(error).__name__}: {error}.")
        try:
            self._folder.remove()
        finally:
            self._outcome = outcome
            _running.discard(self)
            self._ended.set()

    def _settle(self, reader: JobState, exit_code: int) -> Outcome | LiverTumorError:
        if self._cancelled:
            return Cancelled("The run was stopped.")
        log = self._read_log()
        if reader.result_folder is not None:
            return self._results(reader.result_folder, log)
        error = reader.error or (
            crash_error(exit_code, log, reader.file) if reader.file else self._error(exit_code, log)
        )
        if isinstance(error, WorkerError) and log:
            error.add_note(f"The worker's log:\n{log}")  # for log files; what a user reads is the sentence
        return error

    @abstractmethod
    def _results(self, folder: Path, log: str) -> Outcome:
        """What `output` returns; raises LiverTumorError."""

    def _error(self, exit_code: int, log: str) -> LiverTumorError:
        """The error of a child that has told of none; `log` is the end of what it wrote to stderr."""
        return crash_error(exit_code, log)

    def _read_log(self) -> str:
        with contextlib.suppress(OSError), open(self._log, "rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            return log.read().decode("utf-8", errors="replace")
        return ""

    def _reap(self) -> int:
        """End what is left of the tree, now that the worker has nothing more to say, and collect the exit code."""
        # Killing would set the exit code there, and taskkill /T finds the tree only while its root lives.
        if os.name == "nt":
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(KILL_AFTER_S)
        self._signal_tree(terminate=False)
        with self._lock:
            exit_code = self._process.wait()
        with contextlib.suppress(OSError):
            self._stdin.close()
        self._stdout.close()
        return exit_code

    def _signal_tree(self, terminate: bool) -> None:
        """End the worker and everything it or a launcher before it started."""
        with self._lock:
            if self._process.returncode is not None:  # reaped: its number may belong to somebody else by now
                return
            signal_group(self._process, terminate)


class Job(ChildJob[CaseOutput]):
    """A worker that runs one of the tasks on a case."""

    def _results(self, folder: Path, log: str) -> CaseOutput:
        return load_output(folder)


@atexit.register
def _stop_all() -> None:
    """Leave neither a process nor a folder behind when the program ends while jobs run."""
    jobs = [job for job in list(_running) if job._ask_to_stop()]
    for job in jobs:
        job._enforce_stop()  # here, as a program that ends can start no thread
    for job in jobs:
        job._ended.wait(0.5)
