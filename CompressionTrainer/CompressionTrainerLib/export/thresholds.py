"""Operating points, chosen on validation patients only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from LiverTumorLib.ct.canvas import InputSpec, neighbor_channels
from LiverTumorLib.models.manifest import Calibration
from LiverTumorLib.models.session import Session
from LiverTumorLib.pipelines.slicewise import calibrated, slice_logits, smoothed_logits

from ..data.slices import INNER, CaseSlices
from ..evaluation.out_of_fold import FALSE_TUMOR_ML, Point, as_held_out, as_in_inference, best_point, by_patient, scores

TIE = 0.01  # Dice
CANDIDATES = np.round(np.arange(0.05, 0.91, 0.05), 2)


def predictions(session: Session, case: CaseSlices) -> list[np.ndarray]:
    """All raw outputs of the network for every slice of a case."""
    image, offset = case.image[INNER], session.bundle.manifest.input.neighbor_mm / case.slice_mm
    return session.predict_all([neighbor_channels(image, k, offset) for k in range(len(image))])


def liver_threshold(session: Session, cases: Sequence[CaseSlices]) -> tuple[float, dict[float, float]]:
    """Threshold with about the best median Dice over cases (see `nearest_to_half`), and that Dice by threshold (on the
    network's canvas).

    With the mean, one patient with a large mass beside the liver would decide. Scans without liver have no Dice and do
    not.
    """
    spec, shown = session.bundle.manifest.input, [case for case in cases if case.has_liver.any()]
    scored = [case_scores(predictions(session, case)[0][..., 0], case, spec, "liver", CANDIDATES) for case in shown]
    dice = {
        float(threshold): float(np.median(values))
        for threshold, values in zip(CANDIDATES, np.transpose(scored), strict=True)
    }
    return nearest_to_half(dice), dice


def tumor_point(session: Session, cases: Sequence[CaseSlices]) -> tuple[Point, float]:
    """Threshold and `sure` (see `Manifest`) with about the best mean score over patients, in the true liver, and that
    score."""
    spec = session.bundle.manifest.input
    answered = [as_held_out(predictions(session, case)[0][..., 0], case, spec, "tumor") for case in cases]
    plane = by_patient(answered, [scores(case) for case in answered])
    point = best_point(plane)
    return point, plane[point]


def case_scores(
    output: np.ndarray, case: CaseSlices, spec: InputSpec, task: str, thresholds: Iterable[float]
) -> list[float]:
    """Score of a case at each threshold: Dice with the truth where there is any, and without any 1 for nothing found,
    falling to 0 at FALSE_TUMOR_ML. Tumor counts in the true liver only, as inference looks for it in the predicted one.

    Args:
        output: probability (k, rows, columns) as the network gives it.
    """
    truth = (case.liver if task == "liver" else case.tumor)[INNER] >= 128
    output = as_in_inference(output, case, spec, task)
    voxel_ml = spec.spacing_mm**2 * case.slice_mm / 1000
    scored: list[float] = []
    for threshold in thresholds:
        found = output >= threshold
        if truth.any():
            scored.append(2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth)))
        else:
            scored.append(max(0.0, 1 - np.count_nonzero(found) * voxel_ml / FALSE_TUMOR_ML))
    return scored


def nearest_to_half(scores: dict[float, float]) -> float:
    """Of the thresholds that score as well as the best, within `TIE`, the one nearest 0.5.

    A few validation patients cannot tell such scores apart, and towards 0 or 1 one of the two kinds of error grows on
    others.
    """
    best = max(scores.values())
    return min(
        (threshold for threshold, score in scores.items() if score >= best - TIE),
        key=lambda threshold: abs(threshold - 0.5),
    )


def slice_calibration(session: Session, cases: Sequence[CaseSlices]) -> tuple[Calibration, float, dict[str, float]]:
    """Platt scaling and the threshold with the best balanced accuracy, over the slices that hold liver; no scaling for
    a network that finds slices without tumor more suspicious.

    Returns:
        calibration, threshold on the calibrated probability, and the validation figures.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score, roc_curve

    logits, truth = [], []
    for case in cases:
        logits.append(liver_slice_logits(session, case))
        truth.append(case.has_tumor[case.ks(case.has_liver)])
    x, y = np.concatenate(logits)[:, None], np.concatenate(truth)
    auc = float(roc_auc_score(y, x[:, 0]))
    fit = LogisticRegression(C=1e3).fit(x, y)
    calibration = Calibration(float(fit.coef_[0, 0]), float(fit.intercept_[0]))
    if calibration.slope <= 0:  # it would turn the network's answers round, and a useless network into a good one
        calibration = Calibration()
    probability = calibrated(x[:, 0], calibration)
    false_alarms, found, thresholds = roc_curve(y, probability)
    best = int(np.argmax(found[1:] - false_alarms[1:])) + 1
    threshold = float(np.clip(thresholds[best], 0.02, 0.98))
    called = int(np.count_nonzero(probability >= threshold))
    figures = {"auc": auc, "slices": len(y), "tumor_slices": int(y.sum()), "called_tumor": called}
    return calibration, threshold, figures


def liver_slice_logits(session: Session, case: CaseSlices) -> np.ndarray:
    """Logits of a case's slices that hold liver, (n,), as inference makes them before calibration."""
    ks = case.ks(case.has_liver)
    liver = case.liver[INNER][ks] / np.float32(255) if session.bundle.manifest.input.region == "liver" else None
    outputs = [output[ks] for output in predictions(session, case)]
    return smoothed_logits(slice_logits(outputs, liver), case.slice_mm)
