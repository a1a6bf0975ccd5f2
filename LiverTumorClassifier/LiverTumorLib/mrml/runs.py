"""A run on a volume node: the work is done by a job in a child process, the nodes are made when it has ended well.

Nothing is put into the scene before that, so a run that is stopped or fails leaves the scene as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields

import numpy as np

from ..ct import CTVolume
from ..errors import UsageError
from ..jobs import start_job
from ..pipelines.options import CaseOutput, Progress, RunOptions
from .results import CaseNodes

POLL_MS = 100

_served: set[CaseRun] = set()


class CaseRun:
    """A run that has been started. In Slicer it goes on by itself; elsewhere `wait` (or `poll` again and again) finishes it.

    Args:
        task: "segment" or "classify".
        volume: the CT as it is now.
        make_nodes: makes the nodes from the results; called once, on the thread that polls or waits.
        progress: called with (stage, fraction, message).
        finished: called with this run when it is over, whether it went well or not; `result` then answers or raises.
        liver: uint8 (k, j, i) on the volume's grid, a liver that is known already (task "segment").

    Raises:
        UsageError, OutputError, WorkerError: the job cannot be started.
    """

    def __init__(
        self,
        task: str,
        volume: CTVolume,
        options: RunOptions,
        make_nodes: Callable[[CaseOutput], CaseNodes],
        progress: Progress | None = None,
        finished: Callable[[CaseRun], None] | None = None,
        liver: np.ndarray | None = None,
    ) -> None:
        self._make_nodes = make_nodes
        self._progress = progress
        self._finished = finished
        self._outcome: CaseNodes | Exception | None = None
        self._timer = None
        self.job = start_job(task, volume, options, on_event=self._on_event, liver=liver)
        logging.info("%s of %s started", task, volume.name)

    def serve(self) -> None:
        """Let Slicer's event loop finish the run. Does nothing without the application."""
        if application() is None:
            return
        import qt

        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", self.poll)
        self._timer.start()
        _served.add(self)

    def poll(self) -> bool:
        """Take in what has come, without waiting; True when the run is over and `result` has its answer."""
        if self._outcome is None:
            try:
                if not self.job.poll():
                    return False
                self._stop_serving()  # making nodes may let events through
                outcome = self._make_nodes(self.job.output())
            except Exception as error:  # also one of a progress receiver: nobody would hear of it from a timer
                self.job.cancel()
                outcome = error
            self._settle(outcome)
        return True

    def wait(self, timeout: float | None = None) -> CaseNodes:
        """Wait for the end, serving Slicer's event loop meanwhile.

        Raises the error the run ended with (Cancelled when it was stopped, from a button for instance), and TimeoutError after
        `timeout` seconds; the run goes on then.
        """
        if self._outcome is None:
            app = application()
            try:
                self.job.wait(timeout, serve=app.processEvents if app else None)
                self.poll()
            except TimeoutError:
                raise
            except Exception as error:
                self._settle(error)
        return self.result()

    def result(self) -> CaseNodes:
        """The nodes of a run that is over. Raises the error it ended with, UsageError while it still runs."""
        if self._outcome is None:
            raise UsageError("The run is not over yet; wait for it.")
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def cancel(self) -> None:
        """Stop the run: within two seconds neither a process nor a file of it is left, and no node is made."""
        self.job.cancel()

    def _on_event(self, event: dict) -> None:
        if self._progress is not None and event["event"] == "progress":
            self._progress(event["stage"], event["fraction"], event["message"])

    def _settle(self, outcome: CaseNodes | Exception) -> None:
        if self._outcome is not None:  # the timer was quicker, while the event loop was served
            return
        self._outcome = outcome
        self._stop_serving()
        if self._finished is not None:
            self._finished(self)

    def _stop_serving(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            _served.discard(self)


def application():
    """Slicer's application object; None in plain Python."""
    import slicer

    return getattr(slicer, "app", None)


def options_from(arguments: dict) -> RunOptions:
    """RunOptions from keyword arguments in Slicer's spelling: `minLesionMl=0.1` is `min_lesion_ml=0.1`.

    Raises:
        UsageError: an argument that is no option, or a value out of range.
    """
    names = {_camel(option.name): option.name for option in fields(RunOptions)}
    for argument in arguments:
        if argument not in names:
            raise UsageError(f"Unknown option {argument!r}; known are {', '.join(names)}.")
    return RunOptions(**{names[argument]: value for argument, value in arguments.items()})


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)
