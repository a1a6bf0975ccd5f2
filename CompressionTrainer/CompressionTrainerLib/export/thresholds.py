"""Operating points, chosen on validation patients only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from LiverTumorLib.ct.canvas import InputSpec, neighbor_channels
from LiverTumorLib.models.manifest import Calibration
from LiverTumorLib.models.session import Session
from LiverTumorLib.pipelines.slicewise import calibrated

from ..data.slices import INNER, CaseSlices
from ..evaluation.out_of_fold import FALSE_TUMOR_ML, Point, as_held_out, as_in_inference, best_point, by_patient, scores
from ..evaluation.out_of_fold_slices import choose_calibration, liver_logits

TIE = 0.01  # Dice


def predictions(session: Session, case: CaseSlices) -> list[np.ndarray]:
    """All raw outputs of the network for every slice of a case."""
    image, offset = case.image[INNER], session.bundle.manifest.input.neighbor_mm / case.slice_mm
    return session.predict_all([neighbor_channels(image, k, offset) for k in range(len(image))])


def liver_threshold(session: Session, cases: Sequence[CaseSlices]) -> tuple[float, dict[float, float]]:
    """Threshold with about the best median Dice over cases (see `nearest_to_half`), and that Dice by threshold, of the
    largest region (on the network's canvas).

    With the mean, one patient with a large mass beside the liver would decide. Scans without liver have no Dice and do
    not.
    """
    spec, shown = session.bundle.manifest.input, [case for case in cases if case.has_liver.any()]
    scored = [scores(as_held_out(predictions(session, case)[0][..., 0], case, spec, "liver")) for case in shown]
    dice = {point.threshold: float(np.median([table[point] for table in scored])) for point in scored[0]}
    return nearest_to_half(dice), dice


def tumor_point(session: Session, cases: Sequence[CaseSlices]) -> tuple[Point, float]:
    """Threshold and `sure` (see `Manifest`) with about the best mean score over patients, in the true liver, and that
    score."""
    spec = session.bundle.manifest.input
    answered = [as_held_out(predictions(session, case)[0][..., 0], case, spec, "tumor") for case in cases]
    plane = by_patient(answered, [scores(case) for case in answered])
    point = best_point(plane)
    return point, plane[point]


def case_score(output: np.ndarray, case: CaseSlices, spec: InputSpec, task: str, threshold: float) -> float:
    """Score of a case at a threshold: Dice with the truth where there is any, and without any 1 for nothing found,
    falling to 0 at FALSE_TUMOR_ML. Tumor counts in the true liver only, as inference looks for it in the predicted one.

    Args:
        output: probability (k, rows, columns) as the network gives it.
    """
    truth = (case.liver if task == "liver" else case.tumor)[INNER] >= 128
    found = as_in_inference(output, case, spec, task) >= threshold
    if truth.any():
        return 2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth))
    return max(0.0, 1 - np.count_nonzero(found) * spec.spacing_mm**2 * case.slice_mm / 1000 / FALSE_TUMOR_ML)


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
    """Calibration and threshold of a slice classifier, over the slices that hold liver; see `choose_calibration`.

    Returns:
        calibration, threshold on the calibrated probability, and the validation figures.
    """
    from sklearn.metrics import roc_auc_score

    logits = np.concatenate([liver_slice_logits(session, case) for case in cases])
    tumor = np.concatenate([case.has_tumor[case.ks(case.has_liver)] for case in cases])
    calibration, threshold = choose_calibration(logits, tumor)
    called = int(np.count_nonzero(calibrated(logits, calibration) >= threshold))
    auc = float(roc_auc_score(tumor, logits))
    figures = {"auc": auc, "slices": len(tumor), "tumor_slices": int(tumor.sum()), "called_tumor": called}
    return calibration, threshold, figures


def liver_slice_logits(session: Session, case: CaseSlices) -> np.ndarray:
    """See `liver_logits`."""
    return liver_logits(predictions(session, case), case, session.bundle.manifest.input)
