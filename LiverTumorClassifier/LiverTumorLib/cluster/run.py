"""A batch over a cluster: every case once, whatever happens to workers, and tables of all in the end."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..batch.cases import Case
from ..batch.display import Display
from ..batch.runner import TABLE, TABLE_COLUMNS, Batch, describe, done_row, failure_row
from ..errors import Cancelled, LiverTumorError, SomeCasesFailed, WorkerError
from ..files import write_json, write_table
from ..records.results import CaseResult
from .connection import ClusterSettings, connected
from .places import Place, RemoteCase
from .tables import CASES, LESIONS, write_parquet
from .tasks import MachineFault, Outcome, Work, do_case

if TYPE_CHECKING:
    from distributed import Client

MANIFEST = "manifest.json"
MOST_TRIES = 3  # of a case whose workers fail


@dataclass
class ClusterBatch:
    """A batch whose cases are tasks of a Dask cluster.

    Attributes:
        batch: what is done; its `out` is a folder that all workers see.
        settings: who works.
        address: fsspec address that results go to instead.
    """

    batch: Batch
    settings: ClusterSettings
    address: str | None = None
    _outcomes: dict[str, Outcome] = field(default_factory=dict)

    def run(self, cases: Sequence[Case | RemoteCase], display: Display) -> None:
        """Do every case that is not done, and write `cases.csv`, Parquet tables of cases and lesions and a manifest.

        Raises SomeCasesFailed where cases have no result, Cancelled, and at once what concerns all: ModelError,
        RequirementError, OutputError, UsageError, WorkerError.
        """
        batch = replace(self.batch, options=replace(self.batch.options, threads=self.batch.options.threads or 1))
        if self.address is None:
            models = batch.prepare()
        else:
            models = batch.models()
            batch.check_packages()
            Place(self.address).prepare()
        work = Work(batch, models, self.address, self.settings.memory_bytes)
        begin = datetime.now(UTC)
        try:
            with connected(self.settings) as client:
                display.say(f"Dashboard of the cluster: {client.dashboard_link}")
                self._collect(client, work, list(cases), display)
        except (KeyboardInterrupt, Cancelled):
            self._write_tables(cases, work, begin)
            done = sum(outcome.summary is not None for outcome in self._outcomes.values())
            raise Cancelled(
                f"Stopped; {done} of {len(cases)} cases are done, the same command continues with the rest."
            ) from None
        finally:
            display.clear()
        self._write_tables(cases, work, begin)
        failed = {name: outcome.error for name, outcome in self._outcomes.items() if outcome.error is not None}
        display.say(f"{len(cases) - len(failed)} of {len(cases)} cases have results; {self._place(TABLE)} lists them.")
        if failed:
            reasons = "".join(f"\n  {name}: {error}" for name, error in failed.items())
            raise SomeCasesFailed(f"{len(failed)} of {len(cases)} cases have no result:{reasons}")

    def _collect(self, client: Client, work: Work, cases: list[Case | RemoteCase], display: Display) -> None:
        begin = time.monotonic()
        for outcome in _outcomes(client, work, cases):
            self._outcomes[outcome.name] = outcome
            if outcome.summary is not None:
                result = CaseResult.from_dict(outcome.summary["case"])
                display.say(describe(result))
                for note in result.summary.notes:
                    display.say(f"  {note}")
            if outcome.error is not None:
                display.warn(f"{outcome.name}: failed. {outcome.error}")
            done, seconds = len(self._outcomes), time.monotonic() - begin
            left = seconds / done * (len(cases) - done)
            rate = 60 * done / max(seconds, 1e-3)
            display.progress("cases", done / len(cases), f"{done} of {len(cases)} cases, {rate:.1f} a minute", left)

    def _write_tables(self, cases: Sequence[Case | RemoteCase], work: Work, begin: datetime) -> None:
        by_name = {case.name: case for case in cases}
        summaries = {name: outcome.summary for name, outcome in self._outcomes.items() if outcome.summary is not None}
        rows = [done_row(summary) for summary in summaries.values()]
        for name, outcome in self._outcomes.items():
            if outcome.error is not None:
                case = by_name[name]
                rows.append(failure_row(name, case.path if isinstance(case, Case) else case.address, outcome.error))
        rows.sort(key=lambda row: list(by_name).index(row[TABLE_COLUMNS[0]]))
        with tempfile.TemporaryDirectory(prefix="livertumor-") as temporary:
            folder = self.batch.out if self.address is None else Path(temporary)
            write_table(folder / TABLE, rows, TABLE_COLUMNS)
            write_parquet(folder, rows, summaries)
            write_json(folder / MANIFEST, self._manifest(work, begin, rows))
            if self.address is not None:
                Place(self.address).store([folder / name for name in (TABLE, CASES, LESIONS, MANIFEST)])

    def _manifest(self, work: Work, begin: datetime, rows: list[dict]) -> dict:
        """What ran, with which models, when and over what."""
        return {
            "version": __version__,
            "task": work.batch.task,
            "options": work.batch.options.to_dict(),
            "models": work.models,
            "cluster": {
                "address": self.settings.address,
                "workers": self.settings.workers,
                "memory": self.settings.memory,
            },
            "begin": begin.isoformat(timespec="seconds"),
            "end": datetime.now(UTC).isoformat(timespec="seconds"),
            "cases": {row[TABLE_COLUMNS[0]]: row["status"] for row in rows},
        }

    def _place(self, name: str) -> str:
        return str(self.batch.out / name) if self.address is None else f"{self.address}/{name}"


def _outcomes(client: Client, work: Work, cases: list[Case | RemoteCase]) -> Iterator[Outcome]:
    """The outcome of each case as it comes; a case whose worker fails is given to others, up to MOST_TRIES times.

    No more cases are with the cluster than it has threads: those that wait at a worker would be blamed for its death.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    # A task of its own and no scattered data, which would be lost with the workers that hold them.
    shared = client.submit(_given, work, key=f"work-{uuid.uuid4().hex}")
    to_do = iter(cases)
    running: dict[str, tuple[Case | RemoteCase, int]] = {}  # by the task's key: the case, and which try this is
    waiting = as_completed()

    def submit(case: Case | RemoteCase, number: int, avoided: str | None = None) -> None:
        others = [worker for worker in client.scheduler_info()["workers"] if worker != avoided] if avoided else []
        key = _key(work, case, number)
        running[key] = case, number
        chosen = {"workers": others, "allow_other_workers": True} if others else {}
        waiting.add(client.submit(do_case, shared, case, key=key, **chosen))

    def fill() -> None:
        for case in islice(to_do, max(sum(client.nthreads().values()), 1) - len(running)):
            submit(case, 1)

    client.wait_for_workers(1)
    fill()
    for future in waiting:
        case, number = running.pop(future.key)
        outcome: Outcome | None = None
        try:
            outcome = future.result()
        except MachineFault as fault:
            if number < MOST_TRIES:
                submit(case, number + 1, fault.worker)
            else:
                error = type(fault.error)(f"{fault.error} {MOST_TRIES} workers have tried.")
                outcome = Outcome(case.name, None, error)
        except KilledWorker:
            sentence = (
                f"It has killed {MOST_TRIES} workers, so it was given up; look at their memory (--worker-memory), or"
                " at the file."
            )
            outcome = Outcome(case.name, None, WorkerError(sentence))
        except LiverTumorError as error:
            outcome = Outcome(case.name, None, error)
        fill()
        if outcome is not None:
            yield outcome


def _given(work: Work) -> Work:
    return work


def _key(work: Work, case: Case | RemoteCase, number: int) -> str:
    """Of a task: equal where input, models and options are."""
    if isinstance(case, RemoteCase):
        origin: object = [case.address, work.models, work.batch.options.to_dict()]
    else:
        origin = work.batch.origin(case, work.models)
    content = json.dumps([origin, str(work.batch.out), work.address, number], sort_keys=True)
    return f"case-{case.name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
