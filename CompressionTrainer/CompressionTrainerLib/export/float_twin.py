"""The float twin of a bundle: the network of its int8 TFLite file with the same weights and no roundings between its
layers.

Made from the file itself, so that anyone can measure what int8 arithmetic costs a model, without the run that it was
trained in. The weights are those that int8 knows; what rounding them cost is in both. `export` leaves a twin with the
weights as they were trained beside the run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from LiverTumorLib.errors import ModelError, OutputError, RequirementError
from LiverTumorLib.models.bundle import MANIFEST, MODEL, Bundle, write_bundle

from ..networks.tflite_file import dequantized

_IDENTIFIER = b"TFL3"  # of TFLite files


def write_float_twin(bundle: Bundle, out: Path) -> Bundle:
    """Write the float twin of a bundle as a bundle of its own, `out`, which must hold none yet.

    Raises:
        ModelError: the bundle is damaged, or float already.
        OutputError: there is a bundle, or the folder cannot be written.
        RequirementError: LiteRT, which knows the file's format, is not installed.
    """
    if (out / MANIFEST).exists():
        raise OutputError(f"{out} holds a model already; choose another folder.")
    bundle.verify()
    try:
        content = float_twin(bundle.model.read_bytes())
    except ValueError as error:
        raise ModelError(f"{bundle.model} has no float twin: {error}.") from error
    except ImportError as error:
        raise RequirementError("Making a float twin needs LiteRT: pip install ai-edge-litert.") from error
    entry = {MODEL: {"quantization": "none (float32, the weights of the int8 file)"}}
    return write_bundle(out, replace(bundle.manifest, files=entry), {MODEL: content})


def float_twin(content: bytes) -> bytes:
    """An int8 TFLite file as a float32 one; raises ValueError where it holds no number that is quantized."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    [graph] = model.subgraphs
    quantized = [
        tensor for tensor in graph.tensors if tensor.quantization is not None and tensor.quantization.scale is not None
    ]
    if not quantized:
        raise ValueError("none of its numbers is quantized")
    types = {schema.TensorType.INT8: np.int8, schema.TensorType.UINT8: np.uint8, schema.TensorType.INT32: np.int32}
    for tensor in quantized:
        buffer = model.buffers[tensor.buffer]
        if buffer.data is not None and len(buffer.data):
            stored = np.asarray(buffer.data, np.uint8).view(types[tensor.type]).reshape(tensor.shape)
            scheme = tensor.quantization
            values = dequantized(stored, scheme.scale, scheme.zeroPoint, scheme.quantizedDimension)
            buffer.data = values.ravel().view(np.uint8)
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
    roundings = {schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE}
    _leave_out(graph, [op for op in graph.operators if model.operatorCodes[op.opcodeIndex].builtinCode in roundings])
    builder = flatbuffers.Builder(len(content) * 4)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def _leave_out(graph, operators: list) -> None:
    """Take operators that only hand a tensor on out of a graph; its inputs and outputs stay what they were."""
    stands_for: dict[int, int] = {}
    for operator in operators:
        taken, given = int(operator.inputs[0]), int(operator.outputs[0])
        taken = stands_for.get(taken, taken)
        keep, gone = (given, taken) if given in graph.outputs else (taken, given)
        stands_for = {name: keep if other == gone else other for name, other in stands_for.items()} | {gone: keep}
    graph.operators = [operator for operator in graph.operators if operator not in operators]
    for operator in graph.operators:
        operator.inputs = [stands_for.get(int(index), int(index)) for index in operator.inputs]
        operator.outputs = [stands_for.get(int(index), int(index)) for index in operator.outputs]
