"""A finished run, opened to make something of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from LiverTumorLib.errors import InputError

from ..data.slices import CaseSlices
from ..data.splits import Split
from ..data.training_data import TrainingData
from ..networks.build import build_network
from ..networks.distillation import Distiller
from ..progress import ProgressReport
from .config import TrainConfig
from .record import read_run
from .run import fit, load_slices
from .start import check_unseen_start


@dataclass(frozen=True)
class FinishedRun:
    """A run with all that went into it.

    Attributes:
        config: what it was trained as.
        slices: network slices of the train and the val patients.
        split: how these were divided.
        model: its network with the weights of the file `weights`.
    """

    config: TrainConfig
    slices: dict[str, list[CaseSlices]]
    split: Split
    model: Any
    weights: Path


def open_run(run: Path, data: TrainingData, weights: str = "best") -> FinishedRun:
    """Open a run with its "best" (by validation) or "last" weights; `data` as in training.

    Raises:
        InputError: there is no run, one that is not finished, or data that the split needs are missing.
        UsageError: the run was trained on val or test patients of the split.
    """
    config = read_run(run)
    slices, split = load_slices(config, data)
    model, path = build_network(config), run / f"{weights}.weights.h5"
    if not path.is_file():
        raise InputError(
            f"The run in {run} has no {path.name}: it was stopped before its first epoch ended; begin it again."
        )
    check_unseen_start(path, split)
    model.load_weights(path)
    return FinishedRun(config, slices, split, model, path)


def fine_tuning_config(config: TrainConfig, epochs: int, learning_rate: float | None) -> TrainConfig:
    """The run's configuration with the fine-tuning's schedule, by default at the run's own rate; another seed, so that
    other slices are drawn."""
    optimizer = replace(
        config.optimizer,
        epochs=epochs,
        learning_rate=learning_rate or config.optimizer.learning_rate,
        schedule="cosine",
        warmup_epochs=0.0,
        stop_patience=0,
    )
    return replace(config, optimizer=optimizer, seed=config.seed + 1000)


def teach(
    learner: Distiller, config: TrainConfig, teacher: FinishedRun, out: Path, report: ProgressReport | None
) -> None:
    """Train the student of a distiller, a network that `config` describes, as `run.fit` does, with its teacher's
    answers beside the labels."""
    # Truth and answers are compared on the teacher's canvas and, of classifiers, on its cells.
    shown = replace(
        config, input=teacher.config.input, network=replace(config.network, stride=teacher.config.network.stride)
    )
    fit(learner, shown, teacher.slices, out, report=report)
