"""Slice classification: counts at a threshold, and the AUC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import RequirementError
from .overlap import Counts


@dataclass(frozen=True)
class SliceScores:
    """Figures over a set of slices.

    Attributes:
        counts: the confusion matrix at the threshold; its accuracy, precision, sensitivity (recall), specificity and dice (F1).
        auc: area under the ROC curve; NaN when the slices are all of one class.
    """

    counts: Counts
    auc: float


def score_slices(probability: np.ndarray, truth: np.ndarray, threshold: float) -> SliceScores:
    """Compare probabilities (n,) with truth (n,) bool; a slice is called tumor at `threshold` or above.

    Raises RequirementError without scikit-learn.
    """
    probability, truth = np.asarray(probability, dtype=np.float64), np.asarray(truth, dtype=bool)
    counts = Counts.of(probability >= threshold, truth)
    if truth.all() or not truth.any():
        return SliceScores(counts, float("nan"))
    try:
        from sklearn.metrics import roc_auc_score
    except ImportError as error:
        raise RequirementError("The AUC needs the package scikit-learn: pip install scikit-learn.") from error
    return SliceScores(counts, float(roc_auc_score(truth, probability)))
