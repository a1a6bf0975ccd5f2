"""The follow-up of a command line: which CT and labels are meant, segmentation of what has no labels, results all at
once."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path

from ..errors import Cancelled, InputError, OutputError, RequirementError, UsageError
from ..files import read_json
from ..files.followup import RESULT
from ..followup import FollowOptions
from ..jobs import start_job
from ..records.followup import FollowUp
from ..records.options import CaseOutput, RunOptions
from .cases import Case, distinct_names, find_cases
from .display import Display
from .folder import (
    changed_files,
    fingerprint,
    look_into,
    make_origin,
    read_summary,
    staged,
    write_summary,
)
from .follow_task import Date, make_source
from .runner import Batch

FOLDER, SEGMENTED = "follow-up", "segmented"


@dataclass(frozen=True)
class Request:
    """What the user asks for.

    Attributes:
        inputs: CT files or DICOM folders, or folders of results of `segment`, in the order given.
        labels: for each input its labels; None or "-" segments the CT. Empty where none are given.
        dates: for each input its date; empty where none are given.
        out: the results go to `out`/follow-up, segmentations to `out`/segmented.
        follow: see `FollowOptions`.
        run: options of the segmentation, and the threads of both.
        series: which DICOM series of a folder.
        picture: draw the page and the plot.
        dicom: also write structured reports of the dates that are from DICOM.
        overwrite: replace results of other inputs or options.
    """

    inputs: Sequence[str]
    labels: Sequence[str]
    dates: Sequence[str]
    out: Path
    follow: FollowOptions
    run: RunOptions
    series: str | None = None
    picture: bool = True
    dicom: bool = False
    overwrite: bool = False


def run_follow_up(request: Request, display: Display) -> FollowUp:
    """Do all of it, unless it is done already; returns what was found.

    Raises UsageError, InputError, OutputError, ModelError, RequirementError, WorkerError or Cancelled.
    """
    if request.picture and find_spec("matplotlib") is None:
        raise RequirementError("The page needs matplotlib: pip install matplotlib, or leave it out with --no-picture.")
    if request.dicom and find_spec("highdicom") is None:
        raise RequirementError(
            "Structured reports need highdicom: pip install 'livertumor[dicom]', or leave out --dicom."
        )
    dates = _with_days(_dates(request), request.dates)
    batch = Batch(
        "segment",
        request.run,
        request.out / SEGMENTED,
        picture=False,
        series=request.series,
        overwrite=request.overwrite,
    )
    cases = {
        number: Case(item.name, Path(item.ct), item.is_dicom) for number, item in enumerate(dates) if not item.labels
    }
    if cases:
        batch.say_licenses(display)
        batch.run(list(cases.values()), display)
    for number, case in cases.items():
        labels = batch.out / case.name / f"{case.name}.seg.nrrd"
        dates[number] = replace(dates[number], labels=os.fspath(labels))
    models = [bundle.describe() for bundle in batch.bundles()] if cases else []
    return _follow(request, dates, models, display)


def _follow(request: Request, dates: list[Date], models: list[dict], display: Display) -> FollowUp:
    begin = time.monotonic()
    folder = request.out / FOLDER
    origin = _origin(request, dates, models)
    standing = look_into(folder, FOLDER, origin, request.overwrite)
    if standing.summary is not None:
        display.say(f"Already done, in {folder}")
        return tell(FollowUp.from_dict(read_json(folder / RESULT)), display)
    if standing.changed:
        changed = ", ".join(standing.changed)
        display.say(f"{changed} in {folder} is not what was written there; the follow-up is done again")
    Batch("segment", request.run, request.out).prepare_folder()
    display.begin(1, 1, "follow-up")
    options = replace(request.follow, threads=request.run.threads)
    try:
        with staged(folder, standing.keep) as stage:
            source = make_source(dates, options, stage, request.picture, request.dicom)
            output: CaseOutput = start_job("follow", source, request.run, on_event=display.event).wait()
            result = FollowUp.from_dict(read_json(stage / RESULT))
            write_summary(stage, output, origin, time.monotonic() - begin)
    except (KeyboardInterrupt, Cancelled):
        raise Cancelled("Stopped; no follow-up was written. Segmentations that were done stay.") from None
    finally:
        display.clear()
    display.say(f"Follow-up of {len(dates)} dates ({time.monotonic() - begin:.1f} s, in {folder})")
    return tell(result, display)


def tell(result: FollowUp, display: Display) -> FollowUp:
    """Say the responses and the notes."""
    for at, (study, found) in enumerate(zip(result.studies, result.assessments, strict=True)):
        when = study.date or f"date {at + 1}"
        display.say(f"{when} {study.name}: {found.response} ({found.reason}); tumor {study.tumor_ml:.2f} ml")
    for note in result.notes:
        display.say(f"  {note}")
    if any(quality and quality.failure for quality in result.registrations):
        display.say("  --pairs takes a table of pairs by hand; pairs.csv is one.")
    if not all(study.date for study in result.studies):
        display.say("  --dates takes the days of the CT.")
    return result


def _dates(request: Request) -> list[Date]:
    if request.labels and len(request.labels) != len(request.inputs):
        raise UsageError(
            f"{len(request.inputs)} CT and {len(request.labels)} labels were given; give one for each, - for none."
        )
    labels = [None if text == "-" else text for text in request.labels or ["-"] * len(request.inputs)]
    found = [_date(text, own, request) for text, own in zip(request.inputs, labels, strict=True)]
    names = distinct_names([Path(item.ct) for item in found])
    return [replace(item, name=names[Path(item.ct)]) for item in found]


def _date(text: str, labels: str | None, request: Request) -> Date:
    folder = Path(os.path.abspath(os.path.expanduser(text)))
    summary = read_summary(folder) if folder.is_dir() else None
    if summary is not None:
        return _earlier_run(folder, summary, labels, request.out)
    own = os.path.abspath(os.path.expanduser(labels)) if labels else ""
    return _date_of(text, own, request.series, request.out)


def _date_of(ct: str, labels: str, series: str | None, out: Path) -> Date:
    cases = find_cases([ct], exclude=out, whole_folders=series is not None).cases
    if len(cases) != 1:
        raise UsageError(f"{ct} holds {len(cases)} CT; name one CT for each date.")
    case = cases[0]
    return Date(case.name, os.fspath(case.path), labels, case.is_dicom, series if case.is_dicom else None)


def _earlier_run(folder: Path, summary: dict, labels: str | None, out: Path) -> Date:
    """The CT and the labels of a folder of results of `segment`; labels that somebody has corrected there are taken as
    they are."""
    ct, name = summary["origin"]["input"]["path"], summary["case"]["name"]
    own = Path(labels) if labels else folder / f"{name}.seg.nrrd"
    if not own.is_file():
        raise InputError(f"{own} does not exist; give the folder of a run of segment, or the labels with --labels.")
    if not os.path.exists(ct):
        raise InputError(f"The CT of {folder} is no longer at {ct}; give the CT itself, and the labels with --labels.")
    corrected = not labels and own.name in changed_files(folder, summary)
    note = "its labels were corrected by hand." if corrected else None
    series = summary["origin"].get("extras", {}).get("series")
    return replace(_date_of(ct, os.path.abspath(own), series, out), note=note)


def _with_days(dates: list[Date], days: Sequence[str]) -> list[Date]:
    if not days:
        return dates
    if len(days) != len(dates):
        raise UsageError(f"{len(dates)} CT and {len(days)} dates were given; give one date for each.")
    return [replace(item, date=_day(text)) for item, text in zip(dates, days, strict=True)]


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(f"--dates {text}: give days as YYYY-MM-DD, such as 2026-03-31.") from None


def _origin(request: Request, dates: list[Date], models: list[dict]) -> dict:
    scans = [fingerprint(Path(item.ct), item.is_dicom, request.out) for item in dates]
    taken_from = [
        {"ct": scan, "labels": _checksum(Path(item.labels)), "date": item.date, "series": item.series}
        for scan, item in zip(scans, dates, strict=True)
    ]
    chosen = {name: value for name, value in asdict(request.follow).items() if name != "threads"}
    plain = json.loads(json.dumps(chosen))  # as it comes back from a summary: JSON knows no tuples
    extras = {"dates": taken_from, "picture": request.picture, "dicom": request.dicom, "follow": plain}
    return make_origin("follow", scans[-1], request.run.to_dict(), models, extras)


def _checksum(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"{path} does not exist; check the name of the labels.")
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error


def check_out(out: Path, inputs: Sequence[str]) -> None:
    """Raises OutputError where the results would lie among an input's own files."""
    for text in inputs:
        if out == Path(os.path.abspath(os.path.expanduser(text))):
            raise OutputError(f"The results would lie among the input's own files, in {out}; choose another --out.")
