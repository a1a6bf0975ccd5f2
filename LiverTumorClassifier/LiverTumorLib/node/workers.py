"""Series are analyzed as the batch analyzes cases: by the same job workers, into the same folders of results."""

from __future__ import annotations

import io
import time
from pathlib import Path

from ..batch.cases import Case
from ..batch.display import Display
from ..batch.folder import read_summary
from ..batch.runner import Batch
from ..cluster.single import run_on_scheduler
from ..errors import InputError, LiverTumorError, OutputError, UsageError
from .backoff import delay_s
from .configuration import Configuration
from .figures import Figures
from .logs import log
from .queue import Queue, Series
from .rules import why_not
from .store import Store

_DATA_FAULTS = (InputError, UsageError)  # the same every time


class Worker:
    """Analyzes one series after another; any number of them share a queue."""

    def __init__(self, configuration: Configuration, store: Store, queue: Queue, figures: Figures) -> None:
        self._configuration, self._store, self._queue, self._figures = configuration, store, queue, figures

    def step(self) -> bool:
        """Do the next series; False where none waits."""
        series = self._queue.claim()
        if series is None:
            return False
        begin = time.monotonic()
        outcome = self._do(series)
        seconds = time.monotonic() - begin
        self._figures.analyzed.labels(outcome).inc()
        if outcome == "done":
            self._figures.seconds.observe(seconds)
        log("analyzed", series=series.id, outcome=outcome, images=series.images, seconds=round(seconds, 1))
        return True

    def _do(self, series: Series) -> str:
        """Analyze a series and note what has become of it, also in a word."""
        files = self._store.files(series.study, series.uid)
        if len(files) < series.whole:
            came = f"{len(files)} of {series.whole} images came again"
            again = f"Its pixels had been deleted when {came}; send the whole series."
            return "skipped" if self._queue.skip(series, again) else "overtaken"
        try:
            reason = why_not(files, series.header, self._configuration.rules)
            if reason is not None:
                return "skipped" if self._queue.skip(series, reason) else "overtaken"
            self._analyze(series)
        except _DATA_FAULTS as error:
            return "failed" if self._queue.fail(series, str(error)) else "overtaken"
        except LiverTumorError as error:
            if series.tries + 1 >= self._configuration.analysis.tries and not isinstance(error, OutputError):
                return "failed" if self._queue.fail(series, str(error)) else "overtaken"
            if not self._queue.retry_later(series, str(error), delay_s(series.tries)):
                return "overtaken"
            log(
                "analysis put off",
                level="warning",
                series=series.id,
                error=type(error).__name__,
                tries=series.tries + 1,
            )
            return "put off"
        results = result_files(self._configuration.folder, series.id)
        targets = [target.name for target in self._configuration.targets]
        note = "" if results or not targets else "It has no DICOM results that could be sent."
        return "done" if self._queue.finish(series, [file.name for file in results], targets, note) else "overtaken"

    def _analyze(self, series: Series) -> None:
        """Have the results of a series in its folder; they are not made again where they are there. Raises
        LiverTumorError."""
        chosen = self._configuration.analysis
        case = Case(case_name(series.id), self._store.folder(series.study, series.uid), is_dicom=True)
        batch = Batch(
            "segment",
            self._configuration.run_options,
            series_folder(self._configuration.folder, series.id),
            dicom=True,
            dicom_page=chosen.dicom_page,
            overwrite=True,
        )
        if chosen.scheduler is None:
            batch.run([case], Display(quiet=True, stream=io.StringIO()))
        else:
            run_on_scheduler(batch, case, chosen.scheduler)


def results_folder(folder: Path) -> Path:
    """Where the results of all series lie, in the node's folder."""
    return folder / "results"


def series_folder(folder: Path, id: int) -> Path:
    """The output folder of a series, in the node's."""
    return results_folder(folder) / str(id)


def case_name(id: int) -> str:
    """What the results call a series."""
    return f"series-{id}"


def case_folder(folder: Path, id: int) -> Path:
    """Where the results of a series lie."""
    return series_folder(folder, id) / case_name(id)


def result_files(folder: Path, id: int) -> list[Path]:
    """The DICOM objects among the results of a series that is analyzed."""
    results = case_folder(folder, id)
    summary = read_summary(results) or {"files": ()}
    return [results / name for name in sorted(summary["files"]) if name.endswith(".dcm")]
