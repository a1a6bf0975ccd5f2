"""The result folder of a case: what is in it, whether it is already done, and how it comes into being all at once."""

from __future__ import annotations

import glob
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import OutputError
from ..files import atomic_path, write_json, write_label_nifti, write_segmentation, write_table
from ..files.atomic import printable
from ..files.nifti import import_nibabel
from ..files.tables import LESION_COLUMNS, SLICE_COLUMNS, lesion_rows, slice_rows
from ..jobs.source import files_of
from ..pipelines.options import CaseOutput
from ..pipelines.results import CaseResult

SUMMARY = "summary.json"
_UNFINISHED = ".unfinished"
_ABANDONED_S = 600.0  # writing the results of a case takes seconds


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
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        CaseResult.from_dict(summary["case"])
        known = summary["schema"] == 1 and summary.keys() >= {"files", "seconds"} and "path" in summary["origin"]["input"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return summary if known else None


def is_done(folder: Path, origin: dict) -> bool:
    """Whether the folder holds complete results of the same input, options, models and version (`origin`)."""
    summary = read_summary(folder)
    return summary is not None and summary.get("origin") == origin and all((folder / name).is_file() for name in summary["files"])


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise OutputError where a case's results would replace something that nobody has allowed to be replaced."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; choose another output folder.")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise OutputError(
            f"{folder} already holds something else than these results (another input, other options, or another version's);"
            " use --overwrite to replace it, or another --out."
        )


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder to write a case's files into; they move to `folder` when the block ends well, or else vanish.

    The summary moves last, so that it is there only when everything is. Files of an earlier run that were not made again go;
    files that no run has made stay.
    """
    stage = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}{_UNFINISHED}")  # two runs may be at the same case
    try:
        for old in folder.parent.glob(f".{glob.escape(folder.name)}.*{_UNFINISHED}"):
            if time.time() - old.stat().st_mtime > _ABANDONED_S:  # of a run that was killed
                shutil.rmtree(old, ignore_errors=True)
        stage.mkdir(parents=True)
        yield stage
        folder.mkdir(exist_ok=True)
        earlier = read_summary(folder)
        for name in [SUMMARY, *(earlier["files"] if earlier else [])]:
            (folder / Path(name).name).unlink(missing_ok=True)
        for file in sorted(stage.iterdir(), key=lambda file: file.name == SUMMARY):
            os.replace(file, folder / file.name)
    except OSError as error:
        raise OutputError(f"The results cannot be written to {folder}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_files(folder: Path, name: str, output: CaseOutput, ijk_to_ras: np.ndarray, *, nifti: bool) -> None:
    """Write all but the summary and the picture of a case into a folder."""
    if output.labels is not None:
        write_segmentation(folder / f"{name}.seg.nrrd", output.labels, ijk_to_ras)
        write_table(folder / "lesions.csv", lesion_rows(output.result), list(LESION_COLUMNS.values()))
        if nifti:
            write_label_nifti(folder / f"{name}.labels.nii.gz", output.labels, ijk_to_ras)
    if output.result.slices:
        write_table(folder / "slices.csv", slice_rows(output.result), list(SLICE_COLUMNS.values()))
    for structure, probability in output.probabilities.items():
        write_volume(folder / f"{name}.{structure}-probability.nii.gz", probability.astype(np.float32), ijk_to_ras)


def write_summary(folder: Path, output: CaseOutput, origin: dict, seconds: float) -> None:
    """Write the summary of a case whose other files lie in `folder`."""
    files = sorted(file.name for file in folder.iterdir())
    data = {"schema": 1, "origin": origin, "files": files, "seconds": round(seconds, 2), "case": output.result.to_dict()}
    write_json(folder / SUMMARY, data)


def make_origin(task: str, taken_from: dict, options: dict, models: list[dict], extras: dict) -> dict:
    """What a case's results follow from; equal origins give equal results, whatever the number of threads. `taken_from` is the input's
    `fingerprint`."""
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
    nibabel = import_nibabel()
    image = nibabel.Nifti1Image(array.T, ijk_to_ras)
    image.set_sform(ijk_to_ras, code="scanner")
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nibabel.save(image, temporary)
