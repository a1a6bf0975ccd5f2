"""Keeps what TensorFlow says of itself while it is loaded, as of the GPU that a computer does not have, from those who
would worry."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

# Lines of its C++ part, which heeds TF_CPP_MIN_LOG_LEVEL only when all of it is there: information and warnings, and
# that factories of CUDA's libraries are registered twice.
_NOISE = (
    r"WARNING: All log messages before absl::InitializeLog",
    r"[IW]\d{4} ",
    r"\d{4}-\d\d-\d\d [\d:.]+: [IW] ",
    r".*Unable to register cu\w+ factory",
)
# Errors, where there is an NVIDIA driver for which CUDA should have worked.
_CUDA_NOISE = (r"E\d{4} .*(CUDA|cuda|cuInit)", r"\d{4}-\d\d-\d\d [\d:.]+: E .*(CUDA|cuda|cuInit)")
_FILTER = """
import re, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
noise = re.compile("|".join(sys.argv[1:]))
for line in sys.stdin.buffer:
    if not noise.match(line.decode(errors="replace")):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


@contextmanager
def without_noise() -> Iterator[None]:
    """Pass on, of what this process writes to stderr meanwhile, all but TensorFlow's noise.

    A process of its own does that, so that the last words of a process that is ended are passed on too.
    """
    with ExitStack() as at_end:
        # A program without a console, or no room for a process: then all is passed on.
        with suppress(OSError, AttributeError):
            _filter_stderr(at_end)
        yield


def _filter_stderr(at_end: ExitStack) -> None:
    """Put the filter before stderr, and take it away `at_end`."""
    sys.stderr.flush()
    kept = os.dup(2)
    at_end.callback(os.close, kept)
    noise = _NOISE if _has_nvidia_driver() else (*_NOISE, *_CUDA_NOISE)
    process = subprocess.Popen([sys.executable, "-S", "-c", _FILTER, *noise], stdin=subprocess.PIPE)
    assert process.stdin is not None  # as asked for
    os.dup2(process.stdin.fileno(), 2)
    process.stdin.close()

    def take_away() -> None:
        sys.stderr.flush()
        os.dup2(kept, 2)
        with suppress(subprocess.TimeoutExpired):  # another process has the pipe
            process.wait(5)

    at_end.callback(take_away)


def _has_nvidia_driver() -> bool:
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None
