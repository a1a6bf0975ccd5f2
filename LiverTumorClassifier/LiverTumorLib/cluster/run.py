"""A batch over a cluster: every case once, whatever happens to workers, and tables of all in the end."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..batch.cases import Case
from ..batch.display import Display
from ..batch.runner import Batch
from ..batch.table import TABLE, TABLE_COLUMNS, failure_row
from ..batch.tally import conclude, stopped
from ..errors import Cancelled, LiverTumorError
from ..files import write_json, write_table
from .connection import ClusterSettings, connected
from .distribution import distribute
from .places import Place, RemoteCase
from .tables import CASES, LESIONS, write_parquet
from .tasks import Done, Work, do_case

if TYPE_CHECKING:
    from distributed import Client

MANIFEST = "manifest.json"


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
    _done: dict[str, Done] = field(default_factory=dict)
    _failed: dict[str, LiverTumorError] = field(default_factory=dict)

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
            with connected(self.settings, display.say, len(cases)) as client:
                try:
                    self._collect(client, work, cases, display)
                finally:
                    self._write_tables(cases, work, begin)
        except (KeyboardInterrupt, Cancelled):
            raise stopped(len(self._done), len(cases)) from None
        finally:
            display.clear()
        conclude(display, len(self._done), self._failed, self._place(TABLE))

    def _collect(self, client: Client, work: Work, cases: Sequence[Case | RemoteCase], display: Display) -> None:
        begin = time.monotonic()
        for case, outcome in distribute(client, do_case, work, cases, partial(_key, work)):
            if isinstance(outcome, LiverTumorError):
                self._failed[case.name] = outcome
                display.warn(f"{case.name}: failed. {outcome}")
            else:
                self._done[case.name] = outcome
                for line in outcome.said:
                    display.say(line)
            ended, seconds = len(self._done) + len(self._failed), time.monotonic() - begin
            left = seconds / ended * (len(cases) - ended)
            rate = 60 * ended / max(seconds, 1e-3)
            display.progress("cases", ended / len(cases), f"{ended} of {len(cases)} cases, {rate:.1f} a minute", left)

    def _write_tables(self, cases: Sequence[Case | RemoteCase], work: Work, begin: datetime) -> None:
        rows, lesions = [], {}
        for case in cases:
            if case.name in self._done:
                rows.append(self._done[case.name].row)
                lesions[case.name] = self._done[case.name].lesions
            elif case.name in self._failed:
                place = case.path if isinstance(case, Case) else case.address
                rows.append(failure_row(case.name, place, self._failed[case.name]))
        with tempfile.TemporaryDirectory(prefix="livertumor-") as temporary:
            folder = self.batch.out if self.address is None else Path(temporary)
            write_table(folder / TABLE, rows, TABLE_COLUMNS)
            write_parquet(folder, rows, lesions)
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


def _key(work: Work, case: Case | RemoteCase) -> str:
    """Of a task: equal where input, models and options are."""
    if isinstance(case, RemoteCase):
        origin: object = [case.address, work.models, work.batch.options.to_dict()]
    else:
        origin = work.batch.origin(case, work.models)
    content = json.dumps([origin, str(work.batch.out), work.address], sort_keys=True)
    return f"case-{case.name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
