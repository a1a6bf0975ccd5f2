"""Several pieces of work at once, in one thread: each is a generator that yields the child's job that it waits for."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol, TypeVar

from ..errors import Cancelled

_Key = TypeVar("_Key")
_Result = TypeVar("_Result")
_POLL_S, _STOP_S = 0.05, 3.0


class Running(Protocol):
    """A job in a child, as `jobs.Job` and `jobs.warm.WarmJob` are."""

    def poll(self) -> bool:
        """Whether it is over; takes in its events."""

    def cancel(self) -> None:
        """Stop it."""

    def ends_within(self, seconds: float) -> bool:
        """Wait a while for its end."""

    def output(self) -> Any:
        """What came of it; raises the error it ended with."""


def at_once(
    count: int, works: Iterable[tuple[_Key, Generator[Running, None, _Result]]]
) -> Iterator[tuple[_Key, _Result | Exception]]:
    """Work through `works`, up to `count` at once, begun in their order.

    Yields:
        for each as it ends its key, and what it returned or the exception that it raised.

    Raises:
        Cancelled: one of them was; this and whatever else ends the iteration stops all that runs.
    """
    waiting = iter(works)
    running: dict[_Key, tuple[Generator[Running, None, _Result], Running]] = {}

    def advance(key: _Key, work: Generator[Running, None, _Result]) -> Iterator[tuple[_Key, _Result | Exception]]:
        running.pop(key, None)
        try:
            running[key] = work, next(work)
        except StopIteration as end:
            yield key, end.value
        except Cancelled:
            raise
        except Exception as error:
            yield key, error

    try:
        while True:
            while begun := list(islice(waiting, max(count - len(running), 0))):
                for key, work in begun:
                    yield from advance(key, work)
            if not running:
                return
            for key, (work, job) in list(running.items()):
                if job.poll():
                    yield from advance(key, work)
            for _, job in islice(running.values(), 1):
                job.ends_within(_POLL_S)
    finally:
        for _, job in running.values():
            job.cancel()
        for work, job in running.values():
            job.ends_within(_STOP_S)
            work.close()
