"""Training and validation batches as Keras sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import maximum_filter

from ..data.samples import Position, every_slice, load_sample, plan_epoch
from ..data.slices import CaseSlices
from ..networks.keras_module import keras
from .config import TrainConfig

# How far around the liver a tumour network must be right: the margin in which tumour is believed, and room for stage 1's errors.
REGION_MM = 12.0


class TrainBatches(keras.utils.Sequence):
    """One epoch's augmented batches; `on_epoch_end` draws the next epoch's."""

    def __init__(self, config: TrainConfig, cases: Sequence[CaseSlices], first_epoch: int = 0) -> None:
        self.config, self.cases, self.epoch = config, cases, first_epoch
        self.plan = plan_epoch(cases, config.sampling, config.seed, self.epoch)

    def __len__(self) -> int:
        return len(self.plan) // self.config.optimizer.batch

    def __getitem__(self, batch: int):
        size = self.config.optimizer.batch
        return _batch(self.config, self.cases, self.plan[batch * size : (batch + 1) * size], (self.epoch, batch * size))

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self.plan = plan_epoch(self.cases, self.config.sampling, self.config.seed, self.epoch)


class ValidationBatches(keras.utils.Sequence):
    """Every `val_step`-th slice of the validation cases, unchanged."""

    def __init__(self, config: TrainConfig, cases: Sequence[CaseSlices]) -> None:
        self.config, self.cases = config, cases
        self.plan = every_slice(cases, config.val_step)

    def __len__(self) -> int:
        return -(-len(self.plan) // self.config.optimizer.batch)

    def __getitem__(self, batch: int):
        size = self.config.optimizer.batch
        return _batch(self.config, self.cases, self.plan[batch * size : (batch + 1) * size], None)


def _batch(config: TrainConfig, cases: Sequence[CaseSlices], plan: list[Position], drawn: tuple[int, int] | None):
    """Images and targets; `drawn` is (epoch, position of the first sample) for augmented batches, None for plain ones."""
    images, targets = [], []
    for number, position in enumerate(plan):
        case = cases[position.case]
        rng = np.random.default_rng([config.seed, 1, drawn[0], drawn[1] + number] if drawn else 0)
        image, masks = load_sample(case, position.k, config.input, config.augmentation if drawn else None, rng)
        images.append(image)
        targets.append(_target(config, case, position.k, masks))
    return np.stack(images).astype(np.float32), np.stack(targets)


def _target(config: TrainConfig, case: CaseSlices, k: int, masks: np.ndarray):
    """Class of a slice, or truth and the region that counts (rows, columns, 2) for a segmentation."""
    if config.task == "slice":
        return np.int32(case.has_tumor[k] or masks[..., 1].max() > 0.5)  # a painted lesion counts
    if config.task == "liver":
        return np.stack([masks[..., 0], np.ones_like(masks[..., 0])], axis=-1)
    if config.input.region == "body":
        return np.stack([masks[..., 1], np.ones_like(masks[..., 1])], axis=-1)
    # Inside the liver region only the liver and its surroundings are ever asked about; a tumour elsewhere is no error.
    reach = round(REGION_MM / config.input.spacing_mm)
    return np.stack([masks[..., 1], maximum_filter(masks[..., 0], 2 * reach + 1) > 0.5], axis=-1).astype(np.float32)
