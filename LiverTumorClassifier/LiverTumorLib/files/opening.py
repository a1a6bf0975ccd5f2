"""Which file is read just now: told to whoever can still say it after a native reader has crashed on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..atomic import printable

_listeners: list[Callable[[str], None]] = []


def announce(path: Path) -> None:
    """A file or folder is about to be read."""
    for tell in _listeners:
        tell(printable(path))


@contextmanager
def openings_told(tell: Callable[[str], None]) -> Iterator[None]:
    """Within the block `tell` hears of each path that is read."""
    _listeners.append(tell)
    try:
        yield
    finally:
        _listeners.remove(tell)
