"""The two libraries that can run a bundle's network on one slice. Each has the file of the bundle that it reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bundle import MODEL, ONNX


def from_gray(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a network is shown of a uint8 image: float32 in [-1, 1]."""
    return image.astype(np.float32) / 127.5 - 1


class LiteRT:
    """The int8 or float TFLite file in LiteRT.

    Attributes:
        input_shape: (1, rows, columns, 3).
        output_shapes: one for each output, in the file's order.
    """

    title, package, module, file = "LiteRT", "ai-edge-litert", "ai_edge_litert.interpreter", MODEL

    def __init__(self, content: bytes, threads: int = 1, delegates: bool = True) -> None:
        """Raises ValueError or RuntimeError where `content` is not a network that LiteRT can run.

        `delegates` false leaves out XNNPACK, for comparison.
        """
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kernels = OpResolverType.AUTO if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self._interpreter = Interpreter(
            model_content=content, num_threads=threads, experimental_op_resolver_type=kernels
        )
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = self._interpreter.get_output_details()
        self._of_gray = self._quantized(from_gray(np.arange(256, dtype=np.uint8)))
        self.input_shape = tuple(int(length) for length in self._input["shape"])
        self.output_shapes = [tuple(output["shape"]) for output in self._outputs]

    def run(self, image: np.ndarray) -> list[NDArray[np.float32]]:
        """The outputs, float32 without the batch axis, for an image (rows, columns, 3): float32 in [-1, 1], or uint8,
        whose 0 and 255 stand for -1 and 1."""
        shown = self._of_gray.take(image) if image.dtype == np.uint8 else self._quantized(image)
        self._interpreter.set_tensor(self._input["index"], shown[None])
        self._interpreter.invoke()
        return [self._dequantized(output) for output in self._outputs]

    def _quantized(self, image: np.ndarray) -> np.ndarray:
        scale, zero = self._input["quantization"]
        return np.clip(np.rint(image / scale + zero), -128, 127).astype(self._input["dtype"]) if scale else image

    def _dequantized(self, output: dict[str, Any]) -> NDArray[np.float32]:
        values: NDArray[np.float32] = self._interpreter.get_tensor(output["index"])[0].astype(np.float32)
        scale, zero = output["quantization"]
        return (values - zero) * np.float32(scale) if scale else values


class OnnxRuntime:
    """The ONNX twin (`CompressionTrainerLib.export.onnx`) in ONNX Runtime; attributes and `run` as of `LiteRT`."""

    title, package, module, file = "ONNX Runtime", "onnxruntime", "onnxruntime", ONNX

    def __init__(self, content: bytes, threads: int = 1) -> None:
        """Raises RuntimeError where `content` is not a network that ONNX Runtime can run."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4  # errors are raised, and need not be printed too
        # The twin's int8 roundings with float arithmetic in between. In version 1.23, the last one for Intel Macs, ONNX
        # Runtime's own int8 kernels stray further from LiteRT than LiteRT's own kernels stray from each other; this way
        # 1.23 and 1.31 gave the same.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base class
            raise RuntimeError(str(error).partition("\n")[0]) from error
        self._input = self._session.get_inputs()[0]
        self.input_shape = tuple(self._input.shape)
        self.output_shapes = [tuple(output.shape) for output in self._session.get_outputs()]

    def run(self, image: np.ndarray) -> list[NDArray[np.float32]]:
        """As `LiteRT.run`."""
        image = from_gray(image) if image.dtype == np.uint8 else image
        return [output[0] for output in self._session.run(None, {self._input.name: image[None]})]


RUNTIMES: dict[str, type[LiteRT] | type[OnnxRuntime]] = {"litert": LiteRT, "onnx": OnnxRuntime}
