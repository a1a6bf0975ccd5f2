"""Figures as text, the same in every table and on every page."""

from __future__ import annotations

import math


def number(value: float | None, digits: int = 3) -> str:
    """A figure with fewer digits where it is large; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}" if abs(value) < 10 else f"{value:.{min(digits, 1)}f}"


def interval(figure: dict | None, digits: int = 3) -> str:
    """An `Interval` as a dictionary: "0.900 (0.850 to 0.940)"; the ends may be missing, or null after a trip through
    JSON."""
    if figure is None:
        return "–"
    text = number(figure["value"], digits)
    if figure["low"] is None or not math.isfinite(figure["low"]):
        return text
    return f"{text} ({number(figure['low'], digits)} to {number(figure['high'], digits)})"


def one_answer(called: int, slices: int) -> str | None:
    """A sentence on a classifier that calls all slices tumor, or none of them; None for any other.

    Args:
        called: slices that it calls tumor.
        slices: all that it was shown.
    """
    if not slices or 0 < called < slices:
        return None
    return (
        f"calls {'all' if called else 'none'} of the {slices} slices tumor, so at its threshold it tells no two of "
        "them apart."
    )


def rounded(figure: dict) -> list[float | None]:
    """Value, low and high of an interval for a log, null where not defined."""
    return [round(figure[name], 4) if math.isfinite(figure[name]) else None for name in ("value", "low", "high")]
