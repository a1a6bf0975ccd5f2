"""Which of several runtimes is the fastest for a model on this processor: measured once, in hundredths of a second, and
remembered."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from ..errors import OutputError
from ..files import read_json, write_json
from .bundle import Bundle
from .catalogue import user_folder
from .cpus import processor_name
from .runtimes import LiteRT, OnnxRuntime

MEMORY = "fastest-runtimes.json"  # in the user's folder of models
_RUNS = 5


def fastest(bundle: Bundle, runtimes: Sequence[type[LiteRT] | type[OnnxRuntime]]) -> type[LiteRT] | type[OnnxRuntime]:
    """The fastest of some loaded runtimes that the bundle has a file for; the first where it has none.

    What was measured with other weights, versions of the runtimes or on another processor does not count. Raises
    ModelError where the bundle is damaged.
    """
    usable = [runtime for runtime in runtimes if runtime.file in bundle.manifest.files]
    if len(usable) < 2:
        return (usable or list(runtimes))[0]
    bundle.verify()
    parts = [f"{each.title} {_version(each.package)} {bundle.manifest.files[each.file]['sha256']}" for each in usable]
    key = "; ".join([processor_name(), *parts])
    known = _remembered()
    for runtime in usable:
        if runtime.title == known.get(key):
            return runtime
    seconds = {runtime: _seconds(runtime, bundle) for runtime in usable}
    best = min(usable, key=lambda runtime: seconds[runtime])
    with contextlib.suppress(OutputError):  # then it is measured again the next time
        write_json(user_folder() / MEMORY, known | {key: best.title})
    return best


def _seconds(runtime: type[LiteRT] | type[OnnxRuntime], bundle: Bundle) -> float:
    """What a slice takes one network; infinite where it cannot run."""
    image = np.zeros((*bundle.manifest.input.size, 3), np.uint8)
    taken = []
    try:
        network = runtime((bundle.folder / runtime.file).read_bytes())
        for _ in range(_RUNS):
            begin = time.perf_counter()
            network.run(image)
            taken.append(time.perf_counter() - begin)
    except (ValueError, RuntimeError):
        return float("inf")
    return min(taken)


def _remembered() -> dict[str, str]:
    try:
        known = read_json(user_folder() / MEMORY)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # the same library under another name
        return "?"
