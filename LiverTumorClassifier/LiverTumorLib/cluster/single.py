"""One case after another on a cluster that runs already, for who waits for each, as the node does."""

from __future__ import annotations

import importlib
import uuid
from dataclasses import replace

from ..batch.cases import Case
from ..batch.runner import Batch
from ..errors import LiverTumorError, UsageError, WorkerError
from .connection import ClusterSettings, connected
from .distribution import distribute
from .requirements import require_dask
from .tasks import Work, do_case


def run_on_scheduler(batch: Batch, case: Case, address: str) -> None:
    """As `Batch.run` with one case; its folders are where the workers see them too.

    Raises what the case fails with, and WorkerError where the scheduler or the workers are at fault.
    """
    batch = replace(batch, options=replace(batch.options, threads=batch.options.threads or 1))
    work = Work(batch, batch.prepare())
    key = f"{case.name}-{uuid.uuid4().hex}"
    try:
        with connected(ClusterSettings(address), _unsaid, 1) as client:
            [(_, outcome)] = distribute(client, do_case, work, [case], lambda case: key)
    except UsageError as gone:  # the scheduler's address, which was right at the start
        raise WorkerError(str(gone)) from gone
    except OSError as gone:
        raise WorkerError(f"The scheduler {address} has ended.") from gone
    if isinstance(outcome, LiverTumorError):
        raise outcome


def load_dask() -> None:
    """Have Dask imported, which sets up its log, before the first case needs it. Raises RequirementError."""
    require_dask()
    importlib.import_module("distributed")


def count_workers(address: str) -> int:
    """How many workers a scheduler has. Raises RequirementError without Dask, UsageError where nobody answers, or none
    is there."""
    with connected(ClusterSettings(address), _unsaid, 1) as client:
        return len(client.scheduler_info(n_workers=-1)["workers"])


def _unsaid(line: str) -> None:
    """The node tells of its series, not of the cluster."""
