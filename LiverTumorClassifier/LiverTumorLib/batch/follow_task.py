"""A follow-up in the child process: reads the dates, follows the lesions, writes the files into a folder that waits
for them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..ct import CTVolume
from ..errors import InputError, LiverTumorError
from ..files import read_ct, read_labels
from ..files.dicom_study import study_facts
from ..files.followup import write_followup
from ..followup import FollowOptions, Study, follow, make_study
from ..followup.byhand import HandPair
from ..jobs import Source
from ..records.followup import FollowUp
from ..records.options import CaseOutput, Progress, RunOptions
from .log import unexpected

READER = "LiverTumorLib.batch.follow_task:read_dates"
_SAME_GRID_MM = 0.05


@dataclass(frozen=True)
class Date:
    """One date as the user gives it.

    Attributes:
        name: of the case.
        ct, labels: files, or a DICOM folder as the CT.
        is_dicom: the CT is a DICOM folder, or a file of one.
        series: which DICOM series of a folder.
        date: YYYY-MM-DD, in place of what the header says.
        note: what is to be said about it.
    """

    name: str
    ct: str
    labels: str
    is_dicom: bool
    series: str | None = None
    date: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Work:
    """What the child has to do, once it has read the dates.

    Attributes:
        studies: the dates, and `scans` their CT as they were read, whose voxels are of no account anymore.
        options: of the follow-up.
        folder: for the files; with `picture` also the page, with `dicom` also structured reports.
        result: that is there already, and only to be written.
    """

    studies: list[Study]
    scans: list[CTVolume]
    options: FollowOptions
    folder: Path
    picture: bool
    dicom: bool = False
    result: FollowUp | None = None


def make_source(dates: list[Date], options: FollowOptions, folder: Path, picture: bool, dicom: bool) -> Source:
    """What the job is given; the files come as arguments of their own, since what reading may take is bounded by their
    size."""
    files = [text for item in dates for text in (item.ct, item.labels)]
    plan = {
        "dates": [asdict(item) for item in dates],
        "options": asdict(options),
        "folder": str(folder),
        "picture": picture,
        "dicom": dicom,
    }
    return Source((*files, json.dumps(plan)), reader=READER)


def read_dates(*arguments: str) -> Work:
    """Read the dates; the last argument is the plan of `make_source`. Raises InputError or RequirementError."""
    plan = json.loads(arguments[-1])
    read = [_read_date(Date(**item)) for item in plan["dates"]]
    studies, scans = [study for study, _ in read], [scan for _, scan in read]
    options, folder = options_from(plan["options"]), Path(plan["folder"])
    return Work(studies, scans, options, folder, plan["picture"], plan["dicom"])


def options_from(chosen: dict[str, Any]) -> FollowOptions:
    """The inverse of `asdict`, also after a trip through JSON."""
    pairs = tuple(HandPair(**pair) for pair in chosen["pairs"])
    targets = None if chosen["targets"] is None else tuple(chosen["targets"])
    return FollowOptions(**{**chosen, "pairs": pairs, "targets": targets})


def _read_date(item: Date) -> tuple[Study, CTVolume]:
    volume = read_ct(item.ct, item.series)
    labels, matrix = read_labels(item.labels)
    if labels.shape != volume.shape or not np.allclose(matrix, volume.ijk_to_ras, atol=_SAME_GRID_MM):
        raise InputError(
            f"{item.labels} is not on the grid of {item.ct} (size, spacing, position or direction differ);"
            " give labels made on that CT, or export them with it as the reference geometry."
        )
    facts = study_facts(Path(item.ct), item.series)
    notes = (*([item.note] if item.note else []), *volume.notes)
    named = replace(volume, name=item.name, notes=notes)
    study = make_study(
        named,
        labels,
        date=item.date or facts.date,
        key=facts.series,
        patient=facts.patient,
        description=facts.description,
    )
    return study, without_voxels(named)


def without_voxels(volume: CTVolume) -> CTVolume:
    """Grid, name and images of a volume, which take no memory."""
    return volume.with_array(np.broadcast_to(np.int16(0), volume.shape))


def follow_and_write(work: Work, options: RunOptions, progress: Progress) -> CaseOutput:
    """The task: follow, and write files and page. The output is that of the latest date, its notes those of the
    follow-up."""
    result = work.result or follow(work.studies, work.options, progress)
    progress("writing", 0.97, "Writing the results")
    if work.dicom:
        result.notes += _write_reports(work, result)
    write_followup(work.folder, result)
    latest = {study.record.key: study for study in work.studies}[result.studies[-1].key]
    if work.picture:
        from ..report.followup import followup_pages

        by_key = {study.record.key: (study.volume, study.labels) for study in work.studies}
        followup_pages(work.folder, result, [by_key[record.key] for record in result.studies])
    latest.result.summary.notes = result.notes
    return CaseOutput(latest.result)


def _write_reports(work: Work, result: FollowUp) -> list[str]:
    """Write the structured reports; returns why there are none, where there are none."""
    from ..dicom import write_follow_up_reports

    scans = {study.record.key: scan for study, scan in zip(work.studies, work.scans, strict=True)}
    try:
        return write_follow_up_reports(work.folder, result, [scans[study.key] for study in result.studies])
    except LiverTumorError:
        raise
    except Exception as error:  # of highdicom, on headers that nobody has foreseen: the other results are good
        return [f"No structured reports were written. {unexpected(error)}"]
