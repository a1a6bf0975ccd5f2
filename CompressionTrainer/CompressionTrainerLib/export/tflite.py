"""Keras networks as TFLite files: float32, int8 throughout, and what lies between."""

from __future__ import annotations

import warnings

import numpy as np
from LiverTumorLib.errors import ModelError

from ..networks.keras_module import tf
from ..networks.tflite_file import float_tensors
from ..stopping import stops_at_once

# float16 halves the file; "dynamic" stores the weights in int8 and computes with floats; int16x8 has int8 weights and
# 16-bit activations; int8-float-io is int8 inside and takes and gives floats.
VARIANTS = ("float32", "float16", "dynamic", "int16x8", "int8-float-io", "int8")

_CALIBRATED = {
    "int16x8": tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
    "int8-float-io": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
    "int8": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
}


def tflite(model, variant: str, samples: np.ndarray | None = None) -> bytes:
    """The network as a TFLite file, batch size 1.

    Args:
        model: flat functional Keras model; one of quantization-aware training brings its ranges along and becomes int8.
        variant: one of VARIANTS.
        samples: for int16x8 and int8 of a plain float model (post-training quantization), float32 (n, rows, columns, 3)
            in [-1, 1], what the network will see; only ranges are taken from them.

    Raises:
        ModelError: a float tensor was left in a variant that is to compute with integers only.
    """
    shape = (1, *model.input_shape[1:])
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
    # By way of a frozen graph: the same network as by a SavedModel, in a twentieth of the time, and no temporary folder
    # that a stop leaves.
    converter.experimental_lower_to_saved_model = False
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant in _CALIBRATED and samples is not None:
        converter.representative_dataset = lambda: ([sample[None].astype(np.float32)] for sample in samples)
        converter.target_spec.supported_ops = [_CALIBRATED[variant]]
    if variant == "int8":
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with stops_at_once(), warnings.catch_warnings():
        # Those of the input are in the fake quantization that begins a quantization-aware network.
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected", category=UserWarning)
        content = converter.convert()
    left = float_tensors(content, ends=variant == "int8") if variant in _CALIBRATED else []
    if left:
        raise ModelError(
            f"The converted network still has float tensors ({', '.join(left[:3])}); it would not run in integers."
        )
    return content


def float_tflite(model) -> bytes:
    """The network with float32 weights, inputs and outputs; see `tflite`."""
    return tflite(model, "float32")


def int8_tflite(model, samples: np.ndarray | None = None) -> bytes:
    """The network in int8 throughout, inputs and outputs too; see `tflite`."""
    return tflite(model, "int8", samples)
