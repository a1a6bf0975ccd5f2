"""95 % intervals: by bootstrap over patients for any figure, by Wilson for a plain proportion of patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Patient = TypeVar("Patient")


@dataclass(frozen=True)
class Interval:
    """A figure with its interval.

    Attributes:
        value: the figure on the whole sample.
        low, high: the ends of the interval; NaN when it cannot be given.
        method: "percentile bootstrap by patient" or "Wilson".
        skipped: resamples without a value (of one class only, say), which were left out.
        resamples: how many were drawn; 0 for Wilson.
    """

    value: float
    low: float
    high: float
    method: str
    skipped: int = 0
    resamples: int = 0


def bootstrap(
    patients: Sequence[Patient],
    figure: Callable[[list[Patient]], float],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 1,
) -> Interval:
    """Percentile interval of `figure` when whole patients are drawn with replacement.

    Slices and lesions of one patient are alike, so drawing them one by one would give intervals that are far too
    narrow.

    Args:
        patients: whatever belongs to one patient, as one item each.
        figure: takes a list of such items and returns the figure, NaN where it is not defined.
        resamples, level, seed: number of draws, coverage, and the seed that makes the interval repeatable.
    """
    value = float(figure(list(patients)))
    values = np.array([figure(drawn) for drawn in resample(patients, resamples, seed)], dtype=np.float64)
    usable = values[np.isfinite(values)]
    # One patient alone says nothing about the spread between patients.
    ends = (
        np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
        if len(patients) > 1 and usable.size
        else (np.nan, np.nan)
    )
    skipped = int(resamples - usable.size)
    return Interval(value, float(ends[0]), float(ends[1]), "percentile bootstrap by patient", skipped, resamples)


def resample(patients: Sequence[Patient], resamples: int, seed: int = 1) -> Iterator[list[Patient]]:
    """As many patients as there are, drawn with replacement, again and again; the same draws for the same seed."""
    rng = np.random.default_rng(seed)
    drawn = (
        rng.integers(len(patients), size=(resamples, len(patients)))
        if len(patients)
        else np.empty((resamples, 0), dtype=int)
    )
    for row in drawn:
        yield [patients[index] for index in row]


def wilson(successes: int, total: int, level: float = 0.95) -> Interval:
    """Wilson score interval of a proportion of independent units (patients); NaN when `total` is 0."""
    if total == 0:
        return Interval(float("nan"), float("nan"), float("nan"), "Wilson")
    from scipy.stats import binomtest

    ends = binomtest(successes, total).proportion_ci(level, method="wilson")
    return Interval(successes / total, float(ends.low), float(ends.high), "Wilson")
