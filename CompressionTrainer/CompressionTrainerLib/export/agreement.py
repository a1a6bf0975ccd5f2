"""How an int8 network answers beside its float twin, on the network's own canvas; `evaluation.agreement` is that of the
whole pipeline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from LiverTumorLib.metrics import Counts
from LiverTumorLib.models.session import Session
from LiverTumorLib.pipelines.slicewise import calibrated

from ..data.slices import CaseSlices
from ..evaluation.out_of_fold import in_liver
from .thresholds import case_score, liver_slice_logits, predictions


def agreement(int8: Session, plain: Session, cases: Sequence[CaseSlices], *, truth: bool = True) -> dict[str, float]:
    """Differences of probability, and how much of what follows from them is the same, at the threshold of the bundle of
    `int8`.

    Returns:
        "slices" that were looked at, "mean_difference" and "worst_difference" of the probability, and for a slice
        classifier the share of slices with the "same_decision"; for a segmentation "mean_dice" and "worst_dice" between
        the masks of a case, 1 where both are empty, and for `truth` "truth_dice" and "float_truth_dice", the mean over
        cases of their score against the truth (see `case_score`).
    """
    manifest = int8.bundle.manifest
    slices = same = values = 0
    total = worst = 0.0
    dice, scores = [], []
    for case in cases:  # one after the other: the maps of all would fill the memory
        ours, theirs = (_probability(session, case) for session in (int8, plain))
        if truth and manifest.task != "slice":
            asked = (case, manifest.input, manifest.task, manifest.threshold)
            scores.append([case_score(output, *asked) for output in (ours, theirs)])
        if manifest.task == "tumor":
            believed = in_liver(case)
            ours, theirs = ours * believed, theirs * believed
        difference, counts = np.abs(ours - theirs), Counts.of(ours >= manifest.threshold, theirs >= manifest.threshold)
        slices, values = slices + len(ours), values + difference.size
        total, worst = total + float(difference.sum()), max(worst, float(difference.max(initial=0)))
        same += counts.tp + counts.tn
        dice.append(counts.dice if counts.tp + counts.fp + counts.fn else 1.0)
    found = {"slices": slices, "mean_difference": total / values, "worst_difference": worst}
    if manifest.task == "slice":
        return found | {"same_decision": same / slices}
    found |= {"mean_dice": float(np.mean(dice)), "worst_dice": min(dice)}
    return found | (
        dict(zip(("truth_dice", "float_truth_dice"), map(float, np.mean(scores, axis=0)), strict=True)) if truth else {}
    )


def _probability(session: Session, case: CaseSlices) -> np.ndarray:
    """Of tumor in each slice that holds liver, (n,); or in each pixel, (k, rows, columns)."""
    if session.bundle.manifest.task == "slice":
        return calibrated(liver_slice_logits(session, case), session.bundle.manifest.calibration)
    return predictions(session, case)[0][..., 0]
