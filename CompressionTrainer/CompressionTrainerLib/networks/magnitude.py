"""Gradual magnitude pruning (Zhu and Gupta, "To prune, or not to prune", ICLR workshop 2018): small weights become
zeros.

Kernels of ordinary convolutions and dense layers only: depthwise kernels hold few weights, all of them needed, and so
do the last layers of these networks.
"""

from __future__ import annotations

import numpy as np
import tensorflow_model_optimization as tfmot
from LiverTumorLib.errors import ModelError

from .keras_module import keras, tf

LEAST_WEIGHTS = 64  # of a kernel that is pruned
TOLERANCE = 0.005  # by which the achieved share of zeros may differ from the asked one


def gradually_pruned(model, sparsity: float, steps: int):
    """A model with the weights of `model` whose kernels lose their smallest weights during the next `steps` training
    steps.

    The share of zeros rises from 0 as a cubic and is `sparsity` at the last step; masks are renewed at each step (a
    larger interval that does not divide the number of steps would miss the end). Train it with `schedule_callbacks`.
    """
    schedule = tfmot.sparsity.keras.PolynomialDecay(
        0.0, sparsity, begin_step=0, end_step=steps - 1, power=3, frequency=1
    )
    names = _kernels(model).keys()

    def wrapped(layer):
        return tfmot.sparsity.keras.prune_low_magnitude(layer, schedule) if layer.name in names else layer

    return keras.models.clone_model(model, clone_function=wrapped)


def schedule_callbacks() -> list:
    """What training a `gradually_pruned` model needs: it counts the steps and applies the masks."""
    return [tfmot.sparsity.keras.UpdatePruningStep()]


def stripped(pruned, sparsity: float):
    """The plain network of a `gradually_pruned` model at the end of its schedule.

    Raises:
        ModelError: the share of zeros is not `sparsity`.
    """
    model = tfmot.sparsity.keras.strip_pruning(pruned)
    check_sparsity(model, sparsity)
    return model


def check_sparsity(model, sparsity: float) -> None:
    """Raises ModelError where the share of zeros over all prunable kernels is not `sparsity`."""
    rows = layer_sparsity(model)
    achieved = sum(zeros for _, _, zeros in rows) / sum(weights for _, weights, _ in rows)
    if not abs(achieved - sparsity) <= TOLERANCE:
        raise ModelError(
            f"After pruning {achieved:.1%} of the weights are zero, not {sparsity:.1%} as asked for; start from a "
            "network that is less sparse than that, and train for more than one step."
        )


def layer_sparsity(model) -> list[tuple[str, int, int]]:
    """(name, weights, zeros) of every prunable kernel, in the order of the layers; also of a quantization-aware
    model."""
    return [
        (name, kernel.shape.num_elements(), int(np.sum(kernel.numpy() == 0)))
        for name, kernel in _kernels(model).items()
    ]


class HoldZeros(keras.callbacks.Callback):
    """Keeps the kernels' zeros at zero while the rest is trained, so that pruned weights stay pruned.

    For fine-tuning after pruning and for sparsity-preserving quantization-aware training: a symmetric int8 scale maps
    zero to zero, so that what is zero here is zero in the TFLite file.
    """

    def __init__(self, model) -> None:
        """The zeros to keep are those that `model`, the one that will be trained, has now."""
        super().__init__()
        masks = ((kernel, kernel.numpy() != 0) for kernel in _kernels(model).values())
        self._masks = [(kernel, tf.constant(mask, kernel.dtype)) for kernel, mask in masks if not mask.all()]

    def on_train_batch_end(self, batch, logs=None) -> None:
        for kernel, mask in self._masks:
            kernel.assign(kernel * mask)


def _kernels(model) -> dict:
    """Prunable kernel variables by layer name. Wrappers of quantization replace a layer's attribute, but not its
    variable's name."""
    return {
        variable.name.split("/")[-2]: variable
        for variable in model.trainable_variables
        if variable.name.endswith("/kernel:0") and variable.shape.num_elements() >= LEAST_WEIGHTS
    }
