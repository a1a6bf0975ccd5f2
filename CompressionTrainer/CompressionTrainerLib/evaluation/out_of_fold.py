"""What a network answers about patients that it was not trained on, and the operating point that suits all of them.

For tumor, chosen together are the threshold from which a pixel belongs to a lesion and a higher one, `sure`, that a
lesion must reach somewhere (hysteresis; Canny, PAMI 1986, for edges): a low threshold draws the whole lesion, and
`sure` keeps faint false ones away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from LiverTumorLib.ct.canvas import InputSpec, neighbor_channels
from LiverTumorLib.metrics.lesions import detect_lesions
from LiverTumorLib.pipelines import liver, tumor
from LiverTumorLib.pipelines.slicemaps import smoothed
from LiverTumorLib.records.options import RunOptions
from scipy.ndimage import label
from scipy.ndimage import maximum as largest

from ..data.slices import INNER, CaseSlices
from ..networks.config import PREDICT_BATCH

SUMMARY = "cross-validation.json"  # in the folder of a cross-validation
POINTS = ("chosen", "one_threshold", "half")  # the operating points in it
THRESHOLDS = np.round(np.arange(0.05, 0.951, 0.05), 2)
# Without tumor there is no Dice; a threshold that invents this much tumor (ml) in such a patient costs as much as
# missing one.
FALSE_TUMOR_ML = 5.0
SMALLEST_ML = RunOptions.min_lesion_ml  # what the pipeline drops by default


@dataclass(frozen=True)
class HeldOut:
    """A case with the answer of a network that has not seen its patient.

    Attributes:
        case, patient: ids.
        task: "liver" or "tumor".
        probability: uint8 (k, rows, columns), 255 is 1, smoothed as in inference; for tumor 0 outside the true liver.
        truth: bool of that shape.
        voxel_ml, pixel_mm2: volume of a voxel and area of a pixel of the canvas.
    """

    case: str
    patient: str
    task: str
    probability: np.ndarray
    truth: np.ndarray
    voxel_ml: float
    pixel_mm2: float


@dataclass(frozen=True)
class Point:
    """A threshold and, above it or equal, what a connected region must reach somewhere."""

    threshold: float
    sure: float


@dataclass
class CaseAtPoint:
    """How one case comes out at an operating point, volumes in ml; Dice is None where the truth is empty."""

    case: str
    patient: str
    dice: float | None
    true_ml: float
    predicted_ml: float
    false_ml: float
    lesions: list[tuple[float, bool, bool]] = field(default_factory=list)  # ml, found, touched
    extra: int = 0


def held_out(model, case: CaseSlices, spec: InputSpec, task: str) -> HeldOut:
    """Ask a Keras segmentation network about every slice of a case."""
    return as_held_out(keras_outputs(model, case, spec)[0][..., 0], case, spec, task)


def keras_outputs(model, case: CaseSlices, spec: InputSpec) -> list[np.ndarray]:
    """All raw outputs of a Keras network for every slice of a case, as `Session.predict_all` gives a bundle's."""
    image, offset = case.image[INNER], spec.neighbor_mm / case.slice_mm
    batches = []
    for start in range(0, len(image), PREDICT_BATCH):
        ks = range(start, min(start + PREDICT_BATCH, len(image)))
        batch = np.stack([neighbor_channels(image, k, offset) for k in ks]).astype(np.float32)
        outputs = model.predict_on_batch(batch / 127.5 - 1)
        batches.append(outputs if isinstance(outputs, list) else [outputs])
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def as_held_out(maps: np.ndarray, case: CaseSlices, spec: InputSpec, task: str) -> HeldOut:
    """A network's raw probabilities (k, rows, columns) of a case, treated as in inference; see `HeldOut`."""
    return with_truth(np.rint(as_in_inference(maps, case, spec, task) * 255).astype(np.uint8), case, spec, task)


def as_in_inference(maps: np.ndarray, case: CaseSlices, spec: InputSpec, task: str) -> np.ndarray:
    """Probabilities (k, rows, columns) smoothed as in inference, and those of tumor 0 outside the true liver."""
    smoothing = liver.SMOOTH_MM if task == "liver" else tumor.SMOOTH_MM
    maps = smoothed(maps, smoothing, (case.slice_mm, spec.spacing_mm))
    return maps * in_liver(case) if task == "tumor" else maps


def in_liver(case: CaseSlices) -> np.ndarray:
    """Where tumor counts, bool (k, rows, columns): in the true liver, as inference looks for it in the predicted
    one."""
    return case.liver[INNER] >= 128


def with_truth(probability: np.ndarray, case: CaseSlices, spec: InputSpec, task: str) -> HeldOut:
    """A kept answer beside the truth of its case; see `HeldOut`."""
    truth = (case.liver if task == "liver" else case.tumor)[INNER] >= 128
    pixel_mm2 = spec.spacing_mm**2
    return HeldOut(case.case, case.patient, task, probability, truth, pixel_mm2 * case.slice_mm / 1000, pixel_mm2)


