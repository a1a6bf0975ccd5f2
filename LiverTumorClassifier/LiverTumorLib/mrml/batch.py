"""Folders of CT without nodes: the command line's batch, called from Python."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from ..batch.cases import find_cases
from ..batch.display import Display
from ..batch.runner import Batch
from ..batch.table import TABLE
from ..jobs import Job
from ..records.options import CaseOutput, Progress, RunOptions, no_progress
from .serving import ServedRun


def process_folder(
    task: str,
    inputs: str | Path | Sequence[str | Path],
    output_dir: str | Path,
    options: RunOptions,
    *,
    nifti: bool = False,
    picture: bool = True,
    dicom: bool = False,
    series: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    finished: Callable[[ServedRun], None] | None = None,
    wait: bool = True,
) -> Path | ServedRun:
    """Do what `livertumor segment` or `livertumor classify` does, in the same code: finished cases are not done again.

    Args:
        task: "segment" or "classify".
        inputs: files, folders (searched with their sub-folders) or patterns, or one of them.
        output_dir: each case gets a folder in it.
        nifti, picture, dicom, series, overwrite: as on the command line.
        progress: called with (stage, fraction of the whole batch, message); may raise Cancelled to stop.
        finished: called with the run when it is over; its `result` returns or raises.
        wait: wait for the end; False lets Slicer's event loop finish the batch.

    Returns:
        Path of `cases.csv`, the table of all cases, or the run whose result it is.

    Raises:
        SomeCasesFailed: some of several cases have no result, its message says which and why; the error itself for a
        single case. UsageError, ModelError, RequirementError, OutputError, Cancelled: the batch as a whole cannot be
        done, or was stopped.
    """
    given = [inputs] if isinstance(inputs, (str, Path)) else inputs
    out = Path(os.path.abspath(os.path.expanduser(output_dir)))
    found = find_cases([str(path) for path in given], exclude=out, whole_folders=series is not None)
    for reason in found.skipped:
        logging.info("Skipped %s", reason)
    batch = Batch(task, options, out, nifti=nifti, picture=picture, dicom=dicom, series=series, overwrite=overwrite)
    reporter = _Reporter(progress or no_progress)

    def steps() -> Generator[Job, CaseOutput, Path]:
        yield from batch.steps(found.cases, reporter)
        return out / TABLE

    run = ServedRun(steps(), finished)
    if wait:
        return run.wait()
    run.serve()
    return run


class _Reporter(Display):
    """Progress to a callback, results to Slicer's log."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(quiet=True)
        self._receiver = progress
        self._case = ""
        self._done, self._total = 0, 1

    def begin(self, number: int, total: int, name: str) -> None:
        self._case, self._done, self._total = name, number - 1, total

    def progress(
        self, stage: str, fraction: float | None = None, message: str = "", remaining_s: float | None = None
    ) -> None:
        self._receiver(stage, (self._done + (fraction or 0.0)) / self._total, f"{self._case}: {message or stage}")

    def say(self, text: str) -> None:
        logging.info(text)

    def warn(self, text: str) -> None:
        logging.warning(text)
