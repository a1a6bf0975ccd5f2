"""Quantization-aware training (Jacob et al., CVPR 2018): the network learns with the rounding of int8 in place."""

from __future__ import annotations

import numpy as np
import tensorflow_model_optimization as tfmot
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_registry,
    default_8bit_quantize_scheme,
    default_8bit_quantizers,
)

from .keras_module import keras, tf

# Share of a layer's values that its range leaves out at either end: a few outliers would cost all others their
# resolution.
OUTLIERS = 1e-5


class DepthwiseWeightsQuantizer(default_8bit_quantizers.Default8BitConvWeightsQuantizer):
    """Eight bits for every channel of a depthwise kernel (rows, columns, channels, 1).

    tfmot gives a depthwise kernel one scale for all channels, which in MobileNetV2 leaves most channels a few levels;
    the TFLite kernels take one scale a channel.
    """

    def build(self, tensor_shape, name, layer):
        rows, columns, channels, multiplier = tensor_shape
        return super().build(tf.TensorShape((rows, columns, multiplier, channels)), name, layer)

    def __call__(self, inputs, training, weights, **kwargs):
        turned = super().__call__(tf.transpose(inputs, (0, 1, 3, 2)), training, weights, **kwargs)
        return tf.transpose(turned, (0, 1, 3, 2))


class DepthwiseQuantizeConfig(default_8bit_quantize_registry.Default8BitQuantizeConfig):
    """tfmot's own for depthwise convolutions, with one scale a channel."""

    def __init__(self, weight_attrs, activation_attrs, quantize_output) -> None:
        super().__init__(weight_attrs, activation_attrs, quantize_output)
        self.weight_quantizer = DepthwiseWeightsQuantizer()


class PerChannelRegistry(default_8bit_quantize_registry.Default8BitQuantizeRegistry):
    """tfmot's rules, with one scale a channel for depthwise kernels too."""

    def get_quantize_config(self, layer):
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            return DepthwiseQuantizeConfig(["depthwise_kernel"], ["activation"], False)
        return super().get_quantize_config(layer)


class PerChannelScheme(default_8bit_quantize_scheme.Default8BitQuantizeScheme):
    """tfmot's eight-bit scheme with `PerChannelRegistry`."""

    def get_quantize_registry(self):
        return PerChannelRegistry()


def quantization_aware(model):
    """A copy of a flat functional model with fake quantization of weights (per channel) and activations.

    Train it only after `start_ranges`, or load weights that were trained so.
    """
    with keras.utils.custom_object_scope({"DepthwiseQuantizeConfig": DepthwiseQuantizeConfig}):
        annotated = tfmot.quantization.keras.quantize_annotate_model(model)
        return tfmot.quantization.keras.quantize_apply(annotated, PerChannelScheme())


def start_ranges(aware, model, samples: np.ndarray) -> None:
    """Start the activation ranges of a quantization-aware network where the float network's activations lie.

    tfmot starts every range at -6..6 and lets it follow the data by a thousandth a step, so that a short fine-tuning
    would end with ranges that clip what they should hold.

    Args:
        aware: what `quantization_aware` made of `model`.
        model: the trained float network.
        samples: float32 (n, rows, columns, 3) in [-1, 1], what the network will see.
    """
    variables = {variable.name.split(":")[0]: variable for variable in aware.variables}
    for name, (low, high) in _activation_ranges(model, samples).items():
        for kind in ("output", "post_activation"):
            if f"quant_{name}/{kind}_min" in variables:
                variables[f"quant_{name}/{kind}_min"].assign(low)
                variables[f"quant_{name}/{kind}_max"].assign(high)
    for name, variable in variables.items():
        if name.startswith("quantize_layer") and name.endswith(("_min", "_max")):  # of the network's input
            variable.assign(samples.min() if name.endswith("_min") else samples.max())


def copy_float_weights(aware, model) -> None:
    """Put the weights that quantization-aware training has learned into the plain float model of the same
    architecture."""
    # tfmot's wrappers take the variables from the layers they wrap; only the names, "layer/variable", stay.
    trained = {_short_name(variable): variable for variable in aware.variables}
    for variable in model.variables:
        variable.assign(trained[_short_name(variable)])


def _activation_ranges(model, samples: np.ndarray) -> dict[str, tuple[float, float]]:
    """Smallest and largest output of every layer, outliers left out; always a range that holds 0, as int8 needs."""
    layers = [layer for layer in model.layers if layer.output is not model.input]
    probe = keras.Model(model.input, [layer.output for layer in layers])
    lows, highs = [], []
    for start in range(0, len(samples), 8):
        outputs = probe(samples[start : start + 8], training=False)
        # A seventh is plenty.
        ends = [np.quantile(np.ravel(output)[::7], [OUTLIERS, 1 - OUTLIERS]) for output in outputs]
        lows.append([low for low, _ in ends])
        highs.append([high for _, high in ends])
    pairs = zip(layers, np.min(lows, axis=0), np.max(highs, axis=0), strict=True)
    return {layer.name: (min(float(low), 0.0), max(float(high), 1e-3)) for layer, low, high in pairs}


def _short_name(variable) -> str:
    return "/".join(variable.name.split("/")[-2:])
