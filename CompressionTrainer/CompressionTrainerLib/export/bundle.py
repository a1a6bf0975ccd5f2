"""A trained run as a bundle: int8 network, operating point, manifest and card, all from the run's own records."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from LiverTumorLib.errors import InputError
from LiverTumorLib.models.bundle import CARD, MANIFEST, MODEL, Bundle, load_bundle, write_bundle
from LiverTumorLib.models.manifest import Manifest
from LiverTumorLib.models.session import open_session

from ..data.training_data import TrainingData
from ..networks.config import architecture_title
from ..networks.quantization import copy_float_weights, quantization_aware
from ..progress import Console, ProgressReport
from ..training.config import TrainConfig
from ..training.finished import open_run
from ..training.record import QUANTIZED, read_record
from ..training.run import calibration_slices
from ..training.state import is_finished, read_state
from .agreement import agreement
from .card import model_card
from .operating_point import OperatingPoint, given_point
from .settings import ExportSettings
from .tflite import float_tflite, int8_tflite
from .thresholds import liver_threshold, slice_calibration, tumor_point

LICENSE = "Not stated; what the license of the training data allows."
LIVER_LABEL = {"value": 1, "name": "Liver", "code": "SCT 10200004", "meaning": "Liver, tumor included"}
TUMOR_LABEL = {"value": 2, "name": "Lesion", "code": "SCT 52988006", "meaning": "Lesion of the liver"}
LABELS = {"liver": [LIVER_LABEL], "tumor": [TUMOR_LABEL], "slice": [{**TUMOR_LABEL, "meaning": "Slice holds tumor"}]}
SUBJECTS = {"liver": "Liver", "tumor": "Liver tumor", "slice": "Tumor in slice"}


def export_run(
    run: Path, data: TrainingData, out: Path, settings: ExportSettings, report: ProgressReport | None = None
) -> Bundle:
    """Write the int8 bundle `out` and, beside the run's weights, its float twin `RUN/float/<id>`: the same weights, not
    rounded.

    A run that has been quantized in training (`livertumor quantize`) is exported from there, any other by post-training
    quantization. Where the float network was the teacher in that training, it is the twin.

    Args:
        run: folder of a finished training run.
        data: as in training.
        out: the bundle's folder; its name is the bundle's id.
        report: told of the progress; by default a console's.

    Raises:
        InputError: there is no run, or data that the split needs are missing.
        ModelError: the network does not convert to int8, or the operating point is not that of a bundle.
        UsageError: a refit without an operating point, or one of another task.
    """
    chosen = given_point(run, settings.operating_point)
    report, weights = report or Console(), settings.weights
    report("slices", 0.0, "Reading the slices", None)
    source = open_run(run, data, weights)
    config, model = source.config, source.model
    record = read_record(run)
    if done := read_state(run):
        record["config"]["optimizer"]["batch"] = done.batch  # it may have been halved
    inherited = _license_of_start(record)
    if record.get("start"):  # the run it came from, without the folders of this machine
        record["start"] = "/".join(Path(record["start"]).parts[-2:])
    report("convert", 0.1, "Converting to int8", None)
    if is_quantized(run):
        aware = quantized_network(run, model, weights)
        quantized, method = int8_tflite(aware), "int8, quantization-aware training"
        record["quantization"] = json.loads((run / QUANTIZED / "config.json").read_text(encoding="utf-8"))
        if not record["quantization"].get("distill"):
            copy_float_weights(aware, model)
    else:
        quantized, method = (
            int8_tflite(model, calibration_slices(config, source.slices["train"])),
            "int8, post-training",
        )
    report("convert", 0.5, "Converting to float32", None)
    plain = float_tflite(model)
    manifest = Manifest(
        id=out.name,
        version=settings.version,
        title=f"{SUBJECTS[config.task]} ({architecture_title(config.task, record['config']['network'])})",
        task=config.task,
        input=config.input,
        threshold=0.5,
        files={},
        license=" ".join(dict.fromkeys(filter(None, (source.split.weights_license, inherited)))) or LICENSE,
        labels=LABELS[config.task],
        training={**record, "source": source.split.source, "weights": weights, "log": _best_epoch(run)},
    )
    entry = {MODEL: {"quantization": method}}
    report("threshold", 0.8, "Choosing the threshold", None)
    # A stop while the threshold is sought must not leave a bundle without one.
    with tempfile.TemporaryDirectory() as scratch:
        bundle = write_bundle(Path(scratch) / out.name, replace(manifest, files=entry), {MODEL: quantized})
        manifest = (
            _at_point(chosen, bundle.manifest)
            if chosen
            else _with_operating_point(bundle, config, source.slices["val"])
        )
        twin = replace(manifest, files={MODEL: {"quantization": "none (float32)"}})
        sessions = (
            open_session(replace(bundle, manifest=manifest)),
            open_session(write_bundle(run / "float" / out.name, twin, {MODEL: plain})),
        )
        report("agreement", 0.9, "Comparing int8 with float", None)
        patients = "train" if chosen else "val"
        # How near it comes to the truth of patients that it was trained on says nothing.
        beside_float = {"patients": patients, **agreement(*sessions, source.slices[patients], truth=not chosen)}
    manifest = replace(manifest, files=entry, metrics=manifest.metrics | {"int8_against_float": beside_float})
    write_bundle(out, manifest, {MODEL: quantized, CARD: model_card(manifest, len(quantized)).encode()})
    report("agreement", 1.0, out.name, None)
    return load_bundle(out)


def is_quantized(run: Path) -> bool:
    """Whether a run has been quantized in training; raises InputError where that is not finished."""
    folder = run / QUANTIZED
    if (folder / "config.json").exists() and not is_finished(folder):
        raise InputError(f"The quantization of {run} is not finished; the command that began it continues it.")
    return (folder / "config.json").exists()


def quantized_network(run: Path, model, weights: str):
    """The quantization-aware network of a run that has been quantized in training, its "best" or "last" weights;
    `model` is its plain float network."""
    aware = quantization_aware(model)
    aware.load_weights(run / QUANTIZED / f"{weights}.weights.h5")
    return aware


def _at_point(point: OperatingPoint, manifest: Manifest) -> Manifest:
    training = manifest.training | {"operating_point": point.about}
    return replace(
        manifest, calibration=point.calibration, threshold=point.threshold, sure=point.sure, training=training
    )


def _with_operating_point(bundle: Bundle, config: TrainConfig, cases) -> Manifest:
    session = open_session(bundle)
    if config.task == "slice":
        calibration, threshold, figures = slice_calibration(session, cases)
        return replace(bundle.manifest, calibration=calibration, threshold=threshold, metrics={"validation": figures})
    if config.task == "tumor":
        point, score = tumor_point(session, cases)
        measured = {"score": score, "grid": "the network's canvas in the true liver, thresholds chosen here"}
        return replace(bundle.manifest, threshold=point.threshold, sure=point.sure, metrics={"validation": measured})
    threshold, scores = liver_threshold(session, cases)
    dice = {"dice_by_threshold": scores, "grid": "the network's canvas, threshold chosen here"}
    return replace(bundle.manifest, threshold=threshold, metrics={"validation": dice})


def _license_of_start(record: dict) -> str | None:
    """The license of the model that a run started from, which binds what was made of it too."""
    start = Path(record.get("start") or "")
    return (
        load_bundle(start.parent).manifest.license
        if start.suffix == ".tflite" and (start.parent / MANIFEST).is_file()
        else None
    )


def _best_epoch(run: Path) -> dict[str, str]:
    """The row of the training log with the best validation metric, the last where nothing validated."""
    import csv

    with open(run / "log.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    key = next((name for name in rows[0] if name.startswith("val_") and name.endswith(("dice", "accuracy"))), None)
    return {"epochs_run": str(len(rows)), **(max(rows, key=lambda row: float(row[key])) if key else rows[-1])}
