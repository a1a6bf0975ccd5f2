"""What a network is trained towards, and by which figure its best epoch is chosen, both as the configuration says."""

from __future__ import annotations

from ..networks.keras_module import keras
from .config import TrainConfig
from .losses import BatchDice, bce_dice, cell_entropy, class_entropy, dice_loss, pixel_focal, tversky


def objective(config: TrainConfig, model) -> tuple[object, list, str]:
    """Loss and metrics to compile `model` with, and the name of the validation figure that the best epoch is best
    in."""
    if config.task != "slice":
        return _segmentation_loss(config), [BatchDice()], "val_dice"
    if len(model.outputs) == 1:
        return _slice_loss(config), ["accuracy"], "val_accuracy"
    # Lists in the order of the outputs, whose names change under quantization-aware training; so do those of figures
    # (`PlainNames`).
    return [_slice_loss(config), cell_entropy], [["accuracy"], []], "val_accuracy"


def _segmentation_loss(config: TrainConfig):
    loss = config.loss
    losses = {
        "": bce_dice,
        "bce_dice": bce_dice,
        "dice": dice_loss,
        "focal": pixel_focal(loss.gamma),
        "tversky": tversky(loss.false_positives, loss.false_negatives),
    }
    return losses[loss.kind]


def _slice_loss(config: TrainConfig):
    if config.loss.kind == "focal":
        return class_entropy(config.loss.class_weights, config.loss.gamma)
    if config.loss.class_weights != (1.0, 1.0):
        return class_entropy(config.loss.class_weights)
    return keras.losses.SparseCategoricalCrossentropy()
