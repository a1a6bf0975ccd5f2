"""Quantization-aware fine-tuning of a finished run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from LiverTumorLib.errors import InputError

from ..compression.magnitude import HoldZeros
from ..compression.quantization import quantization_aware, start_ranges
from .config import TrainConfig, config_from_dict
from .progress import Report
from .record import claim
from .run import build_network, calibration_slices, fit, load_slices
from .state import is_finished, read_record

FOLDER = "quantized"  # inside the run's folder


def quantize_run(
    run: Path,
    data: Path,
    split_file: Path,
    cache: Path,
    weights: str,
    epochs: int,
    learning_rate: float,
    keep_zeros: bool = True,
    report: Report | None = None,
) -> None:
    """Fine-tune a run's network with int8 rounding in place; writes weights, log.csv and config.json into RUN/quantized.

    Args:
        run: folder of a finished training run.
        data, split_file, cache: as in training.
        weights: "best" (by validation) or "last" of the run.
        epochs, learning_rate: of the fine-tuning, whose rate falls as a half cosine from the start.
        keep_zeros: weights that are zero, as after pruning, stay so; otherwise fine-tuning moves most of them.
        report: told of the progress; by default a console's.

    Raises:
        InputError: there is no run, or it has been quantized already.
    """
    out = run / FOLDER
    if (out / "config.json").exists() and is_finished(out):
        raise InputError(f"{out} exists already; remove it to quantize the run anew.")
    config = fine_tuning_config(read_run(run), epochs, learning_rate)
    slices, _ = load_slices(config, data, split_file, cache)
    model = build_network(config)
    model.load_weights(run / f"{weights}.weights.h5")
    out.mkdir(exist_ok=True)
    record = {"from": weights, "keep_zeros": keep_zeros, **config.to_dict()}
    claim(out / "config.json", record)
    aware = quantization_aware(model)
    start_ranges(aware, model, calibration_slices(config, slices["train"]))
    fit(aware, config, slices, out, [HoldZeros(aware)] if keep_zeros else [], report=report)


def fine_tuning_config(config: TrainConfig, epochs: int, learning_rate: float) -> TrainConfig:
    """The run's configuration with the fine-tuning's schedule; another seed, so that other slices are drawn."""
    schedule = {"schedule": "cosine", "warmup_epochs": 0.0, "stop_patience": 0}
    optimizer = replace(config.optimizer, epochs=epochs, learning_rate=learning_rate, **schedule)
    return replace(config, optimizer=optimizer, seed=config.seed + 1000)


def read_run(run: Path) -> TrainConfig:
    """The configuration of a run; raises InputError when the folder holds none, or one that is not finished."""
    record = read_record(run)
    if record and not record.finished:
        raise InputError(f"The run in {run} is not finished; the command that began it goes on with it.")
    try:
        return config_from_dict(json.loads((run / "run.json").read_text(encoding="utf-8"))["config"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{run} holds no finished training run ({error}).") from error
