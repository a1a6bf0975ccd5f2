"""Running a bundle's network: one single-threaded network a CPU, slices shared out among them."""

from __future__ import annotations

import importlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError, RequirementError, UsageError
from .bundle import Bundle
from .cpus import available_threads
from .runtimes import RUNTIMES, LiteRT, OnnxRuntime

# Names the runtime to use, "litert" or "onnx", where the first that is installed is not wanted, or asks for the
# fastest.
RUNTIME_VARIABLE, FASTEST = "LIVERTUMOR_RUNTIME", "fastest"


class Session:
    """A verified network ready to run on slices of the size its manifest says.

    One single-threaded network per CPU beats one with many threads: these networks' layers are too small to be worth
    splitting.

    Attributes:
        bundle: whose network it is.
        runtime: the title of the library that runs it.
        lanes: how many slices it works on at once, each on one CPU.
    """

    def __init__(self, bundle: Bundle, runtime: type[LiteRT] | type[OnnxRuntime], threads: int | None = None) -> None:
        """Raises ModelError where the bundle is damaged, or has no network for this runtime and its own manifest."""
        if runtime.file not in bundle.manifest.files:
            raise ModelError(
                f"Model '{bundle.id}' in {bundle.folder} has no {runtime.file}, which {runtime.title} needs; install "
                f"{LiteRT.package}, or add the file with 'livertumor export-onnx'."
            )
        bundle.verify()
        self.bundle, self.runtime = bundle, runtime.title
        count = threads or available_threads()
        path = bundle.folder / runtime.file
        content = path.read_bytes()
        try:
            networks = [runtime(content) for _ in range(count)]
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"{path} is not a network that {runtime.title} can run ({error}); install the model again."
            ) from error
        network, expected = networks[0], (1, *bundle.manifest.input.size, 3)
        if network.input_shape != expected:
            raise ModelError(f"{path} takes inputs of shape {network.input_shape}, its manifest says {expected}.")
        # The slice classifier's second output is its map of cells; TFLite does not keep the outputs' order.
        rank = 2 if bundle.manifest.task == "slice" else 4
        self._order = sorted(
            range(len(network.output_shapes)), key=lambda number: len(network.output_shapes[number]) != rank
        )
        if len(network.output_shapes[self._order[0]]) != rank:
            raise ModelError(
                f"{path} has no output of the kind that its task '{bundle.manifest.task}' needs; install the model "
                "again."
            )
        self.lanes, self._pool = count, ThreadPoolExecutor(count)
        self._idle: SimpleQueue[LiteRT | OnnxRuntime] = SimpleQueue()
        for network in networks:
            self._idle.put(network)

    @property
    def maps_cells(self) -> bool:
        """Whether `predict_all` of a slice classifier gives its map of cells too."""
        return len(self._order) > 1

    def predict(self, images: Sequence[np.ndarray] | np.ndarray) -> NDArray[np.float32]:
        """Raw main output, float32 (n, …), for uint8 images (n, rows, columns, 3) as `network_slices` makes them."""
        return self.predict_all(images)[0]

    def predict_all(self, images: Sequence[np.ndarray] | np.ndarray) -> list[NDArray[np.float32]]:
        """All raw outputs, the main one first; a slice classifier's second, where it has one, is (n, rows / 32, columns
        / 32, 1): the probability of tumor in each cell of its last feature map."""
        answers = list(self.predict_each(images))
        return [np.stack([answer[output] for answer in answers]) for output in range(len(self._order))]

    def predict_each(self, images: Iterable[np.ndarray]) -> Iterator[list[NDArray[np.float32]]]:
        """The outputs of one image after the other, as of `predict_all`; while the networks work on some, the next are
        taken from `images`, which may make them only then."""
        asked: deque[Future[list[NDArray[np.float32]]]] = deque()
        for image in images:
            asked.append(self._pool.submit(self._run, image))
            if len(asked) > 2 * self.lanes:
                yield asked.popleft().result()
        while asked:
            yield asked.popleft().result()

    def _run(self, image: np.ndarray) -> list[NDArray[np.float32]]:
        network = self._idle.get()
        try:
            outputs = network.run(image)
        finally:
            self._idle.put(network)
        return [outputs[number] for number in self._order]


def open_session(bundle: Bundle, threads: int | None = None) -> Session:
    """A session of the bundle's network through LiteRT or, where that is not installed (there is none for Intel macOS),
    through ONNX Runtime; the environment variable LIVERTUMOR_RUNTIME, "litert", "onnx" or "fastest", says otherwise.

    The runtimes' answers differ a little, so that the fastest is taken only where it is asked for.

    Raises:
        ModelError: the bundle is damaged or unsuitable, or ONNX Runtime is to run it and it has no ONNX file.
        RequirementError: neither library, or not the one that the variable names, can be loaded.
        UsageError: the variable names no runtime.
    """
    runtimes = load_runtimes()
    if len(runtimes) == 1:
        return Session(bundle, runtimes[0], threads)
    from .fastest import fastest

    return Session(bundle, fastest(bundle, runtimes), threads)


def load_runtimes() -> list[type[LiteRT] | type[OnnxRuntime]]:
    """The library that will run the networks, or those among which the fastest will, loaded. Raises RequirementError
    and UsageError as `open_session`."""
    wanted = os.environ.get(RUNTIME_VARIABLE)
    if wanted and wanted not in (*RUNTIMES, FASTEST):
        raise UsageError(
            f"The environment variable {RUNTIME_VARIABLE} is '{wanted}'; it must be {', '.join(RUNTIMES)} or "
            f"{FASTEST}, or not be set."
        )
    candidates = [RUNTIMES[wanted]] if wanted in RUNTIMES else list(RUNTIMES.values())
    loaded, reasons = [], []
    for runtime in candidates:
        try:
            importlib.import_module(runtime.module)
        except ImportError as error:
            reasons.append(str(error))
        else:
            loaded.append(runtime)
            if wanted != FASTEST:
                break
    if loaded:
        return loaded
    packages, first = " or ".join(runtime.package for runtime in candidates), candidates[0].package
    raise RequirementError(
        f"The package {packages}, which runs the models, cannot be loaded ({'; '.join(reasons)}); run 'pip install "
        f"{first}'."
    )
