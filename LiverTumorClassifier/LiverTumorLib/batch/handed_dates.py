"""Dates of a follow-up whose voxels are at hand already, as in Slicer: handed to the child in a folder, and read
there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..ct import CTVolume
from ..errors import OutputError
from ..followup import FollowOptions, make_study
from ..jobs import Source
from ..records.followup import FollowUp
from ..records.results import Lesion
from .follow_task import Work, options_from, without_voxels

READER = "LiverTumorLib.batch.handed_dates:read_handed"
_PLAN = "dates.json"


@dataclass(frozen=True)
class HandedDate:
    """One date.

    Attributes:
        volume: the CT; no two dates have one name.
        labels: uint8 (k, j, i) on its grid, 0 background, 1 liver, from 2 on a value for each lesion.
        numbers: of the lesions, in the order of their labels.
        drawn: by number what somebody has measured by hand, as fields of `Lesion`.
        date: YYYY-MM-DD.
        key, patient, description: see `Study`.
    """

    volume: CTVolume
    labels: np.ndarray
    numbers: Sequence[int]
    drawn: Mapping[int, Mapping[str, Any]]
    date: str | None = None
    key: str = ""
    patient: str = ""
    description: str = ""


def hand_over(
    dates: Sequence[HandedDate],
    options: FollowOptions,
    folder: Path,
    out: Path,
    *,
    picture: bool = False,
    dicom: bool = False,
    result: FollowUp | None = None,
) -> Source:
    """What the job "follow" is given.

    Args:
        folder: an existing one of this run alone, for the voxels.
        out: an existing one for the results.
        picture, dicom: see `Work`.
        result: of these dates, which is only to be written.

    Raises OutputError: there is no room in the folder.
    """
    plan = {
        "dates": [_described(date) for date in dates],
        "options": asdict(options),
        "out": str(out),
        "picture": picture,
        "dicom": dicom,
        "result": result and result.to_dict(),
    }
    try:
        for at, date in enumerate(dates):
            np.save(folder / f"{at}-ct.npy", date.volume.array, allow_pickle=False)
            np.save(folder / f"{at}-labels.npy", date.labels, allow_pickle=False)
        (folder / _PLAN).write_text(json.dumps(plan), encoding="utf-8")
    except OSError as error:
        reason = error.strerror or "no space left on device"
        raise OutputError(
            f"The dates cannot be written to the temporary folder {folder.parent}: {reason}; make room there, or set"
            " TMPDIR to another folder."
        ) from error
    return Source((str(folder),), reader=READER)


def read_handed(folder: str) -> Work:
    """The reader of the job; raises InputError for labels that are none."""
    place = Path(folder)
    plan = json.loads((place / _PLAN).read_text(encoding="utf-8"))
    studies, scans = [], []
    for at, described in enumerate(plan["dates"]):
        array = np.load(place / f"{at}-ct.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
        labels = np.load(place / f"{at}-labels.npy", allow_pickle=False)
        name, notes = described.pop("name"), tuple(described.pop("notes"))
        volume = CTVolume(array, np.array(described.pop("ijk_to_ras")), name, notes, tuple(described.pop("images")))
        drawn = described.pop("drawn")
        studies.append(make_study(volume, labels, **described))
        for number, values in drawn:
            _take(studies[-1].record.lesions, number, values)
        scans.append(without_voxels(volume))
    result = plan["result"] and FollowUp.from_dict(plan["result"])
    out = Path(plan["out"])
    return Work(studies, scans, options_from(plan["options"]), out, plan["picture"], plan["dicom"], result)


def _take(lesions: list[Lesion], number: int, values: dict[str, Any]) -> None:
    """What was measured by hand counts for the lesion, if it still has voxels."""
    for at, lesion in enumerate(lesions):
        if lesion.id == number:
            lesions[at] = replace(lesion, **values)


def _described(date: HandedDate) -> dict:
    volume = date.volume
    return {
        "name": volume.name,
        "notes": list(volume.notes),
        "images": list(volume.images),
        "ijk_to_ras": volume.ijk_to_ras.tolist(),
        "numbers": list(date.numbers),
        "drawn": [[number, dict(values)] for number, values in date.drawn.items()],
        "date": date.date,
        "key": date.key,
        "patient": date.patient,
        "description": date.description,
    }
