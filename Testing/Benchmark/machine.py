"""What a program with all its children takes of this machine."""

from __future__ import annotations

import math
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from LiverTumorLib.jobs.protocol import worker_environment

SAMPLE_S = 0.02


def environment() -> dict[str, str]:
    """Finds the library, the trainer and these scripts, and sets no thread count; Python keeps what it has compiled, as
    where the library is installed."""
    here = Path(__file__).resolve().parent
    variables = worker_environment()
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    paths = [str(here), str(here.parents[1] / "CompressionTrainer"), variables["PYTHONPATH"]]
    return variables | {"PYTHONPATH": os.pathsep.join(paths), "LC_ALL": "C.UTF-8"}


def measure_tree(command: list[str], cores: int | None = None) -> dict:
    """Run a Python program to its end, on no more than some cores where a number is given.

    Returns:
        "output" (its stdout); "wall_s"; "cpu_s", computing time of the program and its children; "first_word_s", when
        it first wrote to stderr (NaN where it did not); "tree_peak_mb", the largest sum of resident memory over the
        program and all its children (pages that they share count for each); "process_peak_mb", the peak of the largest
        of them. Memory is NaN without /proc.

    Raises:
        RuntimeError: it failed; the message is what it wrote to stderr.
    """
    if cores is not None:
        command = ["taskset", "--cpu-list", ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores])), *command]
    tree_peak = process_peak = 0
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        begin, first = time.perf_counter(), math.nan
        program = subprocess.Popen(command, stdout=output, stderr=errors, env=environment())
        while not (ended := os.wait4(program.pid, os.WNOHANG))[0]:
            if math.isnan(first) and os.fstat(errors.fileno()).st_size:
                first = time.perf_counter() - begin
            together, largest = _tree_kb(program.pid)
            tree_peak, process_peak = max(tree_peak, together), max(process_peak, largest)
            time.sleep(SAMPLE_S)
        wall = time.perf_counter() - begin
        program.returncode = os.waitstatus_to_exitcode(ended[1])
        for file in (output, errors):
            file.seek(0)
        if program.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {errors.read().strip()}")
        return {
            "output": output.read(),
            "wall_s": wall,
            "cpu_s": ended[2].ru_utime + ended[2].ru_stime,
            "first_word_s": first,
            "tree_peak_mb": tree_peak / 1024 or math.nan,
            "process_peak_mb": process_peak / 1024 or math.nan,
        }


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
