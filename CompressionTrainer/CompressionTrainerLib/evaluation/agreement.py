"""How closely an int8 model follows its float twin through the whole pipeline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from LiverTumorLib.metrics import Counts
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import TUMOR


@dataclass(frozen=True)
class Agreement:
    """Of two runs on one case: Dice between their masks (NaN where both are empty) and the largest differences of
    probability.

    The maps are compared where the pipeline believes them, on the CT's grid; `slice_dp` is of the slice classifier (NaN
    without it), and so is `same_decisions`: in how many of the `slices` that it was asked about in either run both call
    tumor, or both do not. `float_liver_dice` and `float_tumor_dice` are the float twin's with the truth, NaN where that
    has none.
    """

    liver_dice: float
    tumor_dice: float
    liver_dp: float
    tumor_dp: float
    slice_dp: float
    slices: int
    same_decisions: int
    float_liver_dice: float
    float_tumor_dice: float


def segmented(output: CaseOutput) -> np.ndarray:
    """The labels that a run has given its case, (k, j, i): `segment_case` always does."""
    assert output.labels is not None
    return output.labels


def compare_runs(run: CaseOutput, twin: CaseOutput, truth: np.ndarray) -> Agreement:
    """Compare two outputs of `segment_case` with kept probabilities on one CT, and the second, the float one, with the
    truth's labels."""
    differences = [
        abs(ours.probability - theirs.probability)
        for ours, theirs in zip(run.result.slices, twin.result.slices, strict=True)
        if ours.probability is not None
        and theirs.probability is not None
        and {ours.field, theirs.field} != {"no liver"}
    ]
    labels, twin_labels = segmented(run), segmented(twin)
    differ = set(run.result.summary.suspicious_slices) ^ set(twin.result.summary.suspicious_slices)
    return Agreement(
        liver_dice=Counts.of(labels > 0, twin_labels > 0).dice,
        tumor_dice=Counts.of(labels == TUMOR, twin_labels == TUMOR).dice,
        liver_dp=_largest_difference(run, twin, "liver"),
        tumor_dp=_largest_difference(run, twin, "tumor"),
        slice_dp=max(differences, default=float("nan")),
        slices=len(differences),
        same_decisions=len(differences) - len(differ),
        float_liver_dice=_truth_dice(twin_labels > 0, truth > 0),
        float_tumor_dice=_truth_dice(twin_labels == TUMOR, truth == TUMOR),
    )


def _truth_dice(found: np.ndarray, truth: np.ndarray) -> float:
    return Counts.of(found, truth).dice if truth.any() else float("nan")


def _largest_difference(run: CaseOutput, twin: CaseOutput, name: str) -> float:
    ours, theirs = run.probabilities.get(name), twin.probabilities.get(name)
    if ours is None or theirs is None:
        return float("nan")
    return float(
        max((np.abs(a.astype(np.float32) - b).max() for a, b in zip(ours, theirs, strict=True)), default=float("nan"))
    )
