"""What is in a TFLite file: which tensors are floats, and how many weights are zero. Needs LiteRT only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Operators whose second input is a kernel.
_KERNEL_OPERATORS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


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


def _kernels_by_output(interpreter) -> dict[int, Kernel]:
    """Kernels by the number of the tensor that they make."""
    details = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    stored, seen, found = {}, set(), {}  # stored: where the values of an unpacked kernel (float16) lie
    for operator in interpreter._get_ops_details():  # has no public twin
        if operator["op_name"] == "DEQUANTIZE":
            stored[operator["outputs"][0]] = operator["inputs"][0]
        if operator["op_name"] in _KERNEL_OPERATORS:
            index = stored.get(operator["inputs"][1], operator["inputs"][1])
            if index in seen:
                continue
            seen.add(index)
            values, scheme = interpreter.get_tensor(index), details[index]["quantization_parameters"]
            zero = np.int64(scheme["zero_points"][0]) if len(scheme["zero_points"]) else 0
            zeros = int(np.count_nonzero(values == zero))
            kernel = Kernel(details[index]["name"], operator["op_name"], str(values.dtype), values.size, zeros, values.shape)
            found[operator["outputs"][0]] = kernel
    return found
