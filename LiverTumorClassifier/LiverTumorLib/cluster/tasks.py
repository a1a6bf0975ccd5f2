"""What a worker of the cluster does with one case: the batch's own work, on a copy of what does not lie in a folder."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..batch.cases import Case
from ..batch.display import Display, describe
from ..batch.folder import SUMMARY, read_summary
from ..batch.runner import Batch
from ..batch.table import done_row
from ..errors import OutputError, WorkerError
from ..files.tables import lesion_rows
from ..jobs import WarmWorkers
from ..jobs.protocol import MEMORY_VARIABLE
from ..records.results import CaseResult
from .places import Place, RemoteCase

_SILENT = Display(quiet=True)  # who started the batch tells of each case
_kept = threading.local()  # the warm workers of each thread that does tasks: they are for one thread


@dataclass(frozen=True)
class Work:
    """What is done with every case.

    Attributes:
        batch: its `out` is where results go, unless `address` says otherwise.
        models: the bundles as `Batch.models` has them where the batch was started; a worker with others is refused.
        address: fsspec address that results are copied to.
        memory: bytes that the process analyzing a case may use.
    """

    batch: Batch
    models: list[dict]
    address: str | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Done:
    """What is told of a case with results; all of it is in its summary, which for millions of cases is too much.

    Attributes:
        row: of the table of cases.
        lesions: rows of its lesions.
        said: lines for whoever waits.
    """

    row: dict
    lesions: list[dict]
    said: list[str]


def do_case(work: Work, case: Case | RemoteCase) -> Done:
    """Analyze a case, unless it is done. Raises what the case fails with."""
    check_models(work.batch.models(), work.models)
    with _limited(work.memory):
        summary = _do(work, case)
    result = CaseResult.from_dict(summary["case"])
    notes = [f"  {note}" for note in result.summary.notes]
    return Done(done_row(summary), lesion_rows(result), [describe(result), *notes])


def check_models(here: list[dict], wanted: list[dict]) -> None:
    """Raises WorkerError where a worker's models are not those that who started the work has."""
    if here != wanted:
        raise WorkerError(
            "This worker has other models than the computer that started the work; install one version on all."
        )


def _do(work: Work, case: Case | RemoteCase) -> dict:
    with contextlib.ExitStack() as stack:
        taken_from = None
        if isinstance(case, RemoteCase):
            place = Place(case.address)
            taken_from = place.fingerprint()
            case = Case(case.name, stack.enter_context(place.fetched()), case.is_dicom)
        if work.address is not None:
            return _do_remotely(work, case, taken_from)
        work.batch.run_case(case, work.models, _SILENT, taken_from, _warm_workers().start)
        return _read(work.batch.out / case.name)


def _do_remotely(work: Work, case: Case, taken_from: dict | None) -> dict:
    """As `_do`, the results copied to the address in the end."""
    out, batch = Place(str(work.address)), work.batch
    done = out.summary(case.name)
    if done is not None and done["origin"] == batch.origin(case, work.models, taken_from):
        return done
    if out.holds(case.name) and not batch.overwrite:
        raise OutputError(
            f"{out.below(case.name)} already holds something else than these results (another input, other options, or"
            " another version's); use --overwrite to replace it, or another --out."
        )
    with tempfile.TemporaryDirectory(prefix="livertumor-") as folder:
        replace(batch, out=Path(folder)).run_case(case, work.models, _SILENT, taken_from, _warm_workers().start)
        files = Path(folder, case.name).iterdir()
        out.store(sorted(files, key=lambda file: file.name == SUMMARY), case.name)  # it says that the others are whole
        return _read(Path(folder, case.name))


def _read(folder: Path) -> dict:
    summary = read_summary(folder)
    if summary is None:
        raise OutputError(f"The results in {folder} were changed while they were written; run the same command again.")
    return summary


@contextlib.contextmanager
def _limited(memory: int | None) -> Iterator[None]:
    """The processes that are started within the block may use no more memory than this."""
    with contextlib.ExitStack() as stack:
        if memory is not None:
            os.environ[MEMORY_VARIABLE] = str(memory)
            stack.callback(os.environ.pop, MEMORY_VARIABLE, None)
        yield


def _warm_workers() -> WarmWorkers:
    """Processes that have loaded the libraries and models for the cases before; they end with this one."""
    if not hasattr(_kept, "workers"):
        _kept.workers = WarmWorkers()
    return _kept.workers
