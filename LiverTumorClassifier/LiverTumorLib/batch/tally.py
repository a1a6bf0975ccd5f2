"""What has become of the cases of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import Cancelled, LiverTumorError, OutputError, SomeCasesFailed
from ..files import write_table
from .cases import Case
from .display import Display
from .log import unexpected, with_log
from .table import TABLE, TABLE_COLUMNS, done_rows, failure_row


class Tally:
    """What has become of the cases of a batch: keeps its table, and in the end says or raises what there is to say."""

    def __init__(self, out: Path, cases: list[Case], display: Display) -> None:
        self._out, self._total, self._display = out, len(cases), display
        self._table = done_rows(out)
        self._failed: dict[str, LiverTumorError] = {}
        self._finished = 0
        self._unwritten: OutputError | None = None

    def __enter__(self) -> Tally:
        return self

    def add(self, case: Case, outcome: dict | Exception) -> None:
        """A case is over: its row of the table, or what it failed with."""
        if not isinstance(outcome, Exception):
            self._table[case.name] = outcome
            self._finished += 1
        else:
            error = with_log(outcome) if isinstance(outcome, LiverTumorError) else unexpected(outcome)
            self._failed[case.name] = error
            self._table.setdefault(case.name, failure_row(case.name, case.path, error))  # what is there already stays
            if self._total > 1:
                self._display.warn(f"{case.name}: failed. {error}")
        self._write(self._table)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._display.clear()
        if isinstance(error, (KeyboardInterrupt, Cancelled)):
            if self._total == 1:
                raise Cancelled("Stopped; no result was written.") from None
            raise stopped(self._finished, self._total) from None
        if error is None:
            self._write(self._table | done_rows(self._out))  # also what another run has done meanwhile
            self._conclude()

    def _conclude(self) -> None:
        if self._total == 1 and self._failed:
            raise next(iter(self._failed.values()))
        if self._unwritten is not None and not self._failed:
            raise self._unwritten
        if self._unwritten is not None:
            self._display.warn(str(self._unwritten))
        if self._total > 1:
            conclude(self._display, self._finished, self._failed, self._out / TABLE)

    def _write(self, table: dict[str, dict]) -> None:
        """Write the table, and keep what prevents it: the cases matter more."""
        self._unwritten = None
        try:
            write_table(self._out / TABLE, list(table.values()), TABLE_COLUMNS)
        except OutputError as error:
            self._unwritten = error


def stopped(finished: int, total: int) -> Cancelled:
    """What ends a batch that the user has stopped."""
    return Cancelled(f"Stopped; {finished} of {total} cases are done, the same command continues with the rest.")


def conclude(display: Display, finished: int, failed: Mapping[str, LiverTumorError], table: Path | str) -> None:
    """Say how many cases of a batch have results; raises SomeCasesFailed with the reasons of those that have none."""
    total = finished + len(failed)
    display.say(f"{finished} of {total} cases have results; {table} lists them.")
    if failed:
        reasons = "".join(f"\n  {name}: {error}" for name, error in failed.items())
        raise SomeCasesFailed(f"{len(failed)} of {total} cases have no result:{reasons}")
