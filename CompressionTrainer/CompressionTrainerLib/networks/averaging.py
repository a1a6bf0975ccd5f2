"""What follows from an average of the weights that a network had while it trained (Izmailov et al., "Averaging Weights
Leads to Wider Optima and Better Generalization", UAI 2018); the optimizer keeps the average.
"""

from __future__ import annotations

from collections.abc import Iterable

from .keras_module import keras


def take_average(model, batches: Iterable) -> None:
    """Give a compiled model the average that its optimizer has kept, and its batch norms the mean statistics of
    `batches`, (images, targets), under these weights: those from training belong to other weights."""
    model.optimizer.finalize_variable_values(model.trainable_variables)
    norms = [layer for layer in model.submodules if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for number, (images, _) in enumerate(batches, start=1):
        for norm in norms:
            norm.momentum = 1 - 1 / number  # the mean of all batches so far
        model(images, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
