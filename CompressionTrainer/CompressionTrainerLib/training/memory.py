"""Whether a training step fits into memory, asked before training: on a CPU, TensorFlow and the system answer a step
that does not by ending the process without a word."""

from __future__ import annotations

import math
import re
from pathlib import Path

from ..networks.keras_module import keras, tf

# What a step holds, as a multiple of all layers' outputs: 1.0 was measured for MobileNetV2 at 224 pixels, 1.4 in
# quantization-aware training, where outputs are rounded into copies.
_STEP, _AWARE = 1.25, 2.0

# Addresses that a training process takes beside the memory it uses, in bytes: its threads' stacks, and blocks kept for
# later. 1.8 to 2.8 GB were measured.
_ADDRESSES = 3e9


def step_bytes(model, batch: int) -> float:
    """About how much memory a training step of `batch` slices takes."""
    aware = any("quant" in layer.name for layer in model.layers)
    return (_AWARE if aware else _STEP) * batch * sum(map(_output_bytes, model.layers))


def available_bytes() -> float:
    """Memory that this process may still take, as far as the system tells; infinite where it does not, or where a GPU
    computes."""
    if tf.config.list_physical_devices("GPU"):  # TensorFlow itself says when its memory ends
        return math.inf
    return min(_system(), _group(), _own())


def _output_bytes(layer) -> int:
    if isinstance(layer, keras.Model):
        return sum(map(_output_bytes, layer.layers))
    outputs = tf.nest.flatten(layer.get_output_at(0))  # a student is called once more by its distiller
    return sum(math.prod(output.shape[1:]) * output.dtype.size for output in outputs)


def _system() -> float:
    """What the system could give without swapping."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text("/proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else math.inf


def _group() -> float:
    """What is left of a container's limit."""
    limit, used = (_text(f"/sys/fs/cgroup/memory.{name}").strip() for name in ("max", "current"))
    return int(limit) - int(used) if limit.isdecimal() and used.isdecimal() else math.inf


def _own() -> float:
    """What is left of the limit that a shell's `ulimit -v` sets."""
    try:
        import resource
    except ImportError:  # Windows
        return math.inf
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    found = re.search(r"^VmSize:\s+(\d+) kB", _text("/proc/self/status"), re.MULTILINE)
    return limit - _ADDRESSES - int(found[1]) * 1024 if found and limit != resource.RLIM_INFINITY else math.inf


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
