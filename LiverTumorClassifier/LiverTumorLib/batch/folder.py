"""The result folder of a case: what is in it, whether it is already done, and how it comes into being all at once."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..atomic import atomic_path, holds_nothing, printable
from ..errors import OutputError
from ..files import read_json, write_json, write_table
from ..files.held import HeldFolder
from ..files.tables import lesion_rows, slice_rows, summary_row
from ..jobs.source import files_of
from ..records.columns import LESION_COLUMNS, SLICE_COLUMNS, headers
from ..records.options import CaseOutput
from ..records.results import CaseResult

if TYPE_CHECKING:
    import numpy as np

SUMMARY = "summary.json"
SCHEMA = 2
UNFINISHED = ".unfinished"
_MOVING = ".livertumor-moving"  # in a case's folder while files move into it
_SUMMARY_HEAD = f'{{\n  "schema": {SCHEMA},\n  "origin": {{'


def fingerprint(path: Path, is_dicom: bool, exclude: Path) -> dict:
    """What tells an input from a changed one: path, number of files, bytes and the newest modification time.

    Args:
        path: file or folder; one that cannot be read has no files here.
        is_dicom: see `files_of`.
        exclude: the output folder, which may lie in the input.
    """
    files = [file for file in files_of(path, is_dicom) if exclude not in file.parents]
    status = [file.stat() for file in files if file.exists()]
    return {
        "path": printable(path),
        "files": len(status),
        "bytes": sum(entry.st_size for entry in status),
        "modified_ns": max((entry.st_mtime_ns for entry in status), default=0),
    }


def read_summary(folder: Path) -> dict | None:
    """The summary of a finished case; None where there is none that this version knows, whoever wrote what is there."""
    try:
        return as_summary(read_json(folder / SUMMARY))
    except (OSError, ValueError):
        return None


def as_summary(content: Any) -> dict | None:
    """The content of a summary's file where it is one that this version knows."""
    try:
        summary_row(CaseResult.from_dict(content["case"]))
        known = content["schema"] == SCHEMA and all(_is_file_entry(*item) for item in content["files"].items())
        known &= isinstance(content["seconds"], int | float) and isinstance(content["case"]["name"], str)
        known &= isinstance(content["origin"]["input"]["path"], str)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return content if known else None


def _is_file_entry(name: str, entry: dict) -> bool:
    return name == Path(name).name and isinstance(entry["bytes"], int) and isinstance(entry["sha256"], str)


def changed_files(folder: Path, summary: dict, contents: bool = True) -> list[str]:
    """The files of a finished case that are missing, or are not those its summary names: by size and, if asked for, by
    checksum."""
    changed = []
    for name, entry in summary["files"].items():
        try:
            same = (folder / name).stat().st_size == entry["bytes"] and (
                not contents or _sha256(folder / name) == entry["sha256"]
            )
        except (OSError, ValueError):  # the latter for a name that is none
            same = False
        changed += [] if same else [name]
    return changed


def edited_files(folder: Path, summary: dict, changed: Iterable[str]) -> list[str]:
    """Those of the changed files that are not missing and not cut, so somebody may have worked on them."""
    sizes = {name: (folder / name).stat().st_size for name in changed if (folder / name).is_file()}
    return [name for name, size in sizes.items() if size >= summary["files"][name]["bytes"]]


@dataclass(frozen=True)
class Standing:
    """What a folder already holds of the results that are asked for.

    Attributes:
        summary: of the results, where they are there and whole; None where there is something to do.
        changed: files of such results that are missing, or not what was written.
        keep: those of them that somebody has edited, which stay under another name.
    """

    summary: dict | None
    changed: Sequence[str] = ()
    keep: Sequence[str] = ()


def look_into(folder: Path, name: str, origin: dict, overwrite: bool) -> Standing:
    """See what a folder holds of results of this origin. Raises OutputError as `check_free`."""
    summary = read_summary(folder)
    if summary is None or summary["origin"] != origin:
        check_free(folder, name, overwrite)
        return Standing(None)
    if changed := changed_files(folder, summary):
        return Standing(None, changed, [] if overwrite else edited_files(folder, summary, changed))
    return Standing(summary)


def check_free(folder: Path, name: str, overwrite: bool) -> None:
    """Raise OutputError where a case's results would replace something that nobody has allowed to be replaced."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; choose another output folder.")
    if folder.is_dir() and not (holds_nothing(folder) or overwrite or _is_half_written(folder, name)):
        raise OutputError(
            f"{folder} already holds something else than these results (another input, other options, or another "
            "version's); use --overwrite to replace it, or another --out."
        )


def _is_half_written(folder: Path, name: str) -> bool:
    """Whether a run was killed, or the power went, while a case's files came into this folder."""
    if (folder / _MOVING).exists():
        return True
    try:
        summary = (folder / SUMMARY).read_text(encoding="utf-8", errors="replace")
        json.loads(summary)
        return False
    except OSError:
        return False
    except (ValueError, RecursionError):
        own = re.compile(rf"{re.escape(name)}\..*|lesions\.csv|slices\.csv|report\.(png|pdf)|summary\.json")
        ours = _SUMMARY_HEAD.startswith(summary[: len(_SUMMARY_HEAD)])
        return ours and all(own.fullmatch(file.name) for file in folder.iterdir())


