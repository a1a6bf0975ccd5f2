"""A worker that answers questions: single lines on its stdin, answers among its events.

Only the newest question counts: who asks has gone on from the older ones.
"""

from __future__ import annotations

import queue
from collections.abc import Callable


class Dialog:
    """The worker's side. `hear` and `close` are for the thread that reads stdin, the rest is for the task.

    Args:
        send: sends an event.
    """

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send
        self._questions: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._rest = b""

    def hear(self, data: bytes) -> None:
        """Take bytes from stdin, in any portions."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._questions.put(line.decode("utf-8", errors="replace"))

    def close(self) -> None:
        """Nobody will ask anymore."""
        self._questions.put(None)

    def question(self) -> str | None:
        """Wait for a question and return the newest one; None when nobody will ask anymore."""
        newest = self._questions.get()
        while newest is not None and not self._questions.empty():
            newest = self._questions.get()
        return newest

    def answer(self, **fields: object) -> None:
        """Send an answer. Raises OSError when nobody listens anymore."""
        self._send(event="answer", **fields)
