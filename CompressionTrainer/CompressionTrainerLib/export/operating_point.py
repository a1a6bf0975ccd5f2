"""The operating point of a network that has no patients left to choose its own: that of an earlier model, or of a
cross-validation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from LiverTumorLib.errors import InputError, UsageError
from LiverTumorLib.models.bundle import load_bundle
from LiverTumorLib.models.manifest import Calibration

from ..evaluation.out_of_fold import SUMMARY
from ..training.config import TrainConfig, config_from_dict
from ..training.record import read_run


@dataclass(frozen=True)
class OperatingPoint:
    """Thresholds and calibration (see `Manifest`), and where they were chosen, as the manifest's training section says
    it."""

    threshold: float
    sure: float = 0.0
    calibration: Calibration = field(default_factory=Calibration)
    about: dict = field(default_factory=dict)


def given_point(run: Path, folder: Path | None) -> OperatingPoint | None:
    """The operating point that a refit takes from `folder`, a model's or a cross-validation's; None for a run that
    chooses its own.

    Raises:
        InputError: a cross-validation that cannot be read.
        ModelError: there is no such model.
        UsageError: a refit without an operating point, one of another task, or a run that has patients to choose
          its own on.
    """
    config = read_run(run)
    if config.refit and not folder:
        raise UsageError(
            f"{run} was trained on the val patients too, so none are left to choose a threshold on; give "
            "--operating-point with the folder of the model that was chosen before, or of a cross-validation."
        )
    if not folder:
        return None
    if not config.refit:
        raise UsageError(f"{run} has val patients to choose its threshold on; leave out --operating-point.")
    return _of_cross_validation(folder, config) if (folder / SUMMARY).is_file() else _of_model(folder, config, run)


def _of_model(folder: Path, config: TrainConfig, run: Path) -> OperatingPoint:
    manifest = load_bundle(folder).manifest
    if (manifest.task, manifest.input) != (config.task, config.input):
        raise UsageError(
            f"The model in {folder} has another task or another input than the run in {run}; give the one that was "
            "chosen for it."
        )
    chosen_on = manifest.training.get("cases", {}).get("val")
    if not chosen_on:
        raise UsageError(f"The model in {folder} was not chosen on val patients itself; give the one that was.")
    about = {"id": manifest.id, "version": manifest.version, "chosen_on": chosen_on}
    return OperatingPoint(manifest.threshold, manifest.sure, manifest.calibration, about)


def _of_cross_validation(folder: Path, config: TrainConfig) -> OperatingPoint:
    path = folder / SUMMARY
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        measured = config_from_dict(content["config"], path)
        point = _chosen(content, measured.task)
        figures = content["slices"] if measured.task == "slice" else content["points"]["chosen"]
        about = {"folds": content["folds"], "patients": figures["patients"], "chosen_on": content["held_out"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not the summary of a cross-validation ({error}); run livertumor cross-validate again."
        ) from error
    if (measured.task, measured.input) != (config.task, config.input):
        raise UsageError(
            f"The cross-validation in {folder} has another task or another input than this run; give one of the same "
            "configuration."
        )
    return replace(point, about=about)


def _chosen(content: dict, task: str) -> OperatingPoint:
    """The operating point in the summary of a cross-validation."""
    if task == "slice":
        calibration = Calibration(**{name: float(value) for name, value in content["calibration"].items()})
        return OperatingPoint(float(content["slices"]["threshold"]), calibration=calibration)
    # Only a lesion must be sure somewhere; the liver is one region anyway.
    point = content["points"]["chosen" if task == "tumor" else "one_threshold"]
    return OperatingPoint(float(point["threshold"]), float(point["sure"]) if task == "tumor" else 0.0)
