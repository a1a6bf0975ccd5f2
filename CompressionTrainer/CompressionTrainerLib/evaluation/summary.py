"""Figures over all cases, with 95 % intervals that resample patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
from LiverTumorLib.metrics import Counts, PatientSlices, bootstrap, roc_curve, size_bin, wilson

from .case import CaseScores

SLICE_FIGURES = ("accuracy", "precision", "sensitivity", "specificity", "negative_predictive_value", "dice", "macro_f1")


def summarize(cases: list[CaseScores], slice_threshold: float) -> dict:
    """The figures of a set of cases, as plain dictionaries; every interval is one of `Interval`'s as a dictionary.

    Args:
        cases: scored cases.
        slice_threshold: probability from which a slice counts as called tumor.
    """
    patients: dict[str, list[CaseScores]] = {}
    for case in cases:
        patients.setdefault(case.patient, []).append(case)
    groups = list(patients.values())
    summary = {"cases": len(cases), "patients": len(groups)}
    if with_liver := _having(groups, "liver"):
        summary["liver"] = _liver(with_liver)
    if with_tumor := _having(groups, "tumor"):
        summary |= {"tumor": _tumor(with_tumor), "lesions": _lesions(with_tumor)}
    if with_slices := _having(groups, "slices"):
        summary["slices_with_liver"] = _slices(with_slices, slice_threshold, liver_only=True)
        summary["slices_all"] = _slices(with_slices, slice_threshold, liver_only=False)
    if compared := [case for case in cases if case.agreement is not None]:
        summary["int8_against_float"] = _agreement(compared)
    return summary


def _having(groups: list[list[CaseScores]], part: str) -> list[list[CaseScores]]:
    """The cases, by patient, of which a part was measured."""
    having = [[case for case in group if getattr(case, part) is not None] for group in groups]
    return [group for group in having if group]


def _liver(groups: list[list[CaseScores]]) -> dict:
    """Dice only over cases that show liver; a case without is judged by its false-positive volume."""
    cases = [case for group in groups for case in group]
    own = _with_truth(groups, "liver")
    without = {case.name: case.liver.false_positive_ml for case in cases if case.liver.truth_ml == 0}
    return {
        "mean_dice": _by_patient(own, lambda case: case.liver.counts.dice, np.mean),
        "worst_dice": _least([case.liver.counts.dice for group in own for case in group]),
        "mean_hd95_mm": _by_patient(own, lambda case: case.liver.surface.hd95, np.mean),
        "mean_hd95_voxels_mm": _by_patient(own, lambda case: case.liver.surface.hd95_voxels, np.mean),
        "mean_efficiency": _by_patient(own, lambda case: case.liver.counts.efficiency, np.mean),
        **({"false_positive_ml_without_liver": without} if without else {}),
    }


def _with_truth(groups: list[list[CaseScores]], name: str) -> list[list[CaseScores]]:
    """The cases, by patient, whose truth has the structure."""
    own = [[case for case in group if getattr(case, name).truth_ml > 0] for group in groups]
    return [group for group in own if group]


def _tumor(groups: list[list[CaseScores]]) -> dict:
    """Dice only over cases whose truth has tumor; a case without is judged by its false-positive volume."""
    cases = [case for group in groups for case in group]
    with_tumor = [case for case in cases if case.tumor.truth_ml > 0]
    flagged = sum(case.lesions.touched > 0 for case in with_tumor)
    own = _with_truth(groups, "tumor")
    return {
        "cases_with_tumor": len(with_tumor),
        "mean_dice": _by_patient(own, lambda case: case.tumor.counts.dice, np.mean),
        "median_dice": _by_patient(own, lambda case: case.tumor.counts.dice, np.median),
        "mean_hd95_mm": _by_patient(own, lambda case: case.tumor.surface.hd95, np.mean),
        "mean_hd95_voxels_mm": _by_patient(own, lambda case: case.tumor.surface.hd95_voxels, np.mean),
        "cases_with_tumor_touched": asdict(wilson(flagged, len(with_tumor))),
        "false_positive_ml_without_tumor": {
            case.name: case.tumor.false_positive_ml for case in cases if case.tumor.truth_ml == 0
        },
    }


def _lesions(groups: list[list[CaseScores]]) -> dict:
    lesions = [lesion for group in groups for case in group for lesion in case.lesions.lesions]
    bins: dict[str, dict[str, int]] = {}
    for lesion in sorted(lesions, key=lambda lesion: lesion.volume_ml):
        counted = bins.setdefault(size_bin(lesion.volume_ml), {"true": 0, "found": 0, "touched": 0})
        counted["true"] += 1
        counted["found"] += lesion.found
        counted["touched"] += lesion.touched

    def share_found(drawn: list[list[CaseScores]]) -> float:
        found = [lesion.found for group in drawn for case in group for lesion in case.lesions.lesions]
        return float(np.mean(found)) if found else float("nan")

    extra = [ml for group in groups for case in group for ml in case.lesions.extra_ml]
    return {
        "true": len(lesions),
        "found": sum(lesion.found for lesion in lesions),
        "touched": sum(lesion.touched for lesion in lesions),
        "extra": len(extra),
        "extra_ml": sum(extra),
        "min_overlap": groups[0][0].lesions.min_overlap,
        "share_found": asdict(bootstrap(groups, share_found)),
        "by_size": bins,
    }


def _slices(groups: list[list[CaseScores]], threshold: float, liver_only: bool) -> dict:
    """Pooled over the slices of the patients drawn."""
    pools = [
        [case.slices.select(case.slices.liver) if liver_only else case.slices for case in group] for group in groups
    ]
    patients = [
        tuple(np.concatenate([getattr(s, name) for s in group]) for name in ("probability", "tumor")) for group in pools
    ]
    return slice_figures(patients, threshold)


def slice_figures(patients: Sequence[PatientSlices], threshold: float) -> dict:
    """Counts at a threshold and the figures made of them, and the AUC, with intervals as dictionaries."""
    counts = [Counts.of(probability >= threshold, truth) for probability, truth in patients]

    def figure(name: str) -> Callable[[list], float]:
        return lambda drawn: getattr(sum(drawn, Counts(0, 0, 0, 0)), name)

    total = sum(counts, Counts(0, 0, 0, 0))
    intervals = {name: asdict(bootstrap(counts, figure(name))) for name in SLICE_FIGURES}
    auc = asdict(roc_curve(patients).area)
    return {"slices": total.total, "threshold": threshold, "confusion": asdict(total), "auc": auc, **intervals}


def _agreement(cases: list[CaseScores]) -> dict:
    """Mean and worst Dice over cases where the masks are not both empty; the largest difference of probability
    anywhere; the share of slices with the same decision; and the float twin's own Dice with the truth, to be held
    against the int8 model's. Each only where it was looked for."""
    summary = {}
    for name in ("liver", "tumor"):
        agreements = [case.agreement for case in cases if getattr(case, name) is not None]
        if agreements:
            dice, with_truth = (
                [getattr(agreement, f"{kind}{name}_dice") for agreement in agreements] for kind in ("", "float_")
            )
            summary |= {
                f"{name}_mean_dice": _mean(dice),
                f"{name}_worst_dice": _least(dice),
                f"float_{name}_mean_dice": _mean(with_truth),
            }
            summary[f"largest_{name}_dp"] = _largest([getattr(agreement, f"{name}_dp") for agreement in agreements])
    if slices := sum(case.agreement.slices for case in cases):
        summary["slices_same_decision"] = sum(case.agreement.same_decisions for case in cases) / slices
    return summary | {"largest_slice_dp": _largest([case.agreement.slice_dp for case in cases])}


def _mean(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _least(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return min(finite, default=float("nan"))


def _largest(values: list[float]) -> float:
    return -_least([-value for value in values])


def _by_patient(groups: list[list[CaseScores]], figure: Callable[[CaseScores], float], middle: Callable) -> dict:
    """Mean or median over cases where the figure is defined, patients resampled."""

    def over(drawn: list[list[float]]) -> float:
        finite = [value for group in drawn for value in group if np.isfinite(value)]
        return float(middle(finite)) if finite else float("nan")

    return asdict(bootstrap([[figure(case) for case in group] for group in groups], over))
