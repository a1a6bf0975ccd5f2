"""Slice classifiers side by side: every model file on the same slices of a split, its network alone, without the
pipeline around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from LiverTumorLib.ct.canvas import InputSpec, neighbor_channels
from LiverTumorLib.errors import ModelError, UsageError
from LiverTumorLib.metrics import PatientSlices, auc_difference
from LiverTumorLib.models.bundle import MANIFEST, load_bundle
from LiverTumorLib.models.runtimes import LiteRT, OnnxRuntime

from ..data.slices import BORDER, CaseSlices
from ..networks.config import PREDICT_BATCH
from ..training.record import is_run, read_record, read_run
from .formats import ModelFile
from .summary import slice_figures


@dataclass(frozen=True)
class LabeledSlice:
    """One axial slice and its truth; `k` counts from the most inferior slice."""

    case: str
    patient: str
    k: int
    tumor: bool


def liver_slices(cases: Sequence[CaseSlices]) -> list[LabeledSlice]:
    """The slices of a split's subset that hold liver: the others are not a question for a classifier of liver tumor."""
    return [
        LabeledSlice(case.case, case.patient, int(k), bool(case.has_tumor[k]))
        for case in cases
        for k in case.ks(case.has_liver)
    ]


def input_and_training(model: ModelFile, run: Path | None) -> tuple[InputSpec, dict]:
    """What a model file is shown, and its training's record: as its bundle says, or the run that it lies in, or else
    `run`.

    Raises:
        UsageError: nothing says it, or it is not of a slice classifier.
    """
    if (model.path.parent / MANIFEST).is_file():
        manifest = load_bundle(model.path.parent).manifest
        task, spec, training = manifest.task, manifest.input, manifest.training
    else:
        around = [folder for folder in (*model.path.resolve().parents[:2], run) if folder and is_run(folder)]
        if not around:
            raise UsageError(
                f"{model.path}: nothing there says which input it takes; name the run that it was made of with --run."
            )
        config = read_run(around[0])
        task, spec = config.task, config.input
        training = read_record(around[0])
    if task != "slice":
        raise UsageError(f"{model.path} is of the task '{task}'; only slice classifiers are compared.")
    return spec, training


def probabilities(model: ModelFile, spec: InputSpec, cases: Sequence[CaseSlices]) -> np.ndarray:
    """Probability of tumor, as the network gives it, for each of `liver_slices`, float64 (n,).

    Raises:
        ModelError: the file is not a slice classifier that can be run.
    """
    inner = (slice(None), slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    shown = (
        (case.image[inner], int(k), spec.neighbor_mm / case.slice_mm) for case in cases for k in case.ks(case.has_liver)
    )
    images = (neighbor_channels(*each).astype(np.float32) / np.float32(127.5) - 1 for each in shown)
    try:
        return np.array(
            _keras(model.path, images) if model.kind == "keras" else _runtime(model, images), dtype=np.float64
        )
    except (ValueError, RuntimeError, OSError) as error:
        raise ModelError(
            f"{model.path} cannot be run as a slice classifier ({str(error).partition(chr(10))[0]})."
        ) from error


def compare(scores: dict[str, np.ndarray], slices: Sequence[LabeledSlice], threshold: float) -> dict[str, dict]:
    """Figures of each model, and of all but the first how they differ from the first, paired slice by slice.

    Args:
        scores: probabilities (n,) by model.
        slices: what they are of.
        threshold: probability from which a slice counts as called tumor.
    """
    owners, truth = np.array([each.patient for each in slices]), np.array([each.tumor for each in slices])
    masks = [owners == patient for patient in dict.fromkeys(owners)]

    def patients(values: np.ndarray) -> list[PatientSlices]:
        return [(values[mask], truth[mask]) for mask in masks]

    first = next(iter(scores.values()))
    compared = {}
    for name, values in scores.items():
        compared[name] = slice_figures(patients(values), threshold)
        if values is not first:
            compared[name]["against_first"] = {
                "same_decision": float(np.mean((values >= threshold) == (first >= threshold))),
                "largest_difference": float(np.abs(values - first).max()),
                "auc_difference": asdict(auc_difference(patients(first), patients(values))),
            }
    return compared


def rows(scores: dict[str, np.ndarray], slices: Sequence[LabeledSlice]) -> list[dict]:
    """One row for each slice: what it is of, the truth, and the probability that each model gives it."""
    table = []
    for number, each in enumerate(slices):
        about = {"case": each.case, "patient": each.patient, "slice": each.k, "tumor": int(each.tumor), "liver": 1}
        table.append(about | {name: float(values[number]) for name, values in scores.items()})
    return table


def _keras(weights: Path, images: Iterator[np.ndarray]) -> list[float]:
    from ..networks.build import build_network

    model = build_network(read_run(weights.parent))
    model.load_weights(weights)
    found = []
    while batch := list(islice(images, PREDICT_BATCH)):
        outputs = model.predict_on_batch(np.stack(batch))
        found += (outputs[0] if isinstance(outputs, list) else outputs)[:, 1].tolist()
    return found


def _runtime(model: ModelFile, images: Iterator[np.ndarray]) -> list[float]:
    network = (LiteRT if model.kind == "tflite" else OnnxRuntime)(model.path.read_bytes())
    place = next((place for place, shape in enumerate(network.output_shapes) if tuple(shape)[1:] == (2,)), None)
    if place is None:
        raise ValueError("it has no output with the two classes")
    return [float(network.run(image)[place][1]) for image in images]
