"""Keras networks as TFLite files: float32, and int8 throughout."""

from __future__ import annotations

import numpy as np
from LiverTumorLib.errors import ModelError

from ..networks.keras_module import tf


def float_tflite(model) -> bytes:
    """The network with float32 weights, inputs and outputs, batch size 1."""
    return _converter(model).convert()


def int8_tflite(model, samples: np.ndarray | None = None) -> bytes:
    """The network in int8 throughout, inputs and outputs too.

    Args:
        model: flat functional Keras model; one of quantization-aware training brings its ranges along.
        samples: for a plain float model (post-training quantization), float32 (n, rows, columns, 3) in [-1, 1], what the
            network will see; only ranges are taken from them.

    Raises:
        ModelError: a float tensor was left.
    """
    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if samples is not None:
        converter.representative_dataset = lambda: ([sample[None].astype(np.float32)] for sample in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    content = converter.convert()
    left = float_tensors(content)
    if left:
        raise ModelError(f"The converted network still has float tensors ({', '.join(left[:3])}); it would not run in int8.")
    return content


def float_tensors(content: bytes) -> list[str]:
    """Names of the floating-point tensors of a TFLite file."""
    interpreter = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=_PLAIN)
    return [tensor["name"] for tensor in interpreter.get_tensor_details() if np.issubdtype(tensor["dtype"], np.floating)]


# Without delegates: they would add tensors of their own to the list.
_PLAIN = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def _converter(model):
    shape = (1, *model.input_shape[1:])
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    return tf.lite.TFLiteConverter.from_concrete_functions([function], model)
