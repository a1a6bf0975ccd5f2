"""What a program with all its children takes of this machine."""

from __future__ import annotations

import math
import os
import re
import subprocess
import time
from pathlib import Path

from LiverTumorLib.jobs.protocol import worker_environment

SAMPLE_S = 0.02


def measure_tree(command: list[str]) -> dict:
    """Run a Python program to its end.

    Returns:
        "output" (its stdout); "wall_s"; "tree_peak_mb", the largest sum of resident memory over the program and all its
        children (pages that they share count for each); "process_peak_mb", the peak of the largest of them. Memory is
        NaN without /proc.

    Raises:
        RuntimeError: it failed; the message is what it wrote to stderr.
    """
    environment = worker_environment()  # finds the library, and sets no thread count
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), environment["PYTHONPATH"]])
    environment["LC_ALL"] = "C.UTF-8"
    tree_peak = process_peak = 0
    begin = time.perf_counter()
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    while program.poll() is None:
        together, largest = _tree_kb(program.pid)
        tree_peak, process_peak = max(tree_peak, together), max(process_peak, largest)
        time.sleep(SAMPLE_S)
    wall = time.perf_counter() - begin
    output, errors = program.communicate()
    if program.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {errors.strip()}")
    megabytes = {"tree_peak_mb": tree_peak / 1024 or math.nan, "process_peak_mb": process_peak / 1024 or math.nan}
    return {"output": output, "wall_s": wall, **megabytes}


def _tree_kb(root: int) -> tuple[int, int]:
    """Memory of a process and its descendants in kB: the sum of what is resident now, and the highest peak of any; 0
    without /proc."""
    parents, memory = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
        except OSError:  # it has just ended
            continue
        fields = dict(re.findall(r"^(PPid|VmRSS|VmHWM):\s+(\d+)", status, re.MULTILINE))
        parents[int(folder.name)] = int(fields["PPid"])
        memory[int(folder.name)] = int(fields.get("VmRSS", 0)), int(fields.get("VmHWM", 0))
    tree = {root}
    while more := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= more
    now, peaks = zip(*(memory.get(pid, (0, 0)) for pid in tree), strict=True)
    return sum(now), max(peaks)