@contextmanager
def staged(folder: Path, keep: Iterable[str] = ()) -> Iterator[Path]:
    """Yield a hidden folder to write a case's files into; they move to `folder` when the block ends well, or else
    vanish.

    The summary moves last, so that it is there only when everything is. Files of an earlier run that were not made
    again go; files that no run has made stay.

    Args:
        keep: files of the earlier run that somebody has changed since; they stay, under another name.
    """
    hidden = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}{UNFINISHED}")  # two runs may be at the same case
    held = None
    try:
        hidden.mkdir(parents=True)
        held = HeldFolder(hidden)
        stage = hidden / "files"
        stage.mkdir()
        yield stage
        folder.mkdir(exist_ok=True)
        files = sorted(stage.iterdir(), key=lambda file: file.name == SUMMARY)
        earlier = {SUMMARY, *_earlier_files(folder)} - set(keep)
        write_json(folder / _MOVING, sorted({*earlier, *(file.name for file in files)}))
        for name in keep:
            os.replace(folder / name, _free_name(folder, name))
        for name in earlier:
            (folder / name).unlink(missing_ok=True)
        for file in files:
            os.replace(file, folder / file.name)
        (folder / _MOVING).unlink(missing_ok=True)
    except OutputError as error:  # of one file: the hidden folder is nothing to a user
        raise OutputError(str(error).replace(str(hidden / "files"), str(folder))) from error
    except OSError as error:
        raise OutputError(f"The results cannot be written to {folder}: {error.strerror or error}.") from error
    finally:
        if held is not None:
            held.remove()
        shutil.rmtree(hidden, ignore_errors=True)


def _earlier_files(folder: Path) -> list[str]:
    """Names of what earlier runs have put into a case's folder, finished or not."""
    names = list((read_summary(folder) or {"files": ()})["files"])
    with contextlib.suppress(OSError, ValueError, TypeError):
        names += read_json(folder / _MOVING)
    return [Path(name).name for name in names if isinstance(name, str)]


def _free_name(folder: Path, name: str) -> Path:
    return next(path for number in itertools.count(1) if not (path := folder / f"changed-{number}-{name}").exists())


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_files(folder: Path, name: str, output: CaseOutput, ijk_to_ras: np.ndarray, *, nifti: bool) -> None:
    """Write all but the summary and the picture of a case into a folder."""
    from ..files import write_label_nifti, write_segmentation
    from ..files.upright import MOVED, is_sheared

    if (nifti or output.probabilities) and is_sheared(ijk_to_ras):
        output.result.summary.notes.append(MOVED)
    if output.labels is not None:
        write_segmentation(folder / f"{name}.seg.nrrd", output.labels, ijk_to_ras)
        write_table(folder / "lesions.csv", lesion_rows(output.result), headers(LESION_COLUMNS))
        if nifti:
            write_label_nifti(folder / f"{name}.labels.nii.gz", output.labels, ijk_to_ras)
    if output.result.slices:
        write_table(folder / "slices.csv", slice_rows(output.result), headers(SLICE_COLUMNS))
    for structure, probability in output.probabilities.items():
        write_volume(folder / f"{name}.{structure}-probability.nii.gz", probability.astype("float32"), ijk_to_ras)


def write_summary(folder: Path, output: CaseOutput, origin: dict, seconds: float) -> dict:
    """Write the summary of a case whose other files lie in `folder`; what is in it."""
    files = {file.name: {"bytes": file.stat().st_size, "sha256": _sha256(file)} for file in sorted(folder.iterdir())}
    data = {
        "schema": SCHEMA,
        "origin": origin,
        "files": files,
        "seconds": round(seconds, 2),
        "case": output.result.to_dict(),
    }
    write_json(folder / SUMMARY, data)
    return data


def make_origin(task: str, taken_from: dict, options: dict, models: list[dict], extras: dict) -> dict:
    """What a case's results follow from; equal origins give equal results, whatever the number of threads. `taken_from`
    is the input's `fingerprint`."""
    chosen = {name: value for name, value in options.items() if name != "threads"}
    return {
        "task": task,
        "input": taken_from,
        "options": chosen,
        "models": models,
        "extras": extras,
        "version": __version__,
    }


def write_volume(path: Path, array: np.ndarray, ijk_to_ras: np.ndarray) -> None:
    """Write a (k, j, i) volume as NIfTI in its own number type. Raises OutputError."""
    from ..files.labels import nifti_image
    from ..files.nifti import import_nibabel

    image = nifti_image(array, ijk_to_ras)
    with atomic_path(path) as temporary:
        import_nibabel().save(image, temporary)
