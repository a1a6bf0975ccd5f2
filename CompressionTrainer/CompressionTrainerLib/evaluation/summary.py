"""Figures over all cases, with 95 % intervals that resample patients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
from LiverTumorLib.metrics import (
    Counts,
    LesionDetection,
    PatientSlices,
    TruthLesion,
    bootstrap,
    roc_curve,
    size_bin,
    wilson,
)

from .case import CaseScores, Slices, Structure

T = TypeVar("T")
# Cases by patient, with their names.
Structures = list[list[tuple[str, Structure]]]

SLICE_FIGURES = ("accuracy", "precision", "sensitivity", "specificity", "negative_predictive_value", "dice", "macro_f1")


def summarize(cases: list[CaseScores], slice_threshold: float) -> dict:
    """The figures of a set of cases, as plain dictionaries; every interval is one of `Interval`'s as a dictionary.

    Args:
        cases: scored cases.
        slice_threshold: probability from which a slice counts as called tumor.
    """
    summary: dict[str, Any] = {"cases": len(cases), "patients": len({case.patient for case in cases})}
    if livers := _groups(cases, lambda case: case.liver):
        summary["liver"] = _liver(livers)
    if tumors := _groups(cases, lambda case: case.tumor):
        detections = _groups(cases, lambda case: case.lesions)
        summary |= {"tumor": _tumor(tumors, detections), "lesions": _lesions(detections)}
    if slices := _groups(cases, lambda case: case.slices):
        summary["slices_with_liver"] = _slices(slices, slice_threshold, liver_only=True)
        summary["slices_all"] = _slices(slices, slice_threshold, liver_only=False)
    if any(case.agreement is not None for case in cases):
        summary["int8_against_float"] = _agreement(cases)
    return summary


def by_size(lesions: Iterable[tuple[float, bool, bool]]) -> dict[str, dict[str, int]]:
    """How many lesions of each size there are, were found and were touched, of (ml, found, touched)."""
    bins: dict[str, dict[str, int]] = {}
    for ml, found, touched in sorted(lesions):
        counted = bins.setdefault(size_bin(ml), {"true": 0, "found": 0, "touched": 0})
        counted["true"] += 1
        counted["found"] += found
        counted["touched"] += touched
    return bins


def _groups(cases: list[CaseScores], part: Callable[[CaseScores], T | None]) -> list[list[tuple[str, T]]]:
    """A part of the cases with their names, by patient; cases of which it was not measured are left out."""
    patients: dict[str, list[tuple[str, T]]] = {}
    for case in cases:
        if (measured := part(case)) is not None:
            patients.setdefault(case.patient, []).append((case.name, measured))
    return list(patients.values())


def _liver(groups: Structures) -> dict:
    """Dice only over cases that show liver; a case without is judged by its false-positive volume."""
    shown = _with_truth(groups)
    without = _false_positive_ml(groups)
    return {
        "mean_dice": _by_patient(shown, lambda liver: liver.counts.dice, np.mean),
        "worst_dice": _least([liver.counts.dice for group in shown for _, liver in group]),
        "mean_hd95_mm": _by_patient(shown, lambda liver: liver.surface.hd95, np.mean),
        "mean_hd95_voxels_mm": _by_patient(shown, lambda liver: liver.surface.hd95_voxels, np.mean),
        "mean_efficiency": _by_patient(shown, lambda liver: liver.counts.efficiency, np.mean),
        **({"false_positive_ml_without_liver": without} if without else {}),
    }


def _with_truth(groups: Structures) -> Structures:
    """The cases, by patient, whose truth has the structure."""
    shown = [[(name, structure) for name, structure in group if structure.truth_ml > 0] for group in groups]
    return [group for group in shown if group]


def _false_positive_ml(groups: Structures) -> dict[str, float]:
    """By the names of the cases whose truth does not have the structure."""
    cases = [case for group in groups for case in group]
    return {name: structure.false_positive_ml for name, structure in cases if structure.truth_ml == 0}


def _tumor(groups: Structures, detections: list[list[tuple[str, LesionDetection]]]) -> dict:
    """Dice only over cases whose truth has tumor; a case without is judged by its false-positive volume."""
    shown = _with_truth(groups)
    count = sum(map(len, shown))
    touched = sum(detection.touched > 0 for group in detections for _, detection in group)  # none without a lesion
    return {
        "cases_with_tumor": count,
        "mean_dice": _by_patient(shown, lambda tumor: tumor.counts.dice, np.mean),
        "median_dice": _by_patient(shown, lambda tumor: tumor.counts.dice, np.median),
        "mean_hd95_mm": _by_patient(shown, lambda tumor: tumor.surface.hd95, np.mean),
        "mean_hd95_voxels_mm": _by_patient(shown, lambda tumor: tumor.surface.hd95_voxels, np.mean),
        "cases_with_tumor_touched": asdict(wilson(touched, count)),
        "false_positive_ml_without_tumor": _false_positive_ml(groups),
    }


def _lesions(groups: list[list[tuple[str, LesionDetection]]]) -> dict:
    patients = [[lesion for _, detection in group for lesion in detection.lesions] for group in groups]
    lesions = [lesion for patient in patients for lesion in patient]
    extra = [ml for group in groups for _, detection in group for ml in detection.extra_ml]

    def share_found(drawn: list[list[TruthLesion]]) -> float:
        found = [lesion.found for patient in drawn for lesion in patient]
        return float(np.mean(found)) if found else float("nan")

    return {
        "true": len(lesions),
        "found": sum(lesion.found for lesion in lesions),
        "touched": sum(lesion.touched for lesion in lesions),
        "extra": len(extra),
        "extra_ml": sum(extra),
        "min_overlap": groups[0][0][1].min_overlap,
        "share_found": asdict(bootstrap(patients, share_found)),
        "by_size": by_size((lesion.volume_ml, lesion.found, lesion.touched) for lesion in lesions),
    }


def _slices(groups: list[list[tuple[str, Slices]]], threshold: float, liver_only: bool) -> dict:
    """Pooled over the slices of the patients drawn."""
    patients: list[PatientSlices] = []
    for group in groups:
        pool = [slices.select(slices.liver) if liver_only else slices for _, slices in group]
        probability = np.concatenate([slices.probability for slices in pool])
        patients.append((probability, np.concatenate([slices.tumor for slices in pool])))
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


def _agreement(cases: list[CaseScores]) -> dict[str, float]:
    """Mean and worst Dice over cases where the masks are not both empty; the largest difference of probability
    anywhere; the share of slices with the same decision; and the float twin's own Dice with the truth, to be held
    against the int8 model's. Each only where it was looked for."""
    summary: dict[str, float] = {}
    for name in ("liver", "tumor"):
        agreements = [case.agreement for case in cases if case.agreement and getattr(case, name) is not None]
        if agreements:
            dice = [getattr(agreement, f"{name}_dice") for agreement in agreements]
            with_truth = [getattr(agreement, f"float_{name}_dice") for agreement in agreements]
            summary |= {
                f"{name}_mean_dice": _mean(dice),
                f"{name}_worst_dice": _least(dice),
                f"float_{name}_mean_dice": _mean(with_truth),
                f"largest_{name}_dp": _largest([getattr(agreement, f"{name}_dp") for agreement in agreements]),
            }
    every = [case.agreement for case in cases if case.agreement is not None]
    if slices := sum(agreement.slices for agreement in every):
        summary["slices_same_decision"] = sum(agreement.same_decisions for agreement in every) / slices
    return summary | {"largest_slice_dp": _largest([agreement.slice_dp for agreement in every])}


def _mean(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _least(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return min(finite, default=float("nan"))


def _largest(values: list[float]) -> float:
    return -_least([-value for value in values])


def _by_patient(groups: Structures, figure: Callable[[Structure], float], middle: Callable) -> dict:
    """Mean or median over cases where the figure is defined, patients resampled."""

    def over(drawn: list[list[float]]) -> float:
        finite = [value for group in drawn for value in group if np.isfinite(value)]
        return float(middle(finite)) if finite else float("nan")

    return asdict(bootstrap([[figure(structure) for _, structure in group] for group in groups], over))
