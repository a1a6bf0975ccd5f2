"""What is in a TFLite file: its weights, how many of them are zero, and which tensors are floats. Needs LiteRT only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Operators whose second input is a kernel, and how its axes lie in Keras.
_KERAS_AXES = {
    "CONV_2D": (1, 2, 3, 0),
    "DEPTHWISE_CONV_2D": (1, 2, 3, 0),
    "TRANSPOSE_CONV": (1, 2, 0, 3),
    "FULLY_CONNECTED": (1, 0),
}


@dataclass(frozen=True)
class Kernel:
    """The kernel of one layer of a TFLite file: its operator, its size and how many of its weights are zero.

    `shape` is (outputs, rows, columns, inputs), of a depthwise kernel (1, rows, columns, channels); () where it is not known.
    """

    name: str
    operator: str
    dtype: str
    weights: int
    zeros: int
    shape: tuple[int, ...] = ()

    @property
    def sparsity(self) -> float:
        return self.zeros / self.weights


def float_tensors(content: bytes, ends: bool = True) -> list[str]:
    """Names of the floating-point tensors of a TFLite file; its inputs and outputs count where `ends` is true."""
    interpreter = _interpreter(content)
    outer = [] if ends else [end["index"] for end in interpreter.get_input_details() + interpreter.get_output_details()]
    tensors = [tensor for tensor in interpreter.get_tensor_details() if tensor["index"] not in outer]
    return [tensor["name"] for tensor in tensors if np.issubdtype(tensor["dtype"], np.floating)]


def kernels(content: bytes) -> list[Kernel]:
    """The kernels of a TFLite file in the order of its operators; a kernel that two operators share comes once."""
    return list(_kernels_by_output(_interpreter(content)).values())


def keras_weights(content: bytes) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Kernel, its axes as in Keras, and bias of each layer of a TFLite file, as floats, by the name of the kernel's tensor.

    What conversion folded into them, a batch norm, is in them; what it rounded stays rounded. The bias is None where there is none.
    """
    interpreter = _interpreter(content)
    details = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    operators, found = interpreter._get_ops_details(), {}
    stored_at = _stored_at(operators)

    def values(index: int) -> np.ndarray:
        index = stored_at.get(index, index)
        scheme, stored = details[index]["quantization_parameters"], interpreter.get_tensor(index)
        if not len(scheme["scales"]):
            return stored.astype(np.float32)
        return dequantized(stored, scheme["scales"], scheme["zero_points"], scheme["quantized_dimension"])

    for operator in operators:
        if operator["op_name"] in _KERAS_AXES:
            kernel, bias = operator["inputs"][1], operator["inputs"][3 if operator["op_name"] == "TRANSPOSE_CONV" else 2 :]
            kernel_values = values(kernel).transpose(_KERAS_AXES[operator["op_name"]])
            found[details[kernel]["name"]] = kernel_values, values(bias[0]) if len(bias) and bias[0] >= 0 else None
    return found


def dequantized(stored: np.ndarray, scales: np.ndarray, zeros: np.ndarray, axis: int) -> np.ndarray:
    """The numbers, float32, that stored integers stand for; `scales` and `zeros` (zero points) are one, or one for each place on `axis`."""
    along = [1] * stored.ndim
    along[axis] = -1
    return ((stored.astype(np.int64) - np.reshape(zeros, along)) * np.reshape(scales, along)).astype(np.float32)


def residual_block(content: bytes) -> list[Kernel]:
    """The kernels of the first block of a TFLite file with a shortcut around it, as inverted residual blocks have one (Sandler et al.,
    CVPR 2018), in their order; none where no layers are added to what they began from."""
    interpreter = _interpreter(content)
    operators, made = interpreter._get_ops_details(), _kernels_by_output(interpreter)
    maker = {output: operator for operator in operators for output in operator["outputs"]}
    for operator in operators:
        if operator["op_name"] != "ADD":
            continue
        for begin, end in (operator["inputs"], operator["inputs"][::-1]):
            path = [end]
            while path[-1] != begin and path[-1] in maker:
                path.append(maker[path[-1]]["inputs"][0])
            if path[-1] == begin:
                return [made[tensor] for tensor in reversed(path[:-1]) if tensor in made]
    return []


def sparsity(kernels: list[Kernel], depthwise: bool = False) -> float:
    """Share of zeros over kernels; depthwise kernels, which pruning leaves alone, count only where asked for."""
    counted = [kernel for kernel in kernels if depthwise or kernel.operator != "DEPTHWISE_CONV_2D"]
    return sum(kernel.zeros for kernel in counted) / max(sum(kernel.weights for kernel in counted), 1)


def _interpreter(content: bytes):
    """An interpreter that only reads: no delegate, which would add tensors of its own, and no memory for activations."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    return Interpreter(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)


def _stored_at(operators: list[dict]) -> dict[int, int]:
    """Where the values of an unpacked tensor (float16) lie, by its number."""
    return {operator["outputs"][0]: operator["inputs"][0] for operator in operators if operator["op_name"] == "DEQUANTIZE"}


def _kernels_by_output(interpreter) -> dict[int, Kernel]:
    """Kernels by the number of the tensor that they make."""
    details = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    operators, seen, found = interpreter._get_ops_details(), set(), {}  # has no public twin
    stored_at = _stored_at(operators)
    for operator in operators:
        if operator["op_name"] in _KERAS_AXES:
            index = stored_at.get(operator["inputs"][1], operator["inputs"][1])
            if index in seen:
                continue
            seen.add(index)
            values, scheme = interpreter.get_tensor(index), details[index]["quantization_parameters"]
            zero = np.int64(scheme["zero_points"][0]) if len(scheme["zero_points"]) else 0
            zeros = int(np.count_nonzero(values == zero))
            kernel = Kernel(details[index]["name"], operator["op_name"], str(values.dtype), values.size, zeros, values.shape)
            found[operator["outputs"][0]] = kernel
    return found
