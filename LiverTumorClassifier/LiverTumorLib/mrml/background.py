"""Computing beside Slicer's window, on a thread that touches no node: a step of a run, as a child process is one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..jobs.process import ChildJob

_LENT_S = 0.02  # the longest that an event waits for each turn of the thread


class Background:
    """A function on a thread of its own, which `ServedRun` asks as it asks a job.

    Args:
        compute: touches nothing of MRML or Qt; numpy and scipy let go of the interpreter in their long loops.
    """

    poll_ms = 0
    remaining_s = None

    def __init__(self, compute: Callable[[], Any]) -> None:
        self._compute = compute
        self._ended = threading.Event()
        self._outcome: Any = None
        self._error: Exception | None = None
        self._cancelled = False
        threading.Thread(target=self._work, name="LiverTumor background", daemon=True).start()

    def poll(self) -> bool:
        """Whether it is over. Lends the thread a moment: Slicer's main thread keeps the interpreter lock while idle."""
        return self._ended.wait(_LENT_S)

    def ends_within(self, seconds: float) -> bool:
        """Wait a while for the end; True when it is over."""
        return self._ended.wait(seconds)

    def output(self) -> Any:
        """What came of it when it is over. Raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._outcome

    def cancel(self) -> None:
        """Let go of what comes of it; a job that is being started here is stopped. It is over in a moment all the
        same."""
        self._cancelled = True

    def _work(self) -> None:
        try:
            self._outcome = self._compute()
            if self._cancelled and isinstance(self._outcome, ChildJob):
                self._outcome.cancel()
        except Exception as error:  # told to whoever asks for the output
            self._error = error
        finally:
            self._ended.set()
