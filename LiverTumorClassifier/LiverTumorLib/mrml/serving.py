"""A run of child processes, and of computing beside the window, that Slicer's event loop finishes, or whoever waits for
it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from ..errors import Cancelled, UsageError
from ..jobs.process import ChildJob
from .background import Background
from .translation import _

if TYPE_CHECKING:
    import qt

_WAIT_S = 0.02

_served: set[ServedRun] = set()

# Yields the jobs of a run one after the other, and functions that are computed in the background; each yield returns
# the output, or raises the error it ended with. What stands between is done on the window's thread, and so is short.
Steps = Generator[ChildJob[Any] | Callable[[], Any], Any, Any]
Computation = Generator[Callable[[], Any], Any, Any]  # steps without a job


class ServedRun:
    """A run that has been started. In Slicer it continues by itself; elsewhere `wait` (or `poll` again and again)
    finishes it.

    Args:
        steps: what is to be done, on the thread that polls or waits; what it returns is the result. Its first job is
          started here.
        finished: called with this run when it is over, whether it went well or not; `result` then returns or raises.

    Raises:
        LiverTumorError: the first job cannot be started.
    """

    def __init__(self, steps: Steps, finished: Callable[[Any], None] | None = None) -> None:
        self._steps = steps
        self._finished = finished
        self._over = self._stopped = False
        self._outcome: Any = None
        self._timer: qt.QTimer | None = None
        self.job: ChildJob[Any] | Background
        try:
            self.job = _begun(next(steps))
        except StopIteration as end:  # there is nothing to do
            self._settle(end.value)

    @property
    def remaining_s(self) -> float | None:
        """Estimated seconds left; None while it cannot be told."""
        return None if self._over else self.job.remaining_s

    def serve(self) -> None:
        """Let Slicer's event loop finish the run. Does nothing without the application."""
        if self._over or application() is None:
            return
        if self._timer is None:
            import qt

            timer = self._timer = qt.QTimer()
            timer.connect("timeout()", self.poll)
        self._timer.setInterval(self.job.poll_ms)
        self._timer.start()
        _served.add(self)

    def poll(self) -> bool:
        """Take in what has come, without waiting; True when the run is over and `result` has its answer."""
        if self._over:
            return True
        served = self in _served
        try:
            if not self.job.poll():
                return False
            self._stop_serving()  # what comes next, making nodes for one, may let events through
            self.job = _begun(self._next_step())
        except StopIteration as end:
            self._settle(end.value)
        except Exception as error:  # also one of a progress receiver: nobody would hear of it from a timer
            self.job.cancel()
            self._settle(error)
        else:
            if self._stopped:  # while there was no job
                self.job.cancel()
            if served:
                self.serve()
        return self._over

    def wait(self, timeout: float | None = None):
        """Wait for the end, serving Slicer's event loop meanwhile; returns the result.

        Raises the error the run ended with (Cancelled when it was stopped, from a button for instance), and
        TimeoutError after `timeout` seconds; the run continues then. Ctrl-C stops it.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        app = application()
        try:
            while not self.poll() and (deadline is None or time.monotonic() < deadline):
                if app is not None:
                    app.processEvents()
                self.job.ends_within(_WAIT_S)
        except KeyboardInterrupt:
            self.cancel()
            self._settle(Cancelled(_("The run was stopped.")))
        if not self._over:
            raise TimeoutError(_("The run is not over after {timeout} s.").format(timeout=timeout))
        return self.result()

    def result(self):
        """What came of a run that is over. Raises the error it ended with, UsageError while it still runs."""
        if not self._over:
            raise UsageError(_("The run is not over yet; wait for it."))
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def cancel(self) -> None:
        """Stop the run: within two seconds neither a process nor a temporary file of it is left."""
        self._stopped = True
        if not self._over:
            self.job.cancel()

    def _next_step(self) -> ChildJob[Any] | Callable[[], Any]:
        try:
            output = self.job.output()
            # A job that was started there is not lost: it is stopped as the next step.
            if self._stopped and isinstance(self.job, Background) and not isinstance(output, ChildJob):
                raise Cancelled(_("The run was stopped."))
        except Exception as error:
            return self._steps.throw(error)
        return self._steps.send(output)

    def _settle(self, outcome: Any) -> None:
        if self._over:  # the timer was quicker, while the event loop was served
            return
        self._over, self._outcome = True, outcome
        self._stop_serving()
        if self._timer is not None:
            # The connection would keep the run, and all that its job has handed over, until Slicer ends.
            self._timer.disconnect("timeout()", self.poll)
            self._timer = None
        if self._finished is not None:
            self._finished(self)

    def _stop_serving(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            _served.discard(self)


def at_once(computation: Computation) -> Any:
    """Take steps here and now, for scripts and where no window waits; returns their result."""
    try:
        compute = next(computation)
        while True:
            try:
                output = compute()
            except Exception as error:
                compute = computation.throw(error)
            else:
                compute = computation.send(output)
    except StopIteration as end:
        return end.value


def _begun(step: ChildJob[Any] | Callable[[], Any]) -> ChildJob[Any] | Background:
    return Background(step) if callable(step) else step


def application():
    """Slicer's application object; None in plain Python."""
    import slicer

    return getattr(slicer, "app", None)