def regions(case: HeldOut, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Connected regions from a threshold on, of which those are kept that the pipeline keeps: tumor of SMALLEST_ML or
    more, the largest liver if a slice shows SMALLEST_LIVER_MM2 of it.

    Returns:
        the regions' numbers, int (k, rows, columns), 0 elsewhere; by number their sizes in voxels and their highest
        probability as 0..255, below 0 for what is not kept.
    """
    numbered, count = label(case.probability >= threshold * 255)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)
    peak = np.full(count + 1, -1.0)
    if count:
        peak[1:] = largest(case.probability, numbered, range(1, count + 1))
        if case.task == "tumor":
            peak[sizes * case.voxel_ml < SMALLEST_ML] = -1
        else:
            liver_number = 1 + sizes[1:].argmax()
            area = np.count_nonzero(numbered == liver_number, axis=(1, 2)).max() * case.pixel_mm2
            peak[np.arange(count + 1) != liver_number] = -1
            if area < liver.SMALLEST_LIVER_MM2:
                peak[:] = -1
    return numbered, sizes, peak


def scores(case: HeldOut) -> dict[Point, float]:
    """Score of a case at every operating point, for tumor pairs of thresholds, for the liver one threshold: its Dice
    or, without truth, 1 for nothing found, falling to 0 at FALSE_TUMOR_ML."""
    result, true = {}, np.count_nonzero(case.truth)
    for threshold in THRESHOLDS:
        numbered, sizes, peak = regions(case, threshold)
        overlap = np.bincount(numbered[case.truth], minlength=len(sizes))
        for sure in THRESHOLDS[threshold <= THRESHOLDS] if case.task == "tumor" else [threshold]:
            chosen = peak >= sure * 255
            found = int(sizes[chosen].sum())
            score = (
                2 * int(overlap[chosen].sum()) / (found + true)
                if true
                else max(0.0, 1 - found * case.voxel_ml / FALSE_TUMOR_ML)
            )
            result[Point(float(threshold), float(sure))] = float(score)
    return result


def by_patient(cases: Sequence[HeldOut], tables: Sequence[dict[Point, float]]) -> dict[Point, float]:
    """Mean score over patients, whose scans are averaged first, at every operating point."""
    groups: dict[str, list[dict[Point, float]]] = {}
    for case, table in zip(cases, tables, strict=True):
        groups.setdefault(case.patient, []).append(table)

    def mean(point: Point) -> float:
        patients = [np.mean([table[point] for table in group]) for group in groups.values()]
        return float(np.mean(patients))

    return {point: mean(point) for point in tables[0]}


def best_point(plane: dict[Point, float], tie: float = 0.005) -> Point:
    """Of the points that score as well as the best, within `tie`, the one in the middle of them: the edge of a plateau
    is chance."""
    best = max(plane.values())
    near = [point for point, score in plane.items() if score >= best - tie]
    middle = np.median([[point.threshold, point.sure] for point in near], axis=0)
    return min(near, key=lambda point: np.hypot(point.threshold - middle[0], point.sure - middle[1]))


def summarize(held: Sequence[HeldOut]) -> dict:
    """The mean score at every operating point, and the figures at POINTS: the best one, the best of those with one
    threshold, and 0.5.

    Scans without liver do not decide the liver's, as in `export`: what is found in them the pipeline's own checks
    reject for other reasons than its probability.
    """
    deciding = [case for case in held if case.task == "tumor" or case.truth.any()] or held
    plane = by_patient(deciding, [scores(case) for case in deciding])
    one_threshold = {point: score for point, score in plane.items() if point.threshold == point.sure}
    points = dict(zip(POINTS, (best_point(plane), best_point(one_threshold), Point(0.5, 0.5)), strict=True))

    def figures(point: Point) -> dict:
        return {**asdict(point), "score": plane[point], **pooled([at_point(case, point) for case in held])}

    return {
        "held_out": [case.case for case in held],
        "points": {name: figures(point) for name, point in points.items()},
        "plane": [{**asdict(point), "score": round(score, 4)} for point, score in plane.items()],
    }


def at_point(case: HeldOut, point: Point) -> CaseAtPoint:
    """A case at an operating point, lesion by lesion."""
    numbered, _, peak = regions(case, point.threshold)
    found = (peak >= point.sure * 255)[numbered]
    both, predicted, true = (int(np.count_nonzero(mask)) for mask in (found & case.truth, found, case.truth))
    detection = detect_lesions(found, case.truth, case.voxel_ml)
    return CaseAtPoint(
        case.case,
        case.patient,
        2 * both / (predicted + true) if true else None,
        true * case.voxel_ml,
        predicted * case.voxel_ml,
        (predicted - both) * case.voxel_ml,
        [(lesion.volume_ml, lesion.found, lesion.touched) for lesion in detection.lesions],
        detection.extra,
    )


def pooled(cases: Sequence[CaseAtPoint]) -> dict:
    """Figures over all held-out cases, with intervals that resample patients."""
    from LiverTumorLib.metrics import bootstrap

    from .summary import by_size

    groups: dict[str, list[CaseAtPoint]] = {}
    for case in cases:
        groups.setdefault(case.patient, []).append(case)
    patients = list(groups.values())

    def dice(drawn: list[list[CaseAtPoint]]) -> float:
        known = [[case.dice for case in group if case.dice is not None] for group in drawn]
        means = [np.mean(values) for values in known if values]
        return float(np.mean(means)) if means else float("nan")

    def found(least_ml: float) -> Callable[[list[list[CaseAtPoint]]], float]:
        def share(drawn: list[list[CaseAtPoint]]) -> float:
            lesions = [lesion for group in drawn for case in group for lesion in case.lesions]
            hits = [hit for ml, hit, _ in lesions if ml >= least_ml]
            return float(np.mean(hits)) if hits else float("nan")

        return share

    return {
        "patients": len(patients),
        "cases": len(cases),
        "mean_dice": asdict(bootstrap(patients, dice)),
        "share_of_lesions_found": asdict(bootstrap(patients, found(0.0))),
        "share_of_lesions_from_1_ml_found": asdict(bootstrap(patients, found(1.0))),
        "extra_lesions": sum(case.extra for case in cases),
        "lesions_by_size": by_size(lesion for case in cases for lesion in case.lesions),
        "false_ml_without_truth": {case.case: round(case.false_ml, 2) for case in cases if case.dice is None},
    }
