"""What a worker of the cluster does with one case: the batch's own work, on a copy of what does not lie in a folder."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..batch.cases import Case
from ..batch.display import Display
from ..batch.folder import SUMMARY, read_summary
from ..batch.log import unexpected
from ..batch.runner import Batch
from ..errors import Cancelled, LiverTumorError, OutputError, WorkerError
from ..jobs.protocol import MEMORY_VARIABLE
from .places import Place, RemoteCase

_SILENT = Display(quiet=True)  # who started the batch tells of each case


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
class Outcome:
    """How a case ended: its summary, or the error that its data caused."""

    name: str
    summary: dict | None
    error: LiverTumorError | None = None


class MachineFault(Exception):
    """A case failed for a reason that lies in the worker's computer, not in the case; another one may do it.

    Attributes:
        worker: address of the worker.
        error: what went wrong.
    """

    def __init__(self, worker: str, error: LiverTumorError) -> None:
        super().__init__(worker, error)
        self.worker, self.error = worker, error


def do_case(work: Work, case: Case | RemoteCase) -> Outcome:
    """Analyze a case, unless it is done. Raises MachineFault."""
    try:
        if work.batch.models() != work.models:
            raise WorkerError(
                "This worker has other models than the computer that started the batch; install one version on all."
            )
        with _limited(work.memory):
            return Outcome(case.name, _do(work, case))
    except Cancelled:
        raise
    except LiverTumorError as error:
        if isinstance(error, WorkerError) or (isinstance(error, OutputError) and isinstance(error.__cause__, OSError)):
            raise MachineFault(_worker(), error) from error
        return Outcome(case.name, None, error)
    except Exception as error:
        return Outcome(case.name, None, unexpected(error))


def _do(work: Work, case: Case | RemoteCase) -> dict:
    with contextlib.ExitStack() as stack:
        taken_from = None
        if isinstance(case, RemoteCase):
            place = Place(case.address)
            taken_from = place.fingerprint()
            case = Case(case.name, stack.enter_context(place.fetched()), case.is_dicom)
        if work.address is not None:
            return _do_remotely(work, case, taken_from)
        work.batch.run_case(case, work.models, _SILENT, taken_from)
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
        replace(batch, out=Path(folder)).run_case(case, work.models, _SILENT, taken_from)
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


def _worker() -> str:
    from distributed import get_worker

    return get_worker().address
