"""A worker that does one job after another: starting and loading libraries takes as long as half a case.

Each job is told on stdin, by the path of its job file in the worker's folder; its end comes as an answer (see
`protocol`). A reader that crashes takes its worker along; the next job then gets a new one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from ..errors import OutputError
from ..records.options import CaseOutput, RunOptions
from .events import Event, error_from_event
from .folder import new_job_folder
from .process import Job
from .protocol import Writer, load_output, warm_worker_command, write_job
from .source import Source

_CLOSES_WITHIN_S = 2.0


class WarmWorkers:
    """Workers that wait for jobs; for one thread, the one that polls."""

    def __init__(self) -> None:
        self._all: list[_Worker] = []
        self._idle: list[_Worker] = []

    def start(
        self, task: str, source: Source, options: RunOptions, on_event: Callable[[Event], None], writer: Writer
    ) -> WarmJob:
        """As `start_job`, in a worker that has done another job already, where one waits. Raises what that raises."""
        while self._idle:
            worker = self._idle.pop()
            if not worker.process.ends_within(0):
                break
        else:
            worker = _Worker()
            self._all.append(worker)
        job_file = write_job(worker.folder_of_next(), task, source, options, writer=writer)
        return WarmJob(self._idle, worker, job_file, on_event)

    def close(self) -> None:
        """End all of them, whatever they are at."""
        for worker in self._all:
            worker.process.cancel()
        for worker in self._all:
            worker.process.ends_within(_CLOSES_WITHIN_S)
        self._all, self._idle = [], []


class _Worker:
    """A process, and the job that it is at."""

    def __init__(self) -> None:
        self.job: WarmJob | None = None
        self._jobs = 0
        folder = new_job_folder()
        self._folder = folder.path
        try:
            self.process = Job(warm_worker_command(self._folder), folder, self._hear)
        except BaseException:
            folder.remove()
            raise

    def folder_of_next(self) -> Path:
        """A folder for the next job. Raises OutputError where none can be made."""
        self._jobs += 1
        folder = self._folder / str(self._jobs)
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            why = error.strerror or error
            raise OutputError(f"No temporary folder can be made for the run: {why}; free some space there.") from error
        return folder

    def _hear(self, event: Event) -> None:
        if self.job is not None:
            self.job.hear(event)


class WarmJob:
    """A job in a warm worker; its methods do what those of `Job` do."""

    def __init__(self, idle: list[_Worker], worker: _Worker, job_file: Path, on_event: Callable[[Event], None]) -> None:
        self._idle, self._worker, self._folder, self._on_event = idle, worker, job_file.parent, on_event
        self._answer: Event | None = None
        worker.job = self
        worker.process.ask(str(job_file))

    def hear(self, event: Event) -> None:
        """Take an event of the worker."""
        if event["event"] == "answer":
            self._answer = event
        else:
            self._on_event(event)

    def poll(self) -> bool:
        """As of `Job`."""
        ended = self._worker.process.poll()
        return ended or self._answer is not None

    def output(self) -> CaseOutput:
        """As of `Job`; to be called once, and leaves the worker to the next job."""
        if self._answer is None:
            return self._worker.process.output()
        try:
            if self._answer["kind"] is not None:
                raise error_from_event(self._answer)
            return load_output(self._folder / "output")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._worker.job = None
            self._idle.append(self._worker)

    def ends_within(self, seconds: float) -> bool:
        """As of `Job`, but where another job could follow it may say so late."""
        return self._answer is not None or self._worker.process.ends_within(seconds)

    def cancel(self) -> None:
        """As of `Job`; it ends the worker."""
        self._worker.process.cancel()
