"""What a workflow's folder holds so far: finished stages, epochs, measured models, the bundle, the report. Loads no
TensorFlow."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from LiverTumorLib.errors import InputError, ModelError
from LiverTumorLib.models.bundle import MANIFEST, MODEL, load_bundle

from ..reporting.inputs import Inputs, read_inputs
from ..reporting.models import ModelFacts, model_facts
from ..reporting.plots_training import column_of
from . import journal
from .plan import MODELS

# The folders in which networks are trained, in the order of the stages.
_TRAININGS = ("train", "distill", "slim", "prune/gradual", "prune", "*/quantized")
_MEASURED = ("variants", "evaluate", "compare", "benchmark")


@dataclass(frozen=True)
class Epoch:
    """One epoch of a training; None for what was not measured.

    Attributes:
        number: from 1, counted through all stages.
        stage: the folder of the training, for example "prune/gradual".
        loss, score: of the training slices; the score is the accuracy or Dice (0 to 1).
        val_loss, val_score: of the validation patients.
    """

    number: int
    stage: str
    loss: float | None
    val_loss: float | None
    score: float | None
    val_score: float | None


@dataclass(frozen=True)
class Variant:
    """One model file; None for what was not measured. `mb` and `gzip_mb` are megabytes, the scores those of the val
    patients (0 to 1)."""

    name: str
    mb: float | None
    gzip_mb: float | None
    accuracy: float | None
    auc: float | None
    dice: float | None
    slices_per_s: float | None

    @property
    def score(self) -> float | None:
        """AUC of a classifier, Dice of a segmentation."""
        return self.auc if self.auc is not None else self.dice


def finished_stages(out: Path) -> list[str]:
    """The stages that have come to their end and whose results are still there."""
    done = []
    for path in sorted((out / journal.FOLDER).glob("*.done.json")):
        entry = journal.read(path) or {}
        mark = journal.read(out / str(entry.get("folder", "")) / journal.MARK) or {}
        if entry.get("identity") and entry["identity"] == mark.get("identity"):
            done.append(str(entry["stage"]))
    return done


def epochs(out: Path) -> list[Epoch]:
    """All epochs of all stages, in the order in which they were trained."""
    found: list[Epoch] = []
    for pattern in _TRAININGS:
        for log in sorted(out.glob(f"{pattern}/log.csv")):
            rows = _numbers(log)
            stage = log.parent.relative_to(out).as_posix()
            for row in rows:
                figures = [
                    _figure(row, rows, kind, prefix) for kind in ("loss", _score_of(rows)) for prefix in ("", "val_")
                ]
                found.append(Epoch(len(found) + 1, stage, *figures))
    return found


def variants(out: Path) -> list[Variant]:
    """The model files that were written, measured or compared; none while nothing was."""
    folders = [out / name for name in _MEASURED if (out / name).is_dir()]
    try:
        inputs = read_inputs(folders)
    except InputError:  # nothing there yet, or half of it
        return []
    bundle = bundle_of(out)
    own, dice = (f"{bundle.name}/{MODEL}", _bundle_dice(bundle, inputs)) if bundle else ("", None)
    return [_variant(facts, dice if facts.name == own else None) for facts in model_facts(inputs)]


def check_rows(prepared: Path) -> list[dict[str, str]]:
    """What 'livertumor prepare' found wrong with the data, a problem a row; it has written into the folder
    `prepared`."""
    return _rows(prepared / "check.csv")


def counts(prepared: Path) -> list[dict[str, str]]:
    """Patients and slices of each part of the split, or of each fold's."""
    return _rows(prepared / "counts.csv")


def bundle_of(out: Path) -> Path | None:
    """The folder of the model that came out."""
    return next((path.parent for path in sorted((out / MODELS).glob(f"*/{MANIFEST}"))), None)


def report_of(out: Path) -> Path | None:
    """The report."""
    path = out / "report" / "report.html"
    return path if path.is_file() else None


def _variant(facts: ModelFacts, dice: float | None) -> Variant:
    def megabytes(mib: float | None) -> float | None:
        return None if mib is None else mib * 2**20 / 1e6

    accuracy, auc = ((figure or {}).get("value") for figure in (facts.accuracy, facts.auc))
    return Variant(facts.name, megabytes(facts.mib), megabytes(facts.gzip_mib), accuracy, auc, dice, facts.fps)


def _bundle_dice(bundle: Path, inputs: Inputs) -> float | None:
    """Mean Dice over the val patients, from the workflow's evaluation of its bundle; None for a classifier."""
    try:
        task = load_bundle(bundle).manifest.task
    except ModelError:
        return None
    figures = (evaluation.content["summary"].get(task) for evaluation in inputs.evaluations)
    return next((found["mean_dice"]["value"] for found in figures if found), None)


def _score_of(rows: list[dict[str, float]]) -> str:
    return "dice" if column_of(rows, "dice") else "accuracy"


def _figure(row: dict[str, float], rows: list[dict[str, float]], kind: str, prefix: str) -> float | None:
    column = column_of(rows, kind, prefix)
    return row.get(column) if column else None


def _numbers(path: Path) -> list[dict[str, float]]:
    try:
        return [{name: float(value) for name, value in row.items() if value} for row in _rows(path)]
    except (TypeError, ValueError):  # its last line is being written
        return []


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError:
        return []
