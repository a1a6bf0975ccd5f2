"""Training and validation batches as tf.data datasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.ndimage import maximum_filter

from ..data.pasting import LesionBank
from ..data.samples import Position, every_slice, load_sample, plan_epoch
from ..data.slices import CaseSlices
from ..networks.keras_module import tf
from .config import TrainConfig

# How far around the liver a tumor network must be right: the margin in which tumor is believed, and room for stage 1's
# errors.
REGION_MM = 12.0
# From how many tumor pixels on a cell of the slice classifier counts as one with tumor.
CELL_TUMOR_PX = 12
# Batches made ahead, in another thread, while the network trains.
AHEAD = 4


def steps_per_epoch(config: TrainConfig) -> int:
    """Full batches of an epoch."""
    return config.sampling.slices // config.optimizer.batch


def validation_steps(config: TrainConfig, cases: Sequence[CaseSlices]) -> int:
    """Batches of a validation, the last of which may be smaller."""
    return -(-len(every_slice(cases, config.val_step)) // config.optimizer.batch)


def training_batches(
    config: TrainConfig, cases: Sequence[CaseSlices], first_epoch: int = 0, parts: Sequence[int] = (0,), of: int = 1
) -> tf.data.Dataset:
    """Augmented batches of all epochs from `first_epoch` on, `steps_per_epoch` of them an epoch.

    Where several replicas share a batch, `of` in number, an element is the part of one of them: those of the numbers
    `parts` take turns.
    """

    bank = LesionBank(cases, config.input) if config.augmentation.pasted_lesions else None

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        size, share = config.optimizer.batch, config.optimizer.batch // of
        for epoch in range(first_epoch, config.optimizer.epochs):
            plan = plan_epoch(cases, config.sampling, config.seed, epoch)
            for start in range(0, steps_per_epoch(config) * size, size):
                for first in (start + part * share for part in parts):
                    yield _batch(config, cases, plan[first : first + share], (epoch, first), bank)

    return _dataset(config, batches).prefetch(AHEAD)


def validation_batches(config: TrainConfig, cases: Sequence[CaseSlices], times: int = 1) -> tf.data.Dataset:
    """Every `val_step`-th slice of the validation cases, unchanged; kept in memory after the first pass.

    Each batch comes `times` times, once for each replica: all look at everything, and the figures are as those of one.
    """

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        size, plan = config.optimizer.batch, every_slice(cases, config.val_step)
        for start in range(0, len(plan), size):
            batch = _batch(config, cases, plan[start : start + size], None)
            yield from [batch] * times

    return _dataset(config, batches).cache()


def _dataset(config: TrainConfig, batches) -> tf.data.Dataset:
    image = tf.TensorSpec((None, *config.input.size, 3), tf.float32)
    target = tf.TensorSpec((None, *config.input.size, 2), tf.float32)
    if config.task == "slice":
        target = tf.TensorSpec((None,), tf.int32)
        if config.network.head == "cells":
            target = (
                target,
                tf.TensorSpec(
                    (None, *(length // config.network.stride for length in config.input.size), 2), tf.float32
                ),
            )
    return tf.data.Dataset.from_generator(batches, output_signature=(image, target))


def _batch(
    config: TrainConfig,
    cases: Sequence[CaseSlices],
    plan: list[Position],
    drawn: tuple[int, int] | None,
    bank: LesionBank | None = None,
):
    """Images and targets; `drawn` is (epoch, position of the first sample) for augmented batches, None for plain
    ones."""
    images, targets = [], []
    for number, position in enumerate(plan):
        case = cases[position.case]
        rng = np.random.default_rng([config.seed, 1, drawn[0], drawn[1] + number] if drawn else 0)
        image, masks = load_sample(case, position.k, config.input, config.augmentation if drawn else None, rng, bank)
        images.append(image)
        targets.append(_target(config, case, position.k, masks))
    several = isinstance(targets[0], tuple)
    stacked = tuple(np.stack(part) for part in zip(*targets, strict=True)) if several else np.stack(targets)
    return np.stack(images).astype(np.float32), stacked


def _target(config: TrainConfig, case: CaseSlices, k: int, masks: np.ndarray):
    """Truth and the region that counts (rows, columns, 2) for a segmentation; class of a slice, and `_cells` for that
    head."""
    if config.task == "slice":
        # A painted lesion counts; real tumor counts as the split says, which may ask for more than a pixel of it.
        found = np.int32(case.has_tumor[k] or (masks[..., 1].max() > 0.5 and not case.tumor[k].any()))
        return (found, _cells(masks[..., 1], config.network.stride)) if config.network.head == "cells" else found
    truth = masks[..., 0 if config.task == "liver" else 1]
    region = np.ones_like(truth)
    if config.input.region == "liver":
        # Only the liver and its surroundings are ever asked about; a tumor elsewhere is not an error.
        region = (maximum_filter(masks[..., 0], 2 * round(REGION_MM / config.input.spacing_mm) + 1) > 0.5).astype(
            np.float32
        )
    return np.stack([truth, region], axis=-1)


def _cells(tumor: np.ndarray, side: int) -> np.ndarray:
    """Truth and weight (cell rows, cell columns, 2): a cell with a few tumor pixels at its rim is neither one thing nor
    the other."""
    rows, columns = (length // side for length in tumor.shape)
    pixels = (tumor > 0.5).reshape(rows, side, columns, side).sum(axis=(1, 3))
    return np.stack([pixels >= CELL_TUMOR_PX, (pixels == 0) | (pixels >= CELL_TUMOR_PX)], axis=-1).astype(np.float32)
