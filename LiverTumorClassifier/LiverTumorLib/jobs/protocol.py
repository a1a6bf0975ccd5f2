"""What travels between a program and its worker: the job folder, the event lines, the result files. Starts nothing
itself.

A job folder holds `job.json`, the pixels as an uncompressed .npy that the worker maps into memory (or `job.json` names
the files that the worker reads itself, see `source`), and `output/`. The worker returns one JSON object a line:

    {"event": "progress", "stage": str, "fraction": 0..1, "message": str, "remaining_s": float or null}
    {"event": "file", "path": str or null}    a file that is opened by a reader that may crash; null: no more
    {"event": "answer", ...}                  from a task that is asked questions, see `dialog`
    {"event": "result", "folder": path of the output folder}                the last line of a run that went well
    {"event": "error", "kind": name of a class of errors.py, "message": str}   the last line of one that did not

Closing the worker's stdin stops it. A worker that does several jobs (see `warm`) is told the paths of their job files
on stdin, and ends each with an answer: "kind" is null where it went well, and with "message" as of an error where not.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
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

Event = dict[str, Any]

SCHEMA = 2
TASKS = {
    "segment": "LiverTumorLib.pipelines.segmentation:segment_case",
    "classify": "LiverTumorLib.pipelines.classification:classify_case",
    "live": "LiverTumorLib.pipelines.live:answer_slices",
    "evidence": "LiverTumorLib.pipelines.evidence:map_evidence",
    "follow": "LiverTumorLib.batch.follow_task:follow_and_write",
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


@dataclass
class JobState:
    """What is known of a running worker, from the bytes it has printed so far.

    Attributes:
        stage, fraction, message, remaining_s: the latest progress; remaining_s is None while it cannot be told.
        events: every event so far but answers and files, oldest first.
        result_folder: where the results lie, once the worker has said so.
        error: what the worker reported as its end, if it failed.
        file: what a reader that may crash has opened and not yet read.
    """

    stage: str = ""
    fraction: float = 0.0
    message: str = ""
    remaining_s: float | None = None
    events: list[Event] = field(default_factory=list)
    result_folder: Path | None = None
    error: errors.LiverTumorError | None = None
    file: str | None = None
    _rest: bytes = b""

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes from the worker's stdout, in any portions; returns the events completed by them."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [event for line in lines if (event := parse_event(line)) and self.take(event)]

    def take(self, event: Event) -> bool:
        """Note one event; False when it is not part of the protocol."""
        kind = event["event"]
        if kind == "progress":
            self.stage, self.fraction, self.message = event["stage"], event["fraction"], event["message"]
            self.remaining_s = event["remaining_s"]
        elif kind == "result":
            self.fraction, self.remaining_s, self.result_folder = 1.0, 0.0, Path(event["folder"])
        elif kind == "error":
            self.error = error_from_event(event)
        elif kind == "file":
            self.file = event["path"]
        elif kind != "answer":
            return False
        if kind not in ("answer", "file"):  # of which there may be any number
            self.events.append(event)
        return True


_Kinds = tuple[type, ...]
_NUMBER: _Kinds = (int, float)
_TEXT: _Kinds = (str,)
_NOTHING: _Kinds = (type(None),)
_FIELDS: dict[str, dict[str, _Kinds]] = {
    "progress": {"stage": _TEXT, "fraction": _NUMBER, "message": _TEXT, "remaining_s": _NUMBER + _NOTHING},
    "result": {"folder": _TEXT},
    "error": {"kind": _TEXT, "message": _TEXT},
    "file": {"path": _TEXT + _NOTHING},
}


def parse_event(line: bytes) -> Event | None:
    """One line of the worker's stdout; None for anything that is not an event (a launcher may print there too)."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    fields = _FIELDS.get(event["event"], {})
    return event if all(isinstance(event.get(name, fields), kinds) for name, kinds in fields.items()) else None


def error_from_event(event: Event) -> errors.LiverTumorError:
    """The exception an error event stands for; WorkerError where its kind is not one of errors.py."""
    kind = getattr(errors, str(event.get("kind")), None)
    if not (isinstance(kind, type) and issubclass(kind, errors.LiverTumorError)):
        kind = errors.WorkerError
    return kind(str(event.get("message")))


def crash_error(exit_code: int, log: str, file: str | None = None) -> errors.LiverTumorError:
    """The error for a worker that ended without a last event.

    Args:
        log: what it wrote to stderr.
        file: what it was reading.
    """
    if file is not None:
        how = "it takes more computing time than its size explains"
        if exit_code != _TOO_SLOW:
            how = f"the process that read it has fallen: {_describe_exit(exit_code)}"
        kind = errors.ReaderError if _is_crash(exit_code) else errors.InputError
        return kind(f"{file} cannot be read ({how}); it is damaged, so copy or export it again, or leave it out.")
    message = f"The analysis process ended without a result ({_describe_exit(exit_code)})"
    last = " / ".join([line.strip() for line in log.splitlines() if line.strip()][-3:])
    return errors.WorkerError(f"{message}; its last words: {last[-400:]}" if last else f"{message}.")


_TOO_SLOW = -getattr(signal, "SIGXCPU", 0) or None


_FROM_OUTSIDE = ("SIGHUP", "SIGINT", "SIGKILL", "SIGTERM")


def _is_crash(code: int) -> bool:
    """Whether a process has fallen by its own doing; Windows' exit codes of crashes are larger than a byte."""
    name = _signal_of(code)
    return code > 255 or (name is not None and name not in _FROM_OUTSIDE)


def _signal_of(code: int) -> str | None:
    number = -code if code < 0 else code - 128  # a shell or a launcher passes a signal on as 128 + its number
    try:
        return signal.Signals(number).name if number > 0 else None
    except ValueError:
        return None


def _describe_exit(code: int) -> str:
    name = _signal_of(code)
    if name == "SIGKILL":
        return "it was killed from outside, most often because memory ran out"
    if name:
        return f"signal {name}"
    # Windows' crash codes are known by their hexadecimal form.
    return f"exit code {code:#x}" if code > 255 else f"exit code {code}"
