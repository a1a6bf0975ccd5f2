"""What machine this is, and what a program with all its children takes of it."""

from __future__ import annotations

import math
import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import LiverTumorLib
from LiverTumorLib.jobs.protocol import worker_environment
from LiverTumorLib.models.session import available_threads

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp")
PACKAGES = ("numpy", "scipy", "ai-edge-litert", "nibabel")
SAMPLE_S = 0.02


def describe_machine() -> dict:
    """Processor, load and versions."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    name = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return {
        "processor": name[1] if name else platform.processor() or platform.machine(),
        "cores": f"{available_threads()} of {os.cpu_count()}",
        "flags": [flag for flag in FLAGS if re.search(rf"\b{flag}\b", text)],
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "versions": {"livertumor": LiverTumorLib.__version__, "python": platform.python_version()} | {p: version(p) for p in PACKAGES},
    }


def measure_tree(command: list[str]) -> dict:
    """Run a Python program to its end.

    Returns:
        "output" (its stdout); "wall_s"; "tree_peak_mb", the largest sum of resident memory over the program and all its children, sampled
        (pages that they share count for each; NaN without /proc); "process_peak_mb", the peak of its largest process.

    Raises:
        RuntimeError: it failed; the message is what it wrote to stderr.
    """
    environment = worker_environment()  # finds the library, and sets no thread count
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), environment["PYTHONPATH"]])
    environment["LC_ALL"] = "C.UTF-8"
    begin = time.perf_counter()
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    peak = 0
    while True:
        pid, status, usage = os.wait4(program.pid, os.WNOHANG)
        if pid:
            break
        peak = max(peak, _tree_kb(program.pid))
        time.sleep(SAMPLE_S)
    wall = time.perf_counter() - begin
    program.returncode = os.waitstatus_to_exitcode(status)
    output, errors = program.communicate()
    if program.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {errors.strip()}")
    process_mb = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    return {"output": output, "wall_s": wall, "tree_peak_mb": peak / 1024 or math.nan, "process_peak_mb": process_mb}


def _tree_kb(root: int) -> int:
    """Resident memory of a process and its descendants in kB; 0 without /proc."""
    parents, resident = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            lines = (folder / "status").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        fields = dict(line.split(":", 1) for line in lines if line.startswith(("PPid:", "VmRSS:")))
        parents[int(folder.name)] = int(fields["PPid"])
        resident[int(folder.name)] = int(fields.get("VmRSS", "0 kB").split()[0])
    tree = {root}
    while more := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= more
    return sum(resident.get(pid, 0) for pid in tree)
