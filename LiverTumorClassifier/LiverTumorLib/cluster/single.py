"""One case after another on a cluster that runs already, for who waits for each, as the node does."""

from __future__ import annotations

import importlib
from concurrent.futures import CancelledError
from dataclasses import replace

from ..batch.cases import Case
from ..batch.runner import Batch
from ..errors import LiverTumorError, UsageError, WorkerError
from .connection import CONNECT_S, ClusterSettings, connected
from .requirements import require_dask
from .tasks import MachineFault, Work, do_case


def run_on_scheduler(batch: Batch, case: Case, address: str) -> None:
    """As `Batch.run` with one case; its folders are where the workers see them too.

    Raises what the case fails with, and WorkerError where the scheduler or the workers are at fault.
    """
    from distributed.scheduler import KilledWorker

    batch = replace(batch, options=replace(batch.options, threads=batch.options.threads or 1))
    work = Work(batch, batch.prepare())
    try:
        with connected(ClusterSettings(address)) as client:
            client.wait_for_workers(1, timeout=CONNECT_S)
            error = client.submit(do_case, work, case, pure=False).result().error
    except MachineFault as fault:
        raise WorkerError(f"Worker {fault.worker}: {fault.error}") from fault
    except KilledWorker as killed:
        raise WorkerError(f"The workers of {address} ended while they did it; look at their memory.") from killed
    except UsageError as gone:  # the scheduler's address, which was right at the start
        raise WorkerError(str(gone)) from gone
    except LiverTumorError:
        raise
    except (CancelledError, OSError) as gone:
        raise WorkerError(f"The scheduler {address} has ended, or has no workers.") from gone
    if error is not None:
        raise error


def load_dask() -> None:
    """Have Dask imported, which sets up its log, before the first case needs it. Raises RequirementError."""
    require_dask()
    importlib.import_module("distributed")


def count_workers(address: str) -> int:
    """How many workers a scheduler has. Raises RequirementError without Dask, UsageError where nobody answers."""
    with connected(ClusterSettings(address)) as client:
        return len(client.scheduler_info(n_workers=-1)["workers"])
