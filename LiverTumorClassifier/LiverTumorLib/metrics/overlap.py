"""Counts of agreement between a prediction and the truth, over voxels or over slices, and the figures made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Counts:
    """True and false positives and negatives. Every figure is NaN where its denominator is 0.

    Attributes:
        tp, fp, fn, tn: numbers of voxels (or slices).
    """

    tp: int
    fp: int
    fn: int
    tn: int

    @classmethod
    def of(cls, prediction: np.ndarray, truth: np.ndarray) -> Counts:
        """Compare two masks (bool, or numbers that count as true where not 0) of one shape; raises ValueError
        otherwise."""
        prediction, truth = np.asarray(prediction, dtype=bool), np.asarray(truth, dtype=bool)
        if prediction.shape != truth.shape:
            raise ValueError(
                f"a prediction of shape {prediction.shape} cannot be compared with a truth of shape {truth.shape}"
            )
        tp = int(np.count_nonzero(prediction & truth))
        positive, true = int(np.count_nonzero(prediction)), int(np.count_nonzero(truth))
        return cls(tp, positive - tp, true - tp, prediction.size - positive - true + tp)

    def __add__(self, other: Counts) -> Counts:
        """The counts of two sets of voxels or slices together."""
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def total(self) -> int:
        """How many voxels or slices were compared."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def dice(self) -> float:
        """2 |A and B| / (|A| + |B|); NaN when both are empty. Over slices this is the F1 score."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def sensitivity(self) -> float:
        """Share of the truth that was found (recall)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float:
        """Share of what is not in the truth that was left alone."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def precision(self) -> float:
        """Share of the prediction that is right."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def accuracy(self) -> float:
        """Share of all voxels (or slices) that are right; over voxels the background dominates it."""
        return _ratio(self.tp + self.tn, self.total)

    @property
    def negative_predictive_value(self) -> float:
        """Share of what was left alone that is not in the truth: the precision of the other class, whose recall is the
        specificity."""
        return _ratio(self.tn, self.tn + self.fn)

    @property
    def macro_f1(self) -> float:
        """Mean of the F1 scores of both classes, each counting the same however rare it is."""
        return (self.dice + _ratio(2 * self.tn, 2 * self.tn + self.fp + self.fn)) / 2

    @property
    def efficiency(self) -> float:
        """The two papers' "efficiency": the mean of sensitivity, specificity and accuracy. Dominated by the
        background."""
        return (self.sensitivity + self.specificity + self.accuracy) / 3

    @property
    def voe(self) -> float:
        """Volumetric overlap error, 1 - |A and B| / |A or B|: 0 is perfect."""
        return 1 - _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def rvd(self) -> float:
        """Relative volume difference (predicted - true) / true: signed, 0 is perfect."""
        return _ratio(self.fp - self.fn, self.tp + self.fn)


def _ratio(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else float("nan")
