"""MobileNetV2 (Sandler et al., CVPR 2018) as backbone and as slice classifier, with ImageNet weights from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .heads import classifier

# Keras' MobileNetV2 says 0.999: statistics as old as a thousand steps, more than these runs' epochs have.
BATCH_NORM_MOMENTUM = 0.98


BLOCKS = 17  # bottlenecks of MobileNetV2
BLOCKS_OF_16 = (8, 13)  # after so many of them, from the first number to the second, the map is at 1/16


def backbone(keras, size: tuple[int, int], width: float = 1.0, stride: int = 32, blocks: int = BLOCKS):
    """MobileNetV2 without its head for (rows, columns, 3) inputs scaled to [-1, 1], random weights.

    The last feature map is at 1 / `stride` of the input: 32, or 16, which leaves the last reduction out and sees finer
    detail. Fewer `blocks` leave the last bottlenecks out, most of the weights, and the 1x1 convolution after them.
    """
    base = keras.applications.MobileNetV2(input_shape=(*size, 3), alpha=width, include_top=False, weights=None)
    if stride == 16:
        base = keras.models.clone_model(base, clone_function=_without_last_reduction)
    if blocks < BLOCKS:
        last = [layer for layer in base.layers if layer.name.startswith(f"block_{blocks - 1}_")][-1]
        base = keras.Model(base.input, last.output)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    return base


def _without_last_reduction(layer):
    config = layer.get_config()
    if layer.name == "block_13_pad":
        config["padding"] = 1  # as before the convolutions that do not reduce
    elif layer.name == "block_13_depthwise":
        config["strides"] = 1
    return type(layer).from_config(config)


def mobilenet_v2_classifier(
    keras,
    size: tuple[int, int],
    width: float = 1.0,
    dropout: float = 0.2,
    head: str = "cells",
    stride: int = 32,
    blocks: int = BLOCKS,
):
    """Tumor / no tumor for one slice; see `backbone`, and `heads.classifier`, which says what the outputs are."""
    return classifier(keras, backbone(keras, size, width, stride, blocks), dropout, head, "mobilenet_v2")


def load_imagenet(model, path: str | Path) -> int:
    """Fill a width-1.0 MobileNetV2 (or a network that holds its first blocks) with ImageNet weights; returns the layers
    filled.

    The file holds, by Keras layer name, kernels with the batch norm folded in and "<batch norm>/bias". A folded batch
    norm is the identity plus its bias: gamma 1, mean 0, variance 1 - epsilon, beta the bias.

    Raises:
        ValueError: a layer's shape differs (another width), or nothing matched.
    """
    filled = 0
    with np.load(path) as weights:
        for layer in model.layers:
            values = _folded_values(layer, weights)
            if values is None:
                continue
            if any(old.shape != new.shape for old, new in zip(layer.get_weights(), values, strict=True)):
                raise ValueError(
                    f"{path}: layer {layer.name} has another shape there; the ImageNet weights are for width 1.0"
                )
            layer.set_weights(values)
            filled += 1
    if not filled:
        raise ValueError(f"{path}: no layer of this network is in the file")
    return filled


def freeze_imagenet(model, path: str | Path) -> None:
    """Hold the layers that `load_imagenet` fills from that file as they are, batch statistics included."""
    with np.load(path) as weights:
        for layer in model.layers:
            layer.trainable = _folded_values(layer, weights) is None


def _folded_values(layer, weights) -> list[np.ndarray] | None:
    if layer.name in weights and not hasattr(layer, "epsilon"):
        kernel = weights[layer.name]
        if kernel.ndim != len(layer.get_weights()[0].shape):
            return None  # the ImageNet head, whose Dense shape is another task's
        return [kernel]
    if f"{layer.name}/bias" in weights and hasattr(layer, "epsilon"):
        return folded_batch_norm(layer, weights[f"{layer.name}/bias"])
    return None


def folded_batch_norm(layer, bias: np.ndarray) -> list[np.ndarray]:
    """The values of a batch norm that is folded into the layer before it: the identity plus its bias."""
    return [np.ones_like(bias), bias, np.zeros_like(bias), np.full_like(bias, 1 - layer.epsilon)]


def reestimate_batch_norm(keras, model, batch: np.ndarray) -> None:
    """Give folded batch norms the statistics of `batch` without changing what the network computes.

    A folded batch norm passes x through as x + bias. With the batch's own mean m and variance v, gamma = sqrt(v + eps)
    and beta = bias + m compute the same, and the layer can then train like any other. Done layer by layer from the
    input on one forward pass, which the unchanged function makes valid.
    """
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    probe = keras.Model(model.input, [layer.input for layer in norms])
    for layer, x in zip(norms, probe.predict(batch, verbose=0), strict=True):
        x = x.astype(np.float32)  # a network in mixed precision gives half of that
        gamma, beta, mean, variance = layer.get_weights()
        new_mean, new_variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2)) + 1e-4
        slope = gamma / np.sqrt(variance + layer.epsilon)
        new_gamma = slope * np.sqrt(new_variance + layer.epsilon)
        layer.set_weights([new_gamma, beta + slope * (new_mean - mean), new_mean, new_variance])
