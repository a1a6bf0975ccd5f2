"""What a slice classifier answers about patients that it was not trained on, and the calibration and threshold that
suit all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.metrics import PatientSlices
from LiverTumorLib.models.manifest import Calibration
from LiverTumorLib.pipelines.slicewise import calibrated, slice_logits, smoothed_logits

from ..data.slices import INNER, CaseSlices
from .out_of_fold import keras_outputs


@dataclass(frozen=True)
class HeldOutSlices:
    """The slices of a case that hold liver, with the answers of a network that has not seen its patient.

    Attributes:
        case, patient: ids.
        logits: float32 (n,), as inference makes them before calibration; see `liver_logits`.
        tumor: bool (n,), whether a slice holds tumor.
    """

    case: str
    patient: str
    logits: np.ndarray
    tumor: np.ndarray


def held_out_slices(model, case: CaseSlices, spec: InputSpec) -> np.ndarray:
    """Ask a Keras slice classifier about every slice of a case that holds liver; the logits of `HeldOutSlices`."""
    return liver_logits(keras_outputs(model, case, spec), case, spec)


def with_tumor(logits: np.ndarray, case: CaseSlices) -> HeldOutSlices:
    """Kept logits beside the truth of their case."""
    return HeldOutSlices(case.case, case.patient, logits, case.has_tumor[case.ks(case.has_liver)])


def liver_logits(outputs: Sequence[np.ndarray], case: CaseSlices, spec: InputSpec) -> np.ndarray:
    """Logits of a case's slices that hold liver, (n,), as inference makes them before calibration.

    Args:
        outputs: all raw outputs of the network for every slice of the case.
    """
    ks = case.ks(case.has_liver)
    liver = case.liver[INNER][ks] / np.float32(255) if spec.region == "liver" else None
    return smoothed_logits(slice_logits([output[ks] for output in outputs], liver), case.slice_mm)


def choose_calibration(logits: np.ndarray, tumor: np.ndarray) -> tuple[Calibration, float]:
    """Platt scaling, and the threshold on the calibrated probability with the best balanced accuracy (Youden's index).

    No scaling for a network that finds slices without tumor more suspicious: it would turn the network's answers round,
    and a useless network into a good one.

    Args:
        logits, tumor: (n,), of slices with and without tumor.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_curve

    fit = LogisticRegression(C=1e3).fit(logits[:, None], tumor)
    calibration = Calibration(float(fit.coef_[0, 0]), float(fit.intercept_[0]))
    if calibration.slope <= 0:
        calibration = Calibration()
    false_alarms, found, thresholds = roc_curve(tumor, calibrated(logits, calibration))
    best = int(np.argmax(found[1:] - false_alarms[1:])) + 1
    return calibration, float(np.clip(thresholds[best], 0.02, 0.98))


def summarize_slices(held: Sequence[HeldOutSlices]) -> dict:
    """Calibration and threshold chosen on all cases, and the figures there, with intervals that resample patients."""
    from .summary import slice_figures

    calibration, threshold = choose_calibration(*_joined(held))
    patients: dict[str, list[HeldOutSlices]] = {}
    for case in held:
        patients.setdefault(case.patient, []).append(case)
    pools: list[PatientSlices] = [
        (calibrated(logits, calibration), tumor) for logits, tumor in map(_joined, patients.values())
    ]
    figures = {"patients": len(patients), "cases": len(held), **slice_figures(pools, threshold)}
    return {"held_out": [case.case for case in held], "calibration": asdict(calibration), "slices": figures}


def case_row(case: HeldOutSlices, calibration: Calibration, threshold: float) -> dict:
    """How one case comes out at a threshold; the AUC is None where all slices are alike."""
    from sklearn.metrics import roc_auc_score

    called = calibrated(case.logits, calibration) >= threshold
    both_kinds = case.tumor.any() and not case.tumor.all()
    return {
        "case": case.case,
        "patient": case.patient,
        "slices": len(case.tumor),
        "tumor_slices": int(case.tumor.sum()),
        "found": int((called & case.tumor).sum()),
        "false_alarms": int((called & ~case.tumor).sum()),
        "auc": float(roc_auc_score(case.tumor, case.logits)) if both_kinds else None,
    }


def _joined(cases: Sequence[HeldOutSlices]) -> tuple[np.ndarray, np.ndarray]:
    """Logits and truth of the slices of several cases."""
    return np.concatenate([case.logits for case in cases]), np.concatenate([case.tumor for case in cases])
