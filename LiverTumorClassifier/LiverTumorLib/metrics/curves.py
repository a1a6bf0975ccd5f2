"""Curves over slices with bands that resample patients: ROC, precision-recall, and how far probabilities can be taken
at their word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from .intervals import Interval, bootstrap, resample

GRID = np.linspace(0, 1, 201)
BAND_RESAMPLES = 500
BINS = 10

# Of one patient: probability (n,) and truth (n,) bool.
PatientSlices = tuple[np.ndarray, np.ndarray]

Value = TypeVar("Value")
# Of the slices rightly and wrongly called tumor at each threshold.
Figure = Callable[[np.ndarray, np.ndarray], Value]


@dataclass(frozen=True)
class Curve:
    """A curve y over x, its pointwise 95 % band, and the area under it: all arrays (n,); NaN where there is none."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    area: Interval


@dataclass(frozen=True)
class Reliability:
    """Of the bins of probability that hold slices, in order.

    Attributes:
        predicted: mean probability (n,).
        observed: share of slices with tumor (n,), with its interval `low` to `high`.
        count: slices (n,).
        brier: mean squared difference of probability and truth.
        error: expected calibration error, the mean of |observed - predicted| weighted by `count` (Guo et al., ICML
          2017).
    """

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray
    brier: Interval
    error: Interval


def roc_curve(patients: Sequence[PatientSlices]) -> Curve:
    """Sensitivity over 1 - specificity, and the AUC."""
    return _curve(patients, lambda found, alarms: np.interp(GRID, alarms / alarms[-1], found / found[-1]), _auc)


def auc_difference(patients: Sequence[PatientSlices], other: Sequence[PatientSlices]) -> Interval:
    """AUC of the second probabilities less that of the first, paired: both are of the same slices of the same
    patients."""
    first, second = (_by_draw(each, _auc, np.nan) for each in (patients, other))
    return bootstrap(range(len(patients)), lambda drawn: second(drawn) - first(drawn))


def precision_recall_curve(patients: Sequence[PatientSlices]) -> Curve:
    """Precision over recall, and the average precision.

    Between two points the precision is that of the higher recall, since no threshold gives what a straight line would;
    at recall 0, where nothing is called, it is that of the first step.
    """

    def precision(found: np.ndarray, alarms: np.ndarray) -> np.ndarray:
        return found[1:] / np.maximum(found[1:] + alarms[1:], 1)

    return _curve(
        patients,
        lambda found, alarms: precision(found, alarms)[
            np.searchsorted(found[1:], np.maximum(GRID, GRID[1]) * found[-1] * (1 - 1e-12))
        ],
        lambda found, alarms: np.diff(found) @ precision(found, alarms) / found[-1],
    )


def reliability(patients: Sequence[PatientSlices]) -> Reliability:
    """Compare probabilities with shares in BINS equal bins."""

    def table(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Count, sum of probabilities and slices with tumor of each bin: (3, BINS)."""
        which = np.minimum((probability * BINS).astype(int), BINS - 1)
        return np.stack([np.bincount(which, weights, BINS) for weights in (None, probability, truth)])

    def shares(drawn: Sequence[np.ndarray]) -> np.ndarray:
        count, _, found = np.sum(drawn, axis=0)
        return np.divide(found, count, out=np.full(BINS, np.nan), where=count > 0)

    def error(drawn: Sequence[np.ndarray]) -> float:
        count, predicted, found = np.sum(drawn, axis=0)
        return float(np.abs(found - predicted).sum() / count.sum())

    def brier(drawn: Sequence[tuple[float, int]]) -> float:
        return sum(total for total, _ in drawn) / sum(count for _, count in drawn)

    tables = [table(*patient) for patient in patients]
    count, predicted, _ = np.sum(tables, axis=0)
    used = count > 0
    low, high = _band(patients, np.stack([shares(drawn) for drawn in resample(tables, BAND_RESAMPLES)]))
    squares = [(float(np.sum((probability - truth) ** 2)), len(truth)) for probability, truth in patients]
    return Reliability(
        predicted[used] / count[used],
        shares(tables)[used],
        low[used],
        high[used],
        count[used].astype(int),
        bootstrap(squares, brier),
        bootstrap(tables, error),
    )


def _auc(found: np.ndarray, alarms: np.ndarray) -> float:
    return float(np.trapezoid(found, alarms) / (found[-1] * alarms[-1]))


def _curve(patients: Sequence[PatientSlices], curve: Figure[np.ndarray], area: Figure[float]) -> Curve:
    y, everyone = _by_draw(patients, curve, np.full(GRID.size, np.nan)), range(len(patients))
    low, high = _band(patients, np.stack([y(indices) for indices in resample(everyone, BAND_RESAMPLES)]))
    return Curve(GRID, y(everyone), low, high, bootstrap(everyone, _by_draw(patients, area, np.nan)))


def _by_draw(
    patients: Sequence[PatientSlices], figure: Figure[Value], undefined: Value
) -> Callable[[Sequence[int]], Value]:
    """`figure` as a function of the indices of drawn patients; `undefined` where their slices are of one class.

    A figure is made of the numbers of slices rightly and of those wrongly called tumor at each threshold, from the
    highest down. All slices are sorted once; a draw then only weighs them.
    """
    probability, truth = (np.concatenate(part) for part in zip(*patients, strict=True))
    owner = np.repeat(np.arange(len(patients)), [len(part) for part, _ in patients])
    order = np.argsort(-probability, kind="stable")
    truth, owner, probability = truth[order].astype(bool), owner[order], probability[order]
    # Slices of one probability are called together.
    steps = np.append(np.flatnonzero(np.diff(probability)), len(probability) - 1)

    def drawn(indices: Sequence[int]) -> Value:
        if not truth.size:
            return undefined
        weights = np.bincount(indices, minlength=len(patients))[owner]
        found, alarms = (np.append(0, np.cumsum(weights * part)[steps]).astype(float) for part in (truth, ~truth))
        return figure(found, alarms) if found[-1] and alarms[-1] else undefined

    return drawn


def _band(patients: Sequence, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pointwise 95 % ends over draws (draws, n); draws in which a point has no value do not count there."""
    low, high = np.full((2, values.shape[1]), np.nan)
    some = np.isfinite(values).any(axis=0)
    if len(patients) > 1 and some.any():
        low[some], high[some] = np.nanquantile(values[:, some], (0.025, 0.975), axis=0)
    return low, high
