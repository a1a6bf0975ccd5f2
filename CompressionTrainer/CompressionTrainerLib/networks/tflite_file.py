"""What is in a TFLite file: its weights, how many of them are zero, and which tensors are floats. Needs LiteRT's schema
only."""

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

_NUMBERS = {
    "FLOAT32": np.float32,
    "FLOAT16": np.float16,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
}


@dataclass(frozen=True)
class Kernel:
    """The kernel of one layer of a TFLite file: its operator, its size and how many of its weights are zero.

    `shape` is (outputs, rows, columns, inputs), of a depthwise kernel (1, rows, columns, channels); () where it is not
    known.
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
    graph = _Graph(content)
    outer = set() if ends else graph.ends
    return [
        graph.name(index)
        for index in range(graph.tensors)
        if index not in outer and graph.type(index).startswith("FLOAT")
    ]


def kernels(content: bytes) -> list[Kernel]:
    """The kernels of a TFLite file in the order of its operators; a kernel that two operators share comes once."""
    return list(_kernels_by_output(_Graph(content)).values())


def keras_weights(content: bytes) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Kernel, its axes as in Keras, and bias of each layer of a TFLite file, as floats, by the name of the kernel's
    tensor.

    What conversion folded into them, a batch norm, is in them; what it rounded stays rounded. The bias is None where
    there is none.
    """
    graph, found = _Graph(content), {}

    def values(index: int) -> np.ndarray:
        index = graph.stored_at(index)
        scheme, stored = graph.quantization(index), graph.values(index)
        return stored.astype(np.float32) if scheme is None else dequantized(stored, *scheme)

    for operator in graph.operators:
        if operator.name in _KERAS_AXES:
            kernel, bias = operator.inputs[1], operator.inputs[3 if operator.name == "TRANSPOSE_CONV" else 2 :]
            kernel_values = values(kernel).transpose(_KERAS_AXES[operator.name])
            found[graph.name(kernel)] = kernel_values, values(bias[0]) if bias and bias[0] >= 0 else None
    return found


def dequantized(stored: np.ndarray, scales: np.ndarray, zeros: np.ndarray, axis: int) -> np.ndarray:
    """The numbers, float32, that stored integers stand for; `scales` and `zeros` (zero points) are one, or one for each
    place on `axis`."""
    along = [1] * stored.ndim
    along[axis] = -1
    return ((stored.astype(np.int64) - np.reshape(zeros, along)) * np.reshape(scales, along)).astype(np.float32)


def residual_block(content: bytes) -> list[Kernel]:
    """The kernels of the first block of a TFLite file with a shortcut around it, as inverted residual blocks have one
    (Sandler et al., CVPR 2018), in their order; none where no layers are added to what they began from."""
    graph = _Graph(content)
    made = _kernels_by_output(graph)
    maker = {output: operator for operator in graph.operators for output in operator.outputs}
    for operator in graph.operators:
        if operator.name != "ADD":
            continue
        for begin, end in (operator.inputs, operator.inputs[::-1]):
            path = [end]
            while path[-1] != begin and path[-1] in maker:
                path.append(maker[path[-1]].inputs[0])
            if path[-1] == begin:
                return [made[tensor] for tensor in reversed(path[:-1]) if tensor in made]
    return []


def sparsity(kernels: list[Kernel], depthwise: bool = False) -> float:
    """Share of zeros over kernels; depthwise kernels, which pruning leaves alone, count only where asked for."""
    counted = [kernel for kernel in kernels if depthwise or kernel.operator != "DEPTHWISE_CONV_2D"]
    return sum(kernel.zeros for kernel in counted) / max(sum(kernel.weights for kernel in counted), 1)


@dataclass(frozen=True)
class _Operator:
    """A step of the network: its name, and the numbers of the tensors that it takes (-1 for none) and makes."""

    name: str
    inputs: list[int]
    outputs: list[int]


class _Graph:
    """The network of a TFLite file, whose tensors have numbers; raises ValueError for what is no such file."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        if content[4:8] != b"TFL3":
            raise ValueError("it is not a TFLite file")
        model = schema.ModelT.InitFromPackedBuf(content)
        self._graph, self._buffers = model.subgraphs[0], model.buffers
        self._types = {number: name for name, number in vars(schema.TensorType).items() if not name.startswith("_")}
        names = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
        # Codes above 127 have a field of their own; the older one is then full.
        codes = [names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes]
        self.operators = [
            _Operator(codes[each.opcodeIndex], list(each.inputs), list(each.outputs)) for each in self._graph.operators
        ]
        self._stored_at = {each.outputs[0]: each.inputs[0] for each in self.operators if each.name == "DEQUANTIZE"}

    @property
    def tensors(self) -> int:
        """How many tensors there are."""
        return len(self._graph.tensors)

    @property
    def ends(self) -> set[int]:
        """The inputs and outputs of the network."""
        return {*self._graph.inputs, *self._graph.outputs}

    def name(self, index: int) -> str:
        """What a tensor is called."""
        return self._graph.tensors[index].name.decode()

    def type(self, index: int) -> str:
        """The type of its numbers, as the schema calls it."""
        return self._types[self._graph.tensors[index].type]

    def stored_at(self, index: int) -> int:
        """The tensor in which the values of another lie that is only unpacked (float16)."""
        return self._stored_at.get(index, index)

    def values(self, index: int) -> np.ndarray:
        """The numbers that are stored for a tensor."""
        tensor = self._graph.tensors[index]
        return np.frombuffer(self._buffers[tensor.buffer].data, _NUMBERS[self.type(index)]).reshape(tensor.shape)

    def quantization(self, index: int) -> tuple[np.ndarray, np.ndarray, int] | None:
        """Scales, zero points and the axis that they belong to; None for what is not quantized."""
        scheme = self._graph.tensors[index].quantization
        if scheme is None or scheme.scale is None or not len(scheme.scale):
            return None
        return np.asarray(scheme.scale), np.asarray(scheme.zeroPoint), scheme.quantizedDimension


def _kernels_by_output(graph: _Graph) -> dict[int, Kernel]:
    """Kernels by the number of the tensor that they make."""
    seen, found = set(), {}
    for operator in graph.operators:
        if operator.name in _KERAS_AXES:
            index = graph.stored_at(operator.inputs[1])
            if index in seen:
                continue
            seen.add(index)
            values, scheme = graph.values(index), graph.quantization(index)
            zeros = int(np.count_nonzero(values == (0 if scheme is None else scheme[1][0])))
            kernel = Kernel(graph.name(index), operator.name, str(values.dtype), values.size, zeros, values.shape)
            found[operator.outputs[0]] = kernel
    return found
