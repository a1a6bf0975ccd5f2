"""Structured pruning: whole channels leave, and a smaller dense network remains, which every runtime computes faster.

A channel may leave where it is made by one convolution, passes layers that treat channels one by one, and is read by
one convolution or dense layer: the expansion channels of inverted residual blocks above all. The channels whose kernels
are weakest go first (Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017), weighed by the scale of the batch
norm before them (Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", ICCV 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from LiverTumorLib.errors import UsageError

from .keras_module import keras

MULTIPLE = 8  # of channels, which is what the kernels of the runtimes are laid out for

_LAYERS = keras.layers
_CHANNELWISE = (
    _LAYERS.BatchNormalization,
    _LAYERS.ReLU,
    _LAYERS.Activation,
    _LAYERS.Dropout,
    _LAYERS.ZeroPadding2D,
    _LAYERS.DepthwiseConv2D,
    _LAYERS.MaxPooling2D,
    _LAYERS.UpSampling2D,
    _LAYERS.GlobalAveragePooling2D,
)


@dataclass(frozen=True)
class ChannelPath:
    """Layers that channels live in: the convolution that makes them, what they pass, and the layer that reads them."""

    maker: Any
    passed: list[Any]
    reader: Any


def channel_paths(model) -> list[ChannelPath]:
    """All paths of channels in a flat functional model whose channels can leave without any other layer noticing.

    Paths without an activation, the linear bottlenecks, are narrow by design and left alone.
    """
    inside, outputs = set(map(id, model.layers)), set(model.output_names)
    found = []
    for maker in filter(_makes_channels, model.layers):
        passed: list[Any] = []
        layer = maker
        while layer.name not in outputs:
            readers = [node.layer for node in layer.outbound_nodes if id(node.layer) in inside]
            if len(readers) != 1:
                break
            layer = readers[0]
            if _makes_channels(layer) or isinstance(layer, _LAYERS.Dense):
                if any(map(_activates, [maker, *passed])):
                    found.append(ChannelPath(maker, passed, layer))
                break
            if not isinstance(layer, _CHANNELWISE):
                break
            passed.append(layer)
    return found


def strongest_channels(model, removed: float, stride: int | None = None) -> dict[str, np.ndarray]:
    """For each path, by its maker's name, the sorted numbers of the channels that stay when the weakest `removed` go.

    What stays is a multiple of MULTIPLE, and at least that; a path that has no more is left out. Where `stride` is
    given, so is one whose convolution makes maps of fewer rows than the input's by more than this factor.
    """
    kept = {}
    for path in channel_paths(model):
        if stride and path.maker.output_shape[1] * stride < model.input_shape[1]:
            continue
        kernel = path.reader.kernel.numpy()
        strength = np.abs(kernel).sum(axis=tuple(axis for axis in range(kernel.ndim) if axis != kernel.ndim - 2))
        norms = [layer for layer in path.passed if isinstance(layer, _LAYERS.BatchNormalization)]
        if norms:
            strength = strength * np.abs(norms[-1].gamma.numpy())
        count = max(MULTIPLE, round(len(strength) * (1 - removed) / MULTIPLE) * MULTIPLE)
        if count < len(strength):
            kept[path.maker.name] = np.sort(np.argsort(-strength, kind="stable")[:count])
    return kept


def with_channels(model, channels: dict[str, int]):
    """The network of `model` with other numbers of channels, by the name of the convolution that makes them; new
    weights.

    Raises:
        UsageError: there is no such convolution.
    """
    if unknown := sorted(channels.keys() - {layer.name for layer in model.layers if _makes_channels(layer)}):
        raise UsageError(f"'channels' names {unknown[0]!r}, but this network has no convolution of that name.")

    def resized(layer):
        config = layer.get_config()
        if layer.name in channels:
            config["filters"] = channels[layer.name]
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=resized)


def without_channels(model, kept: dict[str, np.ndarray]):
    """The smaller network with only the channels `kept` (as `strongest_channels` gives them), and the weights of
    `model`."""
    made: dict[str, np.ndarray] = {}
    passed: dict[str, np.ndarray] = {}
    read: dict[str, np.ndarray] = {}
    for path in channel_paths(model):
        if (numbers := kept.get(path.maker.name)) is not None:
            made[path.maker.name] = read[path.reader.name] = numbers
            passed |= {layer.name: numbers for layer in path.passed}
    smaller = with_channels(model, {name: len(numbers) for name, numbers in kept.items()})
    for old, new in zip(model.layers, smaller.layers, strict=True):
        values = old.get_weights()
        if old.name in passed:  # batch norms, and depthwise kernels (rows, columns, channels, 1)
            values = [np.take(value, passed[old.name], axis=max(value.ndim - 2, 0)) for value in values]
        if old.name in read:
            values = [np.take(values[0], read[old.name], axis=-2), *values[1:]]
        if old.name in made:
            values = [np.take(value, made[old.name], axis=-1) for value in values]
        new.set_weights(values)
    return smaller


def _activates(layer) -> bool:
    return (
        isinstance(layer, _LAYERS.ReLU)
        or getattr(layer, "activation", keras.activations.linear) is not keras.activations.linear
    )


def _makes_channels(layer) -> bool:
    return isinstance(layer, _LAYERS.Conv2D) and not isinstance(layer, _LAYERS.DepthwiseConv2D)
