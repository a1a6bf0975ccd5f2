"""Would a filter of whole lesions take away false ones? Asked out of fold.

    python Testing/Study/lesion_filter.py DATA --models OUT/models --folds CV

OUT is the folder of `out_of_fold.py`, whose networks of each fold analyze the fold's patients again; CV is the folder
of `livertumor cross-validate` with the folds. A lesion that is found is false where less than a tenth of it is tumor.
Each patient's lesions are judged by filters (random forest, logistic regression) that learned from those of all other
patients. Printed are, for several limits of the filter's probability, the mean tumor Dice, the false lesions that are
left and the true ones that are lost; and the same for the simplest filter, a higher probability that a lesion must
reach somewhere.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from CompressionTrainerLib.data.labeled import LabeledCase, read_case_apart
from CompressionTrainerLib.evaluation.selection import select_cases
from LiverTumorLib.pipelines.segmentation import segment_case
from LiverTumorLib.records.options import RunOptions
from LiverTumorLib.records.results import TUMOR
from scipy.ndimage import distance_transform_edt, find_objects, label
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NAMES = (
    *("log ml", "highest probability", "mean probability", "90 % probability", "HU above the liver's", "SD of HU"),
    *("liver HU", "SD of liver HU", "depth mm", "mean depth mm", "share within 6 mm of the surface", "radius mm"),
    *("roundness", "highest slice probability", "mean slice probability", "slices"),
)
TRUE_SHARE, SURFACE_MM, AROUND_PX = 0.1, 6.0, 8
FILTERS = {
    "random forest": lambda: RandomForestClassifier(500, min_samples_leaf=5, class_weight="balanced", random_state=0),
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced")),
}
LIMITS = {"random forest": (0.1, 0.2, 0.3), "logistic regression": (0.05, 0.1, 0.15, 0.2)}
SURE = (0.5, 0.55, 0.6, 0.7)


def lesions_of(case: LabeledCase, options: RunOptions) -> tuple[float, list[tuple[list[float], float, float]]]:
    """How many ml of a case are tumor; and of each lesion that is found in it its features (see NAMES), its ml and how
    many of them are tumor."""
    labeled = read_case_apart(case)
    volume, truth = labeled.volume, labeled.labels == TUMOR
    output = segment_case(volume, options)
    assert output.labels is not None
    probability = output.probabilities["tumor"].astype(np.float32)
    scores = np.array([record.probability for record in output.result.slices])
    liver = output.labels > 0
    healthy = volume.array[liver & (output.labels != TUMOR)].astype(np.float32)
    voxel_mm = volume.spacing[::-1]
    found = []
    regions, _ = label(output.labels == TUMOR)
    for number, box in enumerate(find_objects(regions), start=1):
        box = tuple(slice(max(part.start - AROUND_PX, 0), part.stop + AROUND_PX) for part in box)
        own = regions[box] == number
        sure, hu = probability[box][own], volume.array[box][own].astype(np.float32)
        depth = distance_transform_edt(liver[box], sampling=voxel_mm)[own]
        radius = distance_transform_edt(np.pad(own, 1), sampling=voxel_mm).max()
        ml = own.sum() * volume.voxel_ml
        ball = (3000 * ml / (4 * np.pi)) ** (1 / 3)
        slices = scores[np.flatnonzero(own.any(axis=(1, 2))) + box[0].start]
        features = [np.log(ml), sure.max(), sure.mean(), np.percentile(sure, 90), hu.mean() - np.median(healthy)]
        features += [hu.std(), np.median(healthy), healthy.std(), depth.max(), depth.mean()]
        features += [(depth < SURFACE_MM).mean(), radius, radius / ball, slices.max(), slices.mean(), len(slices)]
        found.append((features, float(ml), float((own & truth[box]).sum() * volume.voxel_ml)))
    return float(truth.sum() * volume.voxel_ml), found


class Found:
    """What is found in all cases, and how it comes out without some of it."""

    def __init__(self) -> None:
        self.features: list[list[float]] = []
        self.patients: list[str] = []
        self._cases: list[str] = []
        self._ml: list[tuple[float, float]] = []
        self._true_ml: dict[str, float] = {}

    def add(self, case: LabeledCase, options: RunOptions) -> None:
        self._true_ml[case.id], found = lesions_of(case, options)
        for features, ml, true_ml in found:
            self.features.append(features)
            self.patients.append(case.patient)
            self._cases.append(case.id)
            self._ml.append((ml, true_ml))

    @property
    def is_true(self) -> np.ndarray:
        ml, true_ml = np.transpose(self._ml)
        return true_ml >= TRUE_SHARE * ml

    def line(self, kept: np.ndarray) -> str:
        """Mean Dice of the cases with tumor, false lesions left, true ones lost, and ml found where there is none."""
        dice, invented = [], 0.0
        for case, truth in self._true_ml.items():
            own = [
                ml for ml, name, is_kept in zip(self._ml, self._cases, kept, strict=True) if is_kept and name == case
            ]
            found, hit = np.sum(own, axis=0) if own else (0.0, 0.0)
            if truth:
                dice.append(2 * hit / (found + truth))
            else:
                invented += found
        false, lost = (kept & ~self.is_true).sum(), (~kept & self.is_true).sum()
        return f"Dice {np.mean(dice):.3f}, {false} false, {lost} true ones lost, {invented:.1f} ml without tumor"


def main() -> None:
    """Analyze, learn, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    for name in ("--models", "--folds"):
        parser.add_argument(name, type=Path, required=True)
    arguments = parser.parse_args()
    found = Found()
    for fold in sorted(arguments.models.glob("fold-*")):
        models = {f"{task}_model": str(fold / task) for task in ("liver", "tumor", "slice")}
        options = RunOptions(keep_probabilities=True, **models)
        for case in select_cases(arguments.data, arguments.folds / f"{fold.name}.json", "test").cases:
            if case.holds == "tumor":
                print(f"{fold.name}: case {case.id}", file=sys.stderr, flush=True)
                found.add(case, options)
    features, patients, is_true = np.array(found.features), np.array(found.patients), found.is_true
    print(f"{len(is_true)} lesions found, {is_true.sum()} of them true\n{'all':24}{found.line(np.ones_like(is_true))}")
    for sure in SURE:
        print(f"{f'reaches {sure}':24}{found.line(features[:, NAMES.index('highest probability')] >= sure)}")
    for name, make in FILTERS.items():
        believed = np.zeros(len(is_true))
        for patient in np.unique(patients):
            others = patients != patient
            learned = make().fit(features[others], is_true[others])
            believed[~others] = learned.predict_proba(features[~others])[:, 1]
        print(f"{name}: AUC {roc_auc_score(is_true, believed):.3f}")
        for limit in LIMITS[name]:
            print(f"{f'  from {limit}':24}{found.line(believed >= limit)}")


if __name__ == "__main__":
    main()
