"""Running a bundle's network: one LiteRT interpreter a thread, slices shared out among them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import numpy as np

from ..errors import ModelError, RequirementError
from .bundle import Bundle


def available_threads() -> int:
    """CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Session:
    """A verified network ready to run on slices of the size its manifest says.

    One single-threaded interpreter per CPU beats one interpreter with many threads: these networks' layers are too small to
    be worth splitting.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Raises ModelError (damaged or unsuitable bundle) or RequirementError (LiteRT is missing)."""
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise RequirementError(
                f"The package ai-edge-litert, which runs the models, cannot be loaded ({error}); run 'pip install ai-edge-litert'."
            ) from error
        bundle.verify()
        self.bundle = bundle
        count = threads or available_threads()
        content = bundle.model.read_bytes()
        try:
            self._interpreters = [Interpreter(model_content=content, num_threads=1) for _ in range(count)]
            for interpreter in self._interpreters:
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{bundle.model} is no network that LiteRT can run ({error}); install the model again.") from error
        self._input = self._interpreters[0].get_input_details()[0]
        # The slice classifier's second output is its map of cells; TFLite does not keep the outputs' order.
        ranks = 2 if bundle.manifest.task == "slice" else 4
        self._output = next((o for o in self._interpreters[0].get_output_details() if len(o["shape"]) == ranks), None)
        if self._output is None:
            raise ModelError(
                f"{bundle.model} has no output of the kind that its task '{bundle.manifest.task}' needs; install the model again."
            )
        expected = (1, *bundle.manifest.input.size, 3)
        if tuple(self._input["shape"]) != expected:
            raise ModelError(f"{bundle.model} takes inputs of shape {tuple(self._input['shape'])}, its manifest says {expected}.")
        self._pool = ThreadPoolExecutor(count)

    def predict(self, images: list[np.ndarray] | np.ndarray) -> np.ndarray:
        """Raw outputs, float32 (n, …), for uint8 images (n, rows, columns, 3) as `network_slices` makes them."""
        lanes = [images[lane :: len(self._interpreters)] for lane in range(len(self._interpreters))]
        done = list(self._pool.map(self._run_lane, self._interpreters, lanes))
        turns = [iter(lane) for lane in done]
        return np.stack([next(turn) for turn, _ in zip(cycle(turns), range(len(images)), strict=False)])

    def _run_lane(self, interpreter, images) -> list[np.ndarray]:
        outputs = []
        for image in images:
            interpreter.set_tensor(self._input["index"], self._quantized(image)[None])
            interpreter.invoke()
            outputs.append(self._dequantized(interpreter.get_tensor(self._output["index"])[0]))
        return outputs

    def _quantized(self, image: np.ndarray) -> np.ndarray:
        x = image.astype(np.float32) / 127.5 - 1
        scale, zero = self._input["quantization"]
        if not scale:
            return x
        return np.clip(np.rint(x / scale + zero), -128, 127).astype(self._input["dtype"])

    def _dequantized(self, output: np.ndarray) -> np.ndarray:
        scale, zero = self._output["quantization"]
        return (output.astype(np.float32) - zero) * np.float32(scale) if scale else output.astype(np.float32)


def open_session(bundle: Bundle, threads: int | None = None) -> Session:
    """A session of the bundle's network; see `Session`."""
    return Session(bundle, threads)
