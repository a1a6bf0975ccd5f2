"""Run a task over many cases: one bad case does not stop the rest, finished ones are not done again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .. import __version__
from ..atomic import printable
from ..errors import Cancelled, OutputError, ReaderError, RequirementError
from ..files.held import remove_abandoned
from ..jobs import Job, Source, WarmWorkers, Writer, start_job
from ..jobs.source import memory_limit
from ..models.bundle import Bundle
from ..models.catalogue import get_bundle
from ..models.cpus import available_threads
from ..models.licenses import license_lines
from ..records.options import DICOM_PAGES, RunOptions
from .cases import Case
from .display import CaseDisplay, Display, describe
from .fallen import FallenReaders
from .folder import UNFINISHED, fingerprint, look_into, make_origin, staged, write_summary
from .schedule import Running, at_once
from .table import check_table, done_row
from .tally import Tally

if TYPE_CHECKING:
    import numpy as np

_Started = TypeVar("_Started", bound=Running)


@dataclass(frozen=True)
class Batch:
    """What is done with every case.

    Attributes:
        task: "segment" or "classify".
        out: results of a case go to `out`/<its name>/.
        nifti: also write a NIfTI label map.
        picture: write the one-page picture.
        dicom: also write the results as DICOM objects, and the picture as a PDF.
        dicom_page: what the picture is among the DICOM objects, see `DICOM_PAGES`.
        series: which DICOM series of a folder.
        overwrite: replace results of other inputs or options.
        at_once: how many cases are worked on at once; they share the threads.
        truths: label arrays on the grid of a case, by its name, to be drawn into its picture.
    """

    task: str
    options: RunOptions
    out: Path
    nifti: bool = False
    picture: bool = True
    dicom: bool = False
    dicom_page: str = DICOM_PAGES[0]
    series: str | None = None
    overwrite: bool = False
    at_once: int = 1
    truths: dict[str, np.ndarray] = field(default_factory=dict)

    def run(self, cases: list[Case], display: Display) -> None:
        """Work through the cases, `at_once` at a time, and keep `cases.csv` up to date.

        Raises the error of the case where there is only one, SomeCasesFailed where some of several have no result, and
        at once what concerns all: ModelError, RequirementError, OutputError, Cancelled.
        """
        models = self.prepare()
        tally = Tally(self.out, cases, display)
        workers = WarmWorkers()
        start: Callable[..., Running] = workers.start if len(cases) > 1 else start_job
        count = min(self.at_once, len(cases))
        works = (
            (case, self._case(case, models, start, count, CaseDisplay(display, number, len(cases), case.name)))
            for number, case in enumerate(cases, 1)
        )
        with tally:
            try:
                for case, outcome in at_once(count, works):
                    tally.add(case, outcome)
            finally:
                workers.close()

    def steps(self, cases: list[Case], display: Display) -> Generator[Job, Any, None]:
        """As `run`, one case after the other, for who must not wait: yields the job of each case that is not done
        already, to be resumed when it is over."""
        models = self.prepare()
        with Tally(self.out, cases, display) as tally:
            for number, case in enumerate(cases, 1):
                shown = CaseDisplay(display, number, len(cases), case.name)
                outcome: dict | Exception
                try:
                    outcome = yield from self._case(case, models, start_job, 1, shown)
                except Cancelled:
                    raise
                except Exception as error:
                    outcome = error
                tally.add(case, outcome)

    def run_case(
        self,
        case: Case,
        models: list[dict],
        display: Display,
        taken_from: dict | None = None,
        start: Callable[..., Running] = start_job,
    ) -> dict:
        """Do one case, unless it is done; returns its row of the table.

        Args:
            models: as `models` has them.
            taken_from: the input's fingerprint where it is not that of the case's own path, which is a copy then.
            start: as `start_job`, or that of warm workers.

        Raises what the case fails with.
        """
        shown = CaseDisplay(display, 1, 1, case.name)
        outcome: dict | Exception
        [(_, outcome)] = at_once(1, [(case, self._case(case, models, start, 1, shown, taken_from))])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def origin(self, case: Case, models: list[dict], taken_from: dict | None = None) -> dict:
        """What the results of a case follow from, see `make_origin`; `taken_from` as in `run_case`."""
        extras = {
            "nifti": self.nifti,
            "picture": self.picture,
            "dicom": self.dicom and (True if self.dicom_page == DICOM_PAGES[0] else self.dicom_page),
            "series": self.series if case.is_dicom else None,
        }
        taken_from = taken_from or fingerprint(case.path, case.is_dicom, self.out)
        return make_origin(self.task, taken_from, self.options.to_dict(), models, extras)

    def prepare(self) -> list[dict]:
        """See that all is there before any work is done; returns what the summaries say of the models."""
        models = self.models()
        self.check_packages()
        self.prepare_folder()
        check_table(self.out, self.overwrite)
        return models

    def check_packages(self) -> None:
        """Raises RequirementError where a package is missing that the files asked for need."""
        if self.picture and find_spec("matplotlib") is None:
            raise RequirementError(
                "The picture needs matplotlib: pip install matplotlib, or leave it out with --no-picture."
            )
        if self.dicom and find_spec("highdicom") is None:
            raise RequirementError(
                "DICOM results need highdicom: pip install 'livertumor[dicom]', or leave out --dicom."
            )

    def prepare_folder(self) -> None:
        """Make the output folder and see that it can be written, before any work is done. Raises OutputError."""
        if printable(self.out) != str(self.out):
            raise OutputError(
                f"The output folder {printable(self.out)} has characters in its name that are not UTF-8; choose "
                "another."
            )
        probe = self.out / ".livertumor-write-test"
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
            remove_abandoned(self.out, f".*{UNFINISHED}")
        except OSError as error:
            raise OutputError(
                f"The output folder {self.out} cannot be written: {error.strerror or error}; choose another."
            ) from error

    def _case(
        self,
        case: Case,
        models: list[dict],
        start: Callable[..., _Started],
        count: int,
        display: CaseDisplay,
        taken_from: dict | None = None,
    ) -> Generator[_Started, Any, dict]:
        """Do one case, unless it is done, as one of `count` at once; yields the job that does it, returns its row."""
        begin = time.monotonic()
        display.begin()
        folder = self.out / case.name
        if folder == case.path or folder in case.path.parents:
            raise OutputError(f"The results would lie among the input's own files, in {folder}; choose another --out.")
        origin = self.origin(case, models, taken_from)
        standing = look_into(folder, case.name, origin, self.overwrite)
        if standing.summary is not None:
            display.say(f"{case.name}: already done, in {folder}")
            return done_row(standing.summary)
        if standing.changed:
            kept = f" ({', '.join(standing.keep)} stays, as changed-…)" if standing.keep else ""
            display.say(
                f"{case.name}: {', '.join(standing.changed)} in {folder} is not what was written there{kept}; the case "
                "is done again"
            )
        # What a reader has fallen on before is not tried again.
        series = self.series if case.is_dicom else None
        attempt = {"input": origin["input"], "series": series, "version": __version__, "memory": memory_limit()}
        fallen = FallenReaders(self.out)
        fallen.check(attempt)
        with staged(folder, standing.keep) as stage:
            try:
                job = self._start(case, stage, origin, start, count, display)
                yield job
                output = job.output()
            except ReaderError as error:
                fallen.add(attempt, error)
                raise
            seconds = time.monotonic() - begin
            summary = write_summary(stage, output, origin, seconds)
        display.say(f"{describe(output.result)} ({seconds:.1f} s, in {folder})")
        for note in output.result.summary.notes:
            display.say(f"  {note}")
        return done_row(summary)

    def _start(
        self,
        case: Case,
        stage: Path,
        origin: dict,
        start: Callable[..., _Started],
        count: int,
        display: CaseDisplay,
    ) -> _Started:
        """Analyze a case and write its files into a folder, all in a child; only the figures come back."""
        truth = None
        if case.name in self.truths:
            import numpy as np

            truth = os.fspath(stage.with_name("truth.npy"))
            np.save(truth, self.truths[case.name])
        arguments: dict[str, str | bool | None] = {"folder": os.fspath(stage), "name": case.name, "truth": truth}
        arguments |= {"nifti": self.nifti, "picture": self.picture, "dicom": json.dumps(origin) if self.dicom else None}
        arguments["dicom_page"] = self.dicom_page
        writer = Writer("LiverTumorLib.batch.writing:write_case", arguments)
        source = Source((os.fspath(case.path), self.series if case.is_dicom else None), name=case.name)
        options = self.options
        if count > 1:
            options = replace(options, threads=max(1, (options.threads or available_threads()) // count))
        return start(self.task, source, options, on_event=display.event, writer=writer)

    def bundles(self) -> list[Bundle]:
        """The models this run uses. Raises ModelError."""
        options = self.options
        ids = [options.slice_model]
        if self.task == "segment":
            ids = [options.liver_model] + [options.tumor_model] * options.tumor + [options.slice_model] * options.slices
        return [get_bundle(id) for id in ids]

    def say_licenses(self, display: Display) -> None:
        """Say under which licenses the weights of this run's models may be used. Raises ModelError."""
        for line in license_lines(self.bundles()):
            display.say(f"Weights of {line}")

    def models(self) -> list[dict]:
        """The models this run uses, verified, as they are written into the summaries."""
        bundles = self.bundles()
        for bundle in bundles:
            bundle.verify()
        return [bundle.describe() for bundle in bundles]
