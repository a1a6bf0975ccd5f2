"""The Dask cluster that works: one on this computer, one that runs already, or one that Slurm makes."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import RequirementError, UsageError, WorkerError
from ..models.cpus import available_threads

if TYPE_CHECKING:
    from distributed import Client

LOCAL, SLURM = "local", "slurm"
CONNECT_S = 10  # how long a scheduler may take to answer
SLURM_S = 60  # how long Slurm may take to answer
WORKER_S = 60  # how long the first worker on this computer may take to come
LEAST_MEMORY = 1_000_000_000  # bytes of address space in which Python, the libraries and a small scan find room
_SETTINGS = {
    "distributed.scheduler.allowed-failures": 2,  # a case that has killed three workers gets no fourth
    "distributed.dashboard.link": "{scheme}://127.0.0.1:{port}/status",  # where it is of what is started here
}


@dataclass(frozen=True)
class ClusterSettings:
    """Who works.

    Attributes:
        address: "local", "slurm" or the address of a scheduler, such as "tcp://10.0.0.1:8786".
        workers: how many are started; None takes as many as this computer has CPUs. A scheduler has its own.
        memory: what one worker and the work it starts may use, such as "4GiB"; None sets no limit.
    """

    address: str = LOCAL
    workers: int | None = None
    memory: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"--workers {self.workers}: at least one is needed.")
        if self.address not in (LOCAL, SLURM) and not re.fullmatch(r"(tcp|tls|ws|wss|ucx)://\S+", self.address):
            raise UsageError(
                f"--cluster {self.address} is none of: local, slurm, the address of a Dask scheduler (tcp://HOST:PORT)."
            )
        if self.address not in (LOCAL, SLURM) and (self.workers or self.memory):
            raise UsageError(
                "--workers and --worker-memory are for 'local' and 'slurm'; a running scheduler has its own workers."
            )
        self.memory_bytes  # noqa: B018 - raises where it is no size

    @property
    def memory_bytes(self) -> int | None:
        """The limit of a worker in bytes. Raises UsageError."""
        if self.memory is None:
            return None
        from .requirements import require_dask

        require_dask()
        from dask.utils import parse_bytes

        try:
            size = parse_bytes(self.memory)
        except ValueError:
            raise UsageError(f"--worker-memory {self.memory} is not a size; write it like 4GiB.") from None
        if size < LEAST_MEMORY:
            raise UsageError(f"--worker-memory {self.memory} is too little for any scan; give 2GiB or more.")
        return size


@contextlib.contextmanager
def connected(settings: ClusterSettings, say: Callable[[str], None], tasks: int) -> Iterator[Client]:
    """A client of the cluster, which has a worker; what was started for it ends with the block.

    Args:
        settings: who works.
        say: hears of its dashboard.
        tasks: how many there are; no more workers are started for them, unless `settings` says how many.

    Raises:
        RequirementError: Dask (or, for Slurm, dask-jobqueue) is not installed.
        UsageError: nobody answers at the address, the scheduler there has no workers, or Slurm is not set up.
        WorkerError: no worker starts on this computer.
    """
    from .requirements import require_dask

    require_dask()
    import dask
    from distributed import Client

    with contextlib.ExitStack() as stack:
        if settings.address in (LOCAL, SLURM):
            stack.enter_context(dask.config.set(_SETTINGS))
        if settings.address == LOCAL:
            cluster = stack.enter_context(_local(settings, tasks))
        elif settings.address == SLURM:
            cluster = stack.enter_context(_slurm(settings))
        else:
            cluster = settings.address
        try:
            client = stack.enter_context(Client(cluster, timeout=CONNECT_S))
        except (OSError, ValueError) as error:
            raise UsageError(f"No Dask scheduler answers at {settings.address} ({error}); is it running?") from error
        say(f"Dashboard of the cluster: {client.dashboard_link}")
        if settings.address == SLURM:
            say("Waiting for Slurm to start a worker (squeue --me tells why it does not).")
        try:
            client.wait_for_workers(1, timeout={LOCAL: WORKER_S, SLURM: None}.get(settings.address, CONNECT_S))
        except TimeoutError:
            raise UsageError(f"The scheduler at {settings.address} has no workers; start some.") from None
        except OSError as error:
            raise UsageError(f"The scheduler at {settings.address} went away ({error}); is it running?") from error
        yield client


def _local(settings: ClusterSettings, tasks: int) -> Any:
    from distributed import LocalCluster

    count = settings.workers or max(min(available_threads(), tasks), 1)
    try:
        cluster = LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            memory_limit=settings.memory_bytes or 0,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        )
    except (OSError, RuntimeError) as error:
        raise WorkerError(f"The workers cannot be started on this computer: {error}.") from error
    _keep(cluster, count)
    return cluster


def _slurm(settings: ClusterSettings) -> Any:
    try:
        import dask
        from dask_jobqueue import SLURMCluster
    except ImportError:
        raise RequirementError("--cluster slurm needs dask-jobqueue: pip install 'livertumor[cluster]'.") from None
    if settings.memory is None and dask.config.get("jobqueue.slurm.memory", None) is None:
        raise UsageError("--cluster slurm needs --worker-memory, what Slurm is to give a worker, such as 4GiB.")
    try:
        # Queue, account, time limit and the rest come from the user's ~/.config/dask/jobqueue.yaml.
        given: dict[str, Any] = {} if settings.memory is None else {"memory": settings.memory}
        dashboard = {"dashboard_address": "127.0.0.1:0"}
        cluster = SLURMCluster(cores=1, processes=1, scheduler_options=dashboard, silence_logs=50, **given)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise _refused(str(error)) from error
    try:
        _try_job(cluster.job_script())
        _keep(cluster, settings.workers or 1)
    except BaseException:
        cluster.close()
        raise
    return cluster


def _keep(cluster: Any, count: int) -> None:
    """Have a cluster start a worker for each that is lost: a job of Slurm that ends, by its time limit say, or a worker
    whose nanny gave up, as it does where a busy computer takes long to start or to hear of one."""
    cluster.adapt(minimum=count, maximum=count)


def _try_job(script: str) -> None:
    """Have Slurm say whether it would take the job of a worker; what dask-jobqueue is refused, nobody is told. Raises
    UsageError."""
    try:
        tried = subprocess.run(
            ["sbatch", "--test-only"], input=script, capture_output=True, text=True, timeout=SLURM_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _refused(f"sbatch: {error}") from error
    if tried.returncode:
        raise _refused("; ".join(tried.stderr.split("\n")).strip("; "))


def _refused(why: str) -> UsageError:
    return UsageError(
        f"Slurm cannot be used through dask-jobqueue ({why}); its settings belong in ~/.config/dask/jobqueue.yaml, and"
        " --worker-memory gives the memory of a worker."
    )
