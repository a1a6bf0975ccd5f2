"""Timers of the panels' parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import qt


def single_shot(delay_ms: int, do: Callable[[], None]) -> qt.QTimer:
    """A timer that does something once, so long after it was last started."""
    import qt

    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.setInterval(delay_ms)
    timer.connect("timeout()", do)
    return timer
