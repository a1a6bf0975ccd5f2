"""What machine and which versions gave a measurement."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import LiverTumorLib
from LiverTumorLib.models.cpus import available_threads, processor_name

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp")
PACKAGES = ("numpy", "scipy", "ai-edge-litert", "onnxruntime", "tensorflow", "tensorflow-cpu", "tf_keras", "nibabel")


def describe_machine() -> dict:
    """Processor, load, and the versions of the packages that are installed."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    return {
        "processor": processor_name(),
        "cores": f"{available_threads()} of {os.cpu_count()}",
        "flags": [flag for flag in FLAGS if re.search(rf"\b{flag}\b", text)],
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "versions": {"livertumor": LiverTumorLib.__version__, "python": platform.python_version(), **_installed()},
    }


def peak_memory_mb() -> float | None:
    """The most memory (MiB) that was resident for this process since it began; None where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():  # not getrusage, which on Linux counts what the parent held when it started this process
        peak = re.search(r"^VmHWM:\s+(\d+)", status.read_text(), re.MULTILINE)
        return int(peak[1]) / 1024 if peak else None
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return None


def _installed() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
