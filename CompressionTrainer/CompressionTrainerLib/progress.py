"""How a training tells of its progress: to a person at a terminal, or to a program as the job protocol's events."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from LiverTumorLib.batch.display import Display
from LiverTumorLib.errors import Cancelled, LiverTumorError, WorkerError
from LiverTumorLib.jobs.remaining import RemainingTime
from LiverTumorLib.jobs.worker import EventChannel, watch_stdin

# Called with stage, fraction of the work, a sentence and, at the end of an epoch, its figures by name.
ProgressReport = Callable[[str, float, str, dict[str, float] | None], None]


def _epoch_line(message: str, figures: dict[str, float]) -> str:
    return f"{message}: {', '.join(f'{name} {value:.4g}' for name, value in figures.items())}"


class Console:
    """A line on stderr that tells how far the work is and how long it will take, and a line on stdout for each
    epoch."""

    def __init__(self) -> None:
        self._display = Display()
        self._remaining = RemainingTime(time.monotonic())

    def __call__(self, stage: str, fraction: float, message: str, figures: dict[str, float] | None = None) -> None:
        if figures:
            self._display.say(_epoch_line(message, figures))
        if fraction < 1:
            self._display.progress(stage, fraction, message, self._remaining.update(time.monotonic(), fraction))
        else:  # what is printed next is a result, and begins a line
            self._display.clear()

    def clear(self) -> None:
        """Take the line of progress away."""
        self._display.clear()


class Events:
    """Events of the job protocol on stdout, progress with the key "metrics" where an epoch has ended; a closed stdin
    stops the work.

    The line of each epoch goes to stderr, which is the log of who listens.
    """

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._channel = EventChannel(self._stopped)
        self._remaining = RemainingTime(time.monotonic())
        watch_stdin(self._stopped, lambda: None)

    def __call__(self, stage: str, fraction: float, message: str, figures: dict[str, float] | None = None) -> None:
        remaining = self._remaining.update(time.monotonic(), fraction)
        if figures:
            print(_epoch_line(message, figures), file=sys.stderr, flush=True)
        event = {
            "event": "progress",
            "stage": stage,
            "fraction": fraction,
            "message": message,
            "remaining_s": remaining,
        }
        self.send(event | ({"metrics": figures} if figures else {}))

    def send(self, event: dict) -> None:
        """Write one event; raises Cancelled when the work has been stopped or nobody listens anymore."""
        with contextlib.suppress(OSError):
            self._channel.send(**event)
        if self._stopped.is_set():
            raise Cancelled("The training was stopped.")


@contextlib.contextmanager
def reporting(events: bool, out: Path) -> Iterator[ProgressReport]:
    """A console's report, or for `events` one that also tells how the work in `out` ended."""
    if not events:
        console = Console()
        try:
            yield console
        finally:
            console.clear()  # what is said next begins a line
        return
    report = Events()
    try:
        yield report
        report.send({"event": "result", "folder": str(out)})
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            told: LiverTumorError = Cancelled("The training was stopped.")
        elif isinstance(error, LiverTumorError):
            told = error
        else:
            told = WorkerError(f"The training failed unexpectedly: {type(error).__name__}: {error}")
        with contextlib.suppress(Cancelled):
            report.send({"event": "error", "kind": type(told).__name__, "message": str(told)})
        raise
