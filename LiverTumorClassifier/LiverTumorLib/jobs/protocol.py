"""The job folder that travels between a program and its worker, and the worker's command line. Starts nothing itself.

A job folder holds `job.json`, the pixels as an uncompressed .npy that the worker maps into memory (or `job.json` names
the files that the worker reads itself, see `source`), and `output/`. What the worker says meanwhile is in `events`.

Closing the worker's stdin stops it. A worker that does several jobs (see `warm`) is told the paths of their job files
on stdin, and ends each with an answer: "kind" is null where it went well, and with "message" as of an error where not.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, Literal

from .. import errors
from ..records.options import CaseOutput, Progress, RunOptions
from ..records.results import CaseResult, CaseSummary
from .source import Source, check_entry

if TYPE_CHECKING:
    import numpy as np

    from ..ct import CTVolume

SCHEMA = 2
TASKS = {
    "segment": "LiverTumorLib.pipelines.segmentation:segment_case",
    "classify": "LiverTumorLib.pipelines.classification:classify_case",
    "live": "LiverTumorLib.pipelines.live:answer_slices",
    "evidence": "LiverTumorLib.pipelines.evidence:map_evidence",
    "follow": "LiverTumorLib.batch.follow_task:follow_and_write",
    "report": "LiverTumorLib.batch.report_task:take",
    "read": "LiverTumorLib.jobs.protocol:hand_over",
}
JOBS_IN = "--jobs-in"  # a worker's argument before the folder of the jobs that it will be told
WRITING = "writing"  # the stage of a `Writer`
DIALOGS = {"live"}  # tasks that are asked questions while they run
RESULT_FILE, ARRAY = "result.json", "volume.npy"
# What files raise that this version has not written; the last five come of an array's header.
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    EOFError,
    MemoryError,
    ArithmeticError,
    SyntaxError,
    TokenError,
)

# Bytes of address space that a worker may take, where whoever starts it sets a bound (Linux, macOS).
MEMORY_VARIABLE = "LIVERTUMOR_MEMORY"
# The worker's thread count is RunOptions.threads; a count left in the environment by another program would silently
# overrule it.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True)
class Writer:
    """What a child does with its output, so that no volume travels: the parent gets the figures only.

    Raises ValueError for what names no function.

    Attributes:
        entry: "module:function", called with (output, **arguments).
        arguments: plain values, as JSON knows them.
    """

    entry: str
    arguments: dict[str, str | bool | None]

    def __post_init__(self) -> None:
        check_entry(self.entry)


@dataclass(frozen=True)
class JobRecord:
    """A job file as the worker reads it.

    Attributes:
        entry: "module:function" of the task, called with (volume, options, progress), answering with a CaseOutput.
        volume: the CT, its array read-only and mapped from the file; or the files that the worker reads.
        output: the folder for the results.
        temporary: the job folder belongs to this run alone, so the worker removes it when it is stopped.
        liver: uint8 (k, j, i), a liver that is known already, for tasks that take one.
        dialog: the task is asked questions on stdin.
        writer: who writes the output in the child, see `Writer`; None where it is handed to the parent.
    """

    entry: str
    volume: CTVolume | Source
    options: RunOptions
    output: Path
    temporary: bool
    liver: np.ndarray | None = None
    dialog: bool = False
    writer: Writer | None = None


def hand_over(volume: CTVolume, options: RunOptions, progress: Progress) -> CaseOutput:
    """The task of a job that reads and does no more."""
    return CaseOutput(CaseResult(volume.name, CaseSummary()))


def write_job(
    folder: str | Path,
    task: str,
    volume: CTVolume | Source,
    options: RunOptions,
    *,
    entry: str | None = None,
    liver: np.ndarray | None = None,
    writer: Writer | None = None,
) -> Path:
    """Write a job into an existing private folder made for this run alone; returns the path of its job file.

    Args:
        entry: "module:function" to run instead of the one `TASKS` gives for `task`; the tests use it for tasks of their
            own. It opens no door: whoever can write into the private job folder can run code as this user anyway.
        liver, writer: see `JobRecord`.

    Raises UsageError for an unknown task, OutputError when the folder cannot be written.
    """
    if entry is None and task not in TASKS:
        raise errors.UsageError(f"Unknown task {task!r}; known are {', '.join(TASKS)}.")
    folder = Path(folder)
    output, liver_file = "output", None if liver is None else "liver.npy"
    job = {
        "schema": SCHEMA,
        "task": task,
        "entry": entry or TASKS[task],
        "source" if isinstance(volume, Source) else "volume": asdict(volume)
        if isinstance(volume, Source)
        else _describe(volume),
        "liver": liver_file,
        "options": options.to_dict(),
        "output": output,
        "temporary": True,
        "dialog": task in DIALOGS,
        "writer": writer and asdict(writer),
    }
    path = folder / "job.json"
    try:
        (folder / output).mkdir()
        if not isinstance(volume, Source):
            _save(folder / ARRAY, volume.array)
        if liver is not None and liver_file is not None:
            _save(folder / liver_file, liver)
        path.write_text(json.dumps(job), encoding="utf-8")
    except OSError as error:
        raise _not_written("The CT", folder, error) from error
    return path


def _not_written(what: str, folder: Path, error: OSError) -> errors.OutputError:
    reason = error.strerror or "no space left on device"  # numpy says of a short write how short, and not why
    return errors.OutputError(
        f"{what} cannot be written to the temporary folder {folder.parent}: {reason}; make room there, or set TMPDIR "
        "to another folder."
    )


def read_job(path: str | Path) -> JobRecord:
    """Read a job file; relative paths in it start at its own folder. Raises UsageError when it is not one this version
    knows."""
    path = Path(path)
    try:
        job = json.loads(path.read_text(encoding="utf-8"))
        schema = job["schema"]
        if schema != SCHEMA:
            raise errors.UsageError(f"The job file {path} has schema {schema}; this version reads {SCHEMA}.")
        volume: CTVolume | Source
        if "source" in job:
            volume = Source(**{**job["source"], "arguments": tuple(job["source"]["arguments"])})
        else:
            volume = _load_volume(path.parent, job["volume"], mmap_mode="r")
        liver = _load(path.parent / job["liver"]) if job["liver"] else None
        if liver is not None and liver.dtype != "uint8":
            raise ValueError(f"the liver's values are {liver.dtype}")
        check_entry(job["entry"])
        writer = Writer(**job["writer"]) if job["writer"] else None
        output, temporary, dialog = path.parent / job["output"], job["temporary"] is True, job["dialog"] is True
        options = RunOptions.from_dict(job["options"])
        return JobRecord(job["entry"], volume, options, output, temporary, liver, dialog, writer)
    except (*_DAMAGE, IndexError) as error:
        raise errors.UsageError(f"The job file {path} cannot be read: {type(error).__name__}: {error}.") from error


def save_output(output: CaseOutput, folder: Path) -> None:
    """Write a run's results; `result.json` comes last and in one step, so that its presence means all of it is
    there."""
    arrays = {f"probability-{name}": array for name, array in output.probabilities.items()}
    if output.labels is not None:
        arrays["labels"] = output.labels
    if output.volume is not None:
        arrays[Path(ARRAY).stem] = output.volume.array
    try:
        for name, array in arrays.items():
            _save(folder / f"{name}.npy", array)
        data = {
            "result": output.result.to_dict(),
            "labels": output.labels is not None,
            "probabilities": list(output.probabilities),
        }
        data["volume"] = output.volume and _describe(output.volume)
        unfinished = folder / f"{RESULT_FILE}.tmp"
        unfinished.write_text(json.dumps(data), encoding="utf-8")
        os.replace(unfinished, folder / RESULT_FILE)
    except OSError as error:
        raise _not_written("The results", folder.parent, error) from error


def load_output(folder: str | Path) -> CaseOutput:
    """Read what `save_output` wrote, all of it into memory. Raises WorkerError when it is not there or damaged."""
    folder = Path(folder)
    try:
        data = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
        labels = _load(folder / "labels.npy") if data["labels"] else None
        probabilities = {name: _load(folder / f"probability-{name}.npy") for name in data["probabilities"]}
        volume = data["volume"] and _load_volume(folder, data["volume"])
        return CaseOutput(CaseResult.from_dict(data["result"]), labels, probabilities, volume)
    except _DAMAGE as error:
        raise errors.WorkerError(f"The results of the run cannot be read from {folder}: {error}.") from error


def _describe(volume: CTVolume) -> dict[str, Any]:
    """All of a volume but its voxels."""
    return {
        "ijk_to_ras": volume.ijk_to_ras.tolist(),
        "name": volume.name,
        "notes": list(volume.notes),
        "images": list(volume.images),
    }


def _load_volume(folder: Path, described: dict[str, Any], mmap_mode: Literal["r"] | None = None) -> CTVolume:
    import numpy as np

    from ..ct import CTVolume

    array = _load(folder / ARRAY, mmap_mode).view(np.ndarray)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"the voxels are {array.dtype}")
    name, notes, images = described["name"], tuple(described["notes"]), tuple(described.get("images", ()))
    if not all(isinstance(text, str) for text in (name, *notes, *images)):
        raise TypeError("a name, a note or an image is not text")
    return CTVolume(array, np.array(described["ijk_to_ras"], np.float64), name, notes, images)


def _save(path: Path, array: np.ndarray) -> None:
    import numpy as np

    np.save(path, array, allow_pickle=False)


def _load(path: Path, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    import numpy as np

    array: np.ndarray = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    return array


def worker_command(job_file: str | Path, python: Sequence[str] | None = None) -> list[str]:
    """The command line of the child; `python` is the interpreter with its own arguments, by default the running one."""
    return [*(python or [sys.executable]), "-m", "LiverTumorLib.jobs.worker", str(job_file)]


def warm_worker_command(folder: Path, python: Sequence[str] | None = None) -> list[str]:
    """As `worker_command`, for a child that is told its jobs on stdin, one after another; they lie in `folder`."""
    return [*worker_command(JOBS_IN, python), str(folder)]


def worker_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The child's environment, made from `base` (default: this process's): it finds this library and no thread count of
    others."""
    environment = {
        name: value for name, value in (os.environ if base is None else base).items() if name not in THREAD_VARIABLES
    }
    library = str(Path(__file__).resolve().parents[2])
    paths = [library, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    environment["PYTHONSAFEPATH"] = "1"  # or a numpy.py that lies in the user's current folder would be imported
    environment["PYTHONIOENCODING"] = "utf-8"
    return environment
