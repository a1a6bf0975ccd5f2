"""How long a training step takes on this machine, told by a few steps on noise. Imports TensorFlow."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from ..data.slices import BORDER, CaseSlices
from ..networks.keras_module import keras
from ..training.batches import training_batches
from ..training.config import TrainConfig
from ..training.objective import objective
from ..training.run import starting_network
from ..training.schedule import make_optimizer

WARM_STEPS, STEPS = 1, 3
_SLICES = 8


def step_seconds(config: TrainConfig) -> float:
    """Median seconds of a training step, with the making of its batch, after the first, which also traces the
    network."""
    config = replace(config, sampling=replace(config.sampling, slices=config.optimizer.batch * (WARM_STEPS + STEPS)))
    cases = [_noise(config)]
    model = starting_network(config, {"train": cases}, None, None)
    loss, metrics, _ = objective(config, model)
    model.compile(make_optimizer(config.optimizer, WARM_STEPS + STEPS), loss, metrics)
    clock = _Clock()
    model.fit(training_batches(config, cases), steps_per_epoch=WARM_STEPS + STEPS, verbose=0, callbacks=[clock])
    return float(np.median(np.diff(clock.ends)[WARM_STEPS - 1 :]))


class _Clock(keras.callbacks.Callback):
    """Notes when each step ends."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        self.ends.append(time.monotonic())


def _noise(config: TrainConfig) -> CaseSlices:
    """Slices of noise, half of them with liver, half of these with tumor."""
    rows, columns = config.input.size
    image = np.random.default_rng(0).integers(0, 256, (_SLICES, rows + 2 * BORDER, columns + 2 * BORDER), np.uint8)
    k = np.arange(_SLICES)
    return CaseSlices("noise", "nobody", image, image, image, k < _SLICES // 2, k < _SLICES // 4, 5.0)
