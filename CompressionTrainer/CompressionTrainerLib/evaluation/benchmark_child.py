"""One model file in one runtime, in a process of its own, so that its start and its memory are its own.

python -m CompressionTrainerLib.evaluation.benchmark_child FILE RUNTIME THREADS SLICES STARTED prints the figures as
JSON; STARTED is what time.monotonic() said when the process was started.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .machine import peak_memory_mb

KERAS, PLAIN, LITERT, ONNX_RUNTIME = "Keras predict", "LiteRT without XNNPACK", "LiteRT", "ONNX Runtime"


def open_keras(path: Path, threads: int) -> tuple[tuple[int, ...], Callable]:
    """The network of a training run, run by `model.predict` on one slice, as the literature often measures."""
    from ..networks.build import build_network
    from ..networks.keras_module import tf
    from ..training.record import read_run

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    model = build_network(read_run(path.parent))
    model.load_weights(path)
    return model.input_shape, lambda image: model.predict(image[None], verbose=0)


def open_plain(path: Path, threads: int) -> tuple[tuple[int, ...], Callable]:
    """A TFLite file in LiteRT's own kernels."""
    from LiverTumorLib.models.runtimes import LiteRT

    network = LiteRT(path.read_bytes(), threads, delegates=False)
    return network.input_shape, network.run


def open_litert(path: Path, threads: int) -> tuple[tuple[int, ...], Callable]:
    """A TFLite file in LiteRT as inference uses it, with XNNPACK."""
    from LiverTumorLib.models.runtimes import LiteRT

    network = LiteRT(path.read_bytes(), threads)
    return network.input_shape, network.run


def open_onnx(path: Path, threads: int) -> tuple[tuple[int, ...], Callable]:
    """An ONNX file in ONNX Runtime as inference uses it."""
    from LiverTumorLib.models.runtimes import OnnxRuntime

    network = OnnxRuntime(path.read_bytes(), threads)
    return network.input_shape, network.run


OPEN = {KERAS: open_keras, PLAIN: open_plain, LITERT: open_litert, ONNX_RUNTIME: open_onnx}


def measure(path: Path, runtime: str, threads: int, slices: int, started: float) -> dict:
    """Seconds to open the file (its library's import included) and to the first answer since `started`; milliseconds of
    each of `slices` slices after the first; peak memory of this process in MiB."""
    begin = time.monotonic()
    shape, run = OPEN[runtime](path, threads)
    opened = time.monotonic()
    images = np.random.default_rng(1).uniform(-1, 1, (slices, *shape[1:])).astype(np.float32)
    run(images[0])
    first = time.monotonic()
    latencies = []
    for image in images:
        start = time.perf_counter()
        run(image)
        latencies.append((time.perf_counter() - start) * 1000)
    return {
        "load_s": opened - begin,
        "first_result_s": first - started,
        "latencies_ms": latencies,
        "peak_mb": peak_memory_mb(),
    }


if __name__ == "__main__":
    file, name, threads, slices, started = sys.argv[1:]
    try:
        figures = measure(Path(file), name, int(threads), int(slices), float(started))
    except Exception as error:  # whatever a library raises: the parent tells the user in one sentence
        sys.exit(str(error).partition("\n")[0] or type(error).__name__)
    print(json.dumps(figures))
