"""How long a run will still take, told from the fractions it has reported."""

from __future__ import annotations

MIN_ELAPSED_S = 1.0
MIN_FRACTION = 0.05
SMOOTHING = 0.3


def duration(seconds: float) -> str:
    """A time as a person says it, in s, min or h."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class RemainingTime:
    """A calm estimate: smoothed, silent until there is something to go by, and never rising (a slower run makes it
    stand still)."""

    def __init__(self, start_s: float) -> None:
        self._start = start_s
        self._estimate: float | None = None

    def update(self, now_s: float, fraction: float) -> float | None:
        """Seconds left at `now_s` (same clock as the start) with `fraction` of the work done; None while it cannot be
        told."""
        elapsed = now_s - self._start
        if fraction >= 1:
            self._estimate = 0.0
        elif elapsed >= MIN_ELAPSED_S and fraction >= MIN_FRACTION:
            linear = elapsed * (1 - fraction) / fraction
            before = linear if self._estimate is None else self._estimate
            self._estimate = min(before, before + SMOOTHING * (linear - before))
        return None if self._estimate is None else round(self._estimate, 1)
