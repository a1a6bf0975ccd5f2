"""One task of Dask for each item of work: every item once, whatever happens to the workers."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ..batch.log import unexpected
from ..errors import Cancelled, LiverTumorError, ModelError, OutputError, RequirementError, WorkerError

if TYPE_CHECKING:
    from distributed import Client

MOST_TRIES = 3  # of an item whose workers fail
_COUNT_S = 1.0  # how old the number of threads may be that is worked with; asking takes as long as handing out a case
_MACHINE = (WorkerError, Cancelled, ModelError, RequirementError)  # models and packages were there where work began

Item = TypeVar("Item")
Result = TypeVar("Result")


class MachineFault(Exception):
    """Work failed for a reason that lies in the worker's computer, not in the data; another one may do it.

    Attributes:
        worker: address of the worker.
        error: what went wrong.
    """

    def __init__(self, worker: str, error: LiverTumorError) -> None:
        super().__init__(worker, error)
        self.worker, self.error = worker, error


def distribute(
    client: Client,
    do: Callable[[Any, Item], Result],
    shared: Any,
    items: Iterable[Item],
    key: Callable[[Item], str],
) -> Iterator[tuple[Item, Result | LiverTumorError]]:
    """Have the workers do every item; an item whose worker fails is given to others, up to MOST_TRIES times.

    No more items are with the cluster than it has threads: those that wait at a worker would be blamed for its death.

    Args:
        client: of the cluster, which has a worker.
        do: called in a worker with `shared` and an item; a function of a module, as workers import it. What it raises
            is the data's fault, but for _MACHINE and an OutputError that the system has caused.
        shared: what is the same for every item.
        items: taken as workers are free.
        key: names an item's task; equal where the same is done with the same.

    Yields:
        each item as it ends, with its result or the error that it failed with.

    Raises:
        WorkerError: the scheduler is gone.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    address = client.scheduler.address
    with _scheduler(address):
        # A task of its own and no scattered data, which would be lost with the workers that hold them.
        given = client.submit(_given, shared, key=f"shared-{uuid.uuid4().hex}")
    to_do = iter(items)
    running: dict[str, tuple[Item, int]] = {}  # by the task's key: the item, and which try this is
    waiting = as_completed()

    def workers() -> dict[str, int]:
        """Their threads, by address."""
        with _scheduler(address):
            return client.nthreads()

    def submit(item: Item, number: int, avoided: str | None = None) -> None:
        others = [worker for worker in workers() if worker != avoided] if avoided else []
        name = f"{key(item)}-{number}"
        running[name] = item, number
        chosen = {"workers": others, "allow_other_workers": True} if others else {}
        with _scheduler(address):
            waiting.add(client.submit(_do, do, given, item, key=name, **chosen))

    threads, counted = 0, -_COUNT_S

    def fill() -> None:
        nonlocal threads, counted
        if (now := time.monotonic()) - counted >= _COUNT_S:
            threads, counted = max(sum(workers().values()), 1), now
        for item in islice(to_do, max(threads - len(running), 0)):
            submit(item, 1)

    fill()
    for future in waiting:
        item, number = running.pop(future.key)
        outcome: Result | LiverTumorError
        try:
            with _scheduler(address):
                outcome = future.result()
        except MachineFault as fault:
            if number < MOST_TRIES:
                submit(item, number + 1, fault.worker)
                continue
            outcome = type(fault.error)(f"{fault.error} {MOST_TRIES} workers have tried.")
        except KilledWorker as error:
            outcome = WorkerError(
                f"It has killed {error.allowed_failures + 1} workers, so it was given up; look at their memory"
                " (--worker-memory), or at its data."
            )
        fill()
        yield item, outcome


@contextlib.contextmanager
def _scheduler(address: str) -> Iterator[None]:
    """Raises WorkerError where the scheduler goes: as OSError while it is asked or a result is on its way, as cancelled
    tasks or a closed client once Dask has given up reaching it. What `_do` raises is none of these."""
    from distributed.client import ClosedClientError

    try:
        yield
    except (OSError, CancelledError, ClosedClientError) as error:
        raise WorkerError(
            f"The scheduler at {address} has gone; what is finished stays, so start it and run the same command again."
        ) from error


def _given(shared: Any) -> Any:
    return shared


def _do(do: Callable[[Any, Item], Result], shared: Any, item: Item) -> Result | LiverTumorError:
    """What a worker does with an item. Raises MachineFault."""
    from distributed import get_worker

    try:
        return do(shared, item)
    except LiverTumorError as error:
        of_the_system = isinstance(error, OutputError) and isinstance(error.__cause__, OSError)
        if isinstance(error, _MACHINE) or of_the_system:
            raise MachineFault(get_worker().address, error) from error
        return error
    except Exception as error:
        return unexpected(error)
