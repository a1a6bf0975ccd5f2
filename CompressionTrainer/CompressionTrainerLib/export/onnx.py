"""The ONNX twin of a bundle's TFLite file: the same int8 weights and roundings, for ONNX Runtime.

Made from the TFLite file, not from the Keras network, so that any bundle can get one and nothing is quantized a second
time. Measured on phantom slices with the first bundles (0.1.0; those of the present ones are in their manifests), mean
and worst difference of the probability from LiteRT (XNNPACK):

    liver 0.0003, 0.48   tumor 0.0053, 0.26   slice 0.0060, 0.027   this twin
    liver 0.0003, 0.34   tumor 0.0060, 0.36   slice 0.0166, 0.055   LiteRT without XNNPACK, the same file
    liver 0.0011, 0.47   tumor 0.0099, 0.39   slice 0.0102, 0.044   float ONNX with the same weights and no roundings

so the twin is as near to LiteRT as LiteRT's own kernels are to each other, and as small as the TFLite file. A single
rounding that falls the other way, early in the network, is what the worst differences come from; no route but the same
kernels avoids those.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from LiverTumorLib.ct.canvas import InputSpec, lay_canvas, neighbor_channels, network_slices
from LiverTumorLib.errors import ModelError
from LiverTumorLib.models.bundle import MODEL, ONNX, load_bundle, write_bundle
from LiverTumorLib.models.runtimes import LiteRT, OnnxRuntime
from LiverTumorLib.phantom import make_phantom

OPSET = 17  # old enough for the last ONNX Runtime for Intel macOS (1.23), and has all that these networks need
# A twin that strays further from the TFLite file (mean difference of the probability) was converted wrongly.
TOLERANCE = 0.02


def add_twin(folder: Path) -> dict:
    """Write model.onnx into a bundle's folder and into its manifest, after comparing it with model.tflite on slices of
    a phantom.

    Returns:
        the manifest's entry of the file, with "mean_difference" and "worst_difference" of the probabilities.

    Raises:
        ModelError: no bundle, a damaged one, a network that does not convert, or a twin that does not answer as the
          original.
        OutputError: the folder cannot be written.
    """
    bundle = load_bundle(folder)
    bundle.verify()
    original, twin = bundle.model.read_bytes(), onnx_twin(bundle.model)
    differences = compare(original, twin, phantom_slices(bundle.manifest.input))
    if differences["mean_difference"] > TOLERANCE:
        raise ModelError(
            f"The ONNX twin of {bundle.model} does not give the results of the original ({differences}); nothing was "
            "written."
        )
    entry = {"quantization": bundle.manifest.files[MODEL].get("quantization", "unknown"), **differences}
    manifest = replace(bundle.manifest, files={**bundle.manifest.files, ONNX: entry})
    return write_bundle(folder, manifest, {MODEL: original, ONNX: twin}).manifest.files[ONNX]


def onnx_twin(model: Path) -> bytes:
    """A TFLite file as an ONNX file that takes and gives floats: input "image" (1, rows, columns, 3), outputs in the
    file's order.

    Raises:
        ModelError: there is an operator that does not convert.
    """
    # tf2onnx imports TensorFlow, whose settings must stand before.
    from ..networks.keras_module import tf  # noqa: F401, I001

    import onnx
    import tf2onnx
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter is deprecated", category=UserWarning)
        try:
            interpreter = Interpreter(str(model))
            converted, _ = tf2onnx.convert.from_tflite(str(model), opset=OPSET)
        except (ValueError, RuntimeError, AssertionError) as error:
            raise ModelError(f"{model} does not convert to ONNX ({error}).") from error
    _take_and_give_floats(converted.graph, interpreter.get_input_details()[0], interpreter.get_output_details())
    try:
        onnx.checker.check_model(converted, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"{model} does not convert to ONNX ({error}).") from error
    return converted.SerializeToString()


def compare(original: bytes, twin: bytes, images: list[np.ndarray]) -> dict[str, float]:
    """Mean and worst difference of all outputs of a TFLite file and its twin on float32 images (rows, columns, 3)."""
    networks = LiteRT(original), OnnxRuntime(twin)
    answers = [
        np.concatenate([np.ravel(output) for image in images for output in network.run(image)]) for network in networks
    ]
    difference = np.abs(answers[0] - answers[1])
    return {
        "mean_difference": round(float(difference.mean()), 6),
        "worst_difference": round(float(difference.max()), 6),
    }


def phantom_slices(spec: InputSpec, count: int = 12) -> list[np.ndarray]:
    """Slices of a phantom through its liver as a network of this input sees them, float32 (rows, columns, 3) in [-1,
    1]."""
    volume, labels = make_phantom(shape=(50, 192, 192))
    canvas, offset_hu = lay_canvas(spec, volume, labels)
    images = network_slices(volume, canvas, spec.window_hu, offset_hu=offset_hu, filters=spec.filters)
    inside = np.flatnonzero(labels.any(axis=(1, 2)))
    shown = inside[np.linspace(0, len(inside) - 1, count).astype(int)]
    offset = spec.neighbor_mm / float(volume.spacing[2])
    return [neighbor_channels(images, k, offset).astype(np.float32) / 127.5 - 1 for k in shown]


def _take_and_give_floats(graph, image: dict, outputs: list[dict]) -> None:
    """Put the int8 file's scales, which tf2onnx drops at both ends, into the ONNX graph; the ends are described as
    LiteRT does."""
    from onnx import TensorProto, helper, numpy_helper

    def quantized(end: dict) -> list[str]:
        scale, zero = end["quantization"]
        names = [f"{end['name']}/scale", f"{end['name']}/zero_point"]
        values = np.array(scale, np.float32), np.array(zero, end["dtype"])
        graph.initializer.extend(
            numpy_helper.from_array(value, name) for value, name in zip(values, names, strict=True)
        )
        return names

    if image["quantization"][0]:
        graph.node.insert(0, helper.make_node("QuantizeLinear", ["image", *quantized(image)], [image["name"]]))
    else:
        graph.node.insert(0, helper.make_node("Identity", ["image"], [image["name"]]))
    del graph.input[:], graph.output[:]
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, image["shape"].tolist()))
    for number, output in enumerate(outputs):
        name = f"output_{number}"
        if output["quantization"][0]:
            graph.node.append(helper.make_node("DequantizeLinear", [output["name"], *quantized(output)], [name]))
        else:
            graph.node.append(helper.make_node("Identity", [output["name"]], [name]))
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, output["shape"].tolist()))
