"""Folders of CT without nodes: the command line's batch, called from Python."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from ..batch.cases import find_cases
from ..batch.display import Display
from ..batch.runner import TABLE, Batch
from ..errors import Cancelled, LiverTumorError
from ..records.options import Progress, RunOptions, no_progress
from .serving import ServedRun
from .translation import _


def process_folder(
    task: str,
    inputs: str | Path | Sequence[str | Path],
    output_dir: str | Path,
    options: RunOptions,
    *,
    nifti: bool = False,
    picture: bool = True,
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
        nifti, picture, series, overwrite: as on the command line.
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
    batch = Batch(task, options, out, nifti=nifti, picture=picture, series=series, overwrite=overwrite)
    steps = batch.steps(found.cases, _Reporter(progress or no_progress))

    def run_batch() -> Generator[Any, None, Path]:
        yield _BatchJob(steps)
        return out / TABLE

    run = ServedRun(run_batch(), finished)
    if wait:
        return run.wait()
    run.serve()
    return run


class _BatchJob:
    """A batch as one job of a run: it goes on whenever it is polled, and has no output but its files.

    Args:
        steps: of the batch; it is begun here. Raises what concerns all cases.
    """

    remaining_s = None

    def __init__(self, steps: Generator[None, None, None]) -> None:
        self._steps = steps
        self._over = self._stopped = False
        self._error: LiverTumorError | None = None
        self._go_on()

    def poll(self) -> bool:
        """Whether it is over."""
        if not self._over:
            try:
                self._go_on()
            except LiverTumorError as error:
                self._over, self._error = True, error
        return self._over

    def output(self) -> None:
        """Raises the error that the batch ended with."""
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        """Stop it at the next poll."""
        self._stopped = True

    def ends_within(self, seconds: float) -> bool:
        """As of other jobs; polling waits long enough itself."""
        return self._over

    def _go_on(self) -> None:
        try:
            if self._stopped:
                self._steps.throw(Cancelled(_("The run was stopped.")))
            next(self._steps)
        except StopIteration:
            self._over = True


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
