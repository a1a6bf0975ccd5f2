"""Small tasks that the job tests run in real children, given to the job as entry "job_tasks:<name>"."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from LiverTumorLib.errors import InputError
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult, CaseSummary, Lesion, SliceRecord


def _announce(volume) -> None:
    """Leave this process's number where the test (the volume's only note) looks for it."""
    if volume.notes:
        with open(volume.notes[0], "a") as file:
            file.write(f"{os.getpid()}\n")


def whole(volume, options, progress) -> CaseOutput:
    """A quick run that gives every kind of result."""
    for step in range(5):
        progress("liver" if step < 3 else "tumor", step / 5, f"step {step}")
    lesion = Lesion(1, 0.5, 12.0, 9.0, 1, 60.0, 5.0, (1.0, 2.0, 3.0), 0, 2, 4.5)
    summary = CaseSummary(liver_ml=float((volume.array > 0).sum()) * volume.voxel_ml, notes=list(volume.notes))
    result = CaseResult(
        volume.name,
        summary,
        [lesion],
        [SliceRecord(0, -1.0, "liver", 0.25)],
        [{"id": options.liver_model}],
        {"all": 0.1},
    )
    return CaseOutput(result, (volume.array > 0).astype(np.uint8), {"liver": np.full(volume.shape, 0.5, np.float16)})


def note_process(output: CaseOutput, *, folder: str) -> None:
    """A writer that leaves this process's number in a file of the case's name."""
    (Path(folder) / output.result.name).write_text(str(os.getpid()))


def crashing_reader(path: str):
    os.write(2, b"a line of the reader's\n")
    ctypes.string_at(0)


def slices_only(volume, options, progress) -> CaseOutput:
    progress("slices", 1.0, "")
    return CaseOutput(CaseResult(volume.name, CaseSummary(), slices=[SliceRecord(0, 0.0, "unknown", 0.5)]))


def backwards(volume, options, progress) -> CaseOutput:
    for fraction in (0.1, 0.6, 0.4, 1.7, 0.2):
        progress("s", fraction, "")
    return slices_only(volume, options, progress)


def chatty(volume, options, progress) -> CaseOutput:
    """Everything a library may do to stdout: print, write to the descriptor, and start a program that prints."""
    print('{"event": "result", "folder": "/nowhere"}')
    os.write(1, b'{"event": "error", "kind": "InputError", "message": "not mine"}\n')
    subprocess.run([sys.executable, "-c", "print('hello')"], check=True)
    return whole(volume, options, progress)


def refuses(volume, options, progress) -> CaseOutput:
    raise InputError(f"{volume.name} is not a CT — “Prüfung”.")


def fails(volume, options, progress) -> CaseOutput:
    raise ZeroDivisionError("the very text")


def hungry(volume, options, progress) -> CaseOutput:
    np.empty(1 << 60, np.uint8)


def crashes(volume, options, progress) -> CaseOutput:
    os.write(2, b"about to fall\n")
    ctypes.string_at(0)


def polite(volume, options, progress) -> CaseOutput:
    """Reports often, so that it can be stopped kindly."""
    _announce(volume)
    for step in range(10_000):
        progress("polite", step / 10_000, "")
        time.sleep(0.01)


def busy(volume, options, progress) -> CaseOutput:
    """A Python loop that never reports."""
    _announce(volume)
    progress("busy", 0.1, "")
    while True:
        pass


def deaf(volume, options, progress) -> CaseOutput:
    """A long C call that holds the interpreter lock, so that no thread of the worker can run."""
    _announce(volume)
    progress("deaf", 0.1, "")
    ctypes.PyDLL(None).sleep(60)


def family(volume, options, progress) -> CaseOutput:
    """Has a child of its own, which holds the worker's stdout and stderr."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with open(volume.notes[0], "a") as file:
        file.write(f"{child.pid}\n")
    polite(volume, options, progress)


def clogged(volume, options, progress) -> CaseOutput:
    """Finishes, but its results cannot be written."""
    output = whole(volume, options, progress)
    (job,) = os.listdir(os.environ["JOB_TEST_TEMP"])
    os.rmdir(os.path.join(os.environ["JOB_TEST_TEMP"], job, "output"))
    return output


def environment(volume, options, progress) -> CaseOutput:
    names = [name for name in os.environ if name.endswith("_NUM_THREADS")]
    return CaseOutput(CaseResult(volume.name, CaseSummary(notes=[*names, sys.path[0]])))


def memory(volume, options, progress) -> CaseOutput:
    """Looks at one slice of the volume only and says how much memory that took, in MB."""
    mean = float(volume.array[0].mean())
    if sys.platform == "linux":  # where getrusage would count what the parent held when it started this process
        status = Path("/proc/self/status").read_text()
        peak_mb = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    else:
        import resource

        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    return CaseOutput(CaseResult(volume.name, CaseSummary(liver_ml=mean), seconds={"peak_mb": peak_mb}))


def segment(volume, options, progress) -> CaseOutput:
    """Stands in for the networks where the command line is tested: what a case does is in its name."""
    progress("liver", 0.1, "Finding the liver")
    if "slow" in volume.name:
        for step in range(6000):
            progress("liver", step / 6000, "Finding the liver")
            time.sleep(0.01)
    if "crash" in volume.name:
        os.write(2, b"last words\n")
        os.abort()
    if "strange" in volume.name:
        raise KeyError("unforeseen")
    progress("tumor", 0.5, "Finding tumor")
    labels = (volume.array > 0).astype(np.uint8)
    labels[volume.array > 100] = 2
    tumor_ml = float((labels == 2).sum()) * volume.voxel_ml
    lesion = Lesion(1, tumor_ml, 12.0, 9.0, 1, 60.0, 5.0, (1.0, 2.0, 3.0), 0, 2, 4.5)
    liver_ml = float((labels > 0).sum()) * volume.voxel_ml
    summary = CaseSummary(liver_ml, tumor_ml, 100 * tumor_ml / liver_ml, 1, 12.0, [1, 0], list(volume.notes))
    slices = [SliceRecord(k, float(k), "liver", 0.9, 1.0, 1.0) for k in range(volume.shape[0])]
    maps = {"liver": labels.astype(np.float16) / 2} if options.keep_probabilities else {}
    return CaseOutput(CaseResult(volume.name, summary, [lesion], slices, [], {"all": 0.1}), labels, maps)


def classify(volume, options, progress) -> CaseOutput:
    progress("slices", 0.5, "Classifying slices")
    slices = [SliceRecord(k, float(k), "unknown", 0.25) for k in range(volume.shape[0])]
    return CaseOutput(CaseResult(volume.name, CaseSummary(notes=list(volume.notes)), slices=slices))
