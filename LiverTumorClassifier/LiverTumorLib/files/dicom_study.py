"""What the header of a CT tells of its patient and its time; a file without such a header tells nothing."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .dicom import chosen_series
from .dicom_file import plain, read_dataset
from .kinds import DICOM, kind_of


@dataclass(frozen=True)
class StudyFacts:
    """Facts of one CT; "" or None where its header does not tell.

    Attributes:
        date: of the study, YYYY-MM-DD.
        patient: PatientID.
        series: SeriesInstanceUID.
        description: of the series.
    """

    date: str | None = None
    patient: str = ""
    series: str = ""
    description: str = ""


def study_facts(path: Path, series: str | None = None) -> StudyFacts:
    """The facts of the very series that `read_ct` reads with these arguments; none for what is not DICOM.

    Raises what `read_ct` raises.
    """
    if not os.path.isdir(path) and kind_of(path) != DICOM:
        return StudyFacts()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = chosen_series(path, series)
        header = read_dataset(chosen.slices[0].path, stop_before_pixels=True)
        dates = (_date(header.get(tag)) for tag in ("StudyDate", "AcquisitionDate", "SeriesDate"))
        description = plain(str(header.get("SeriesDescription") or ""))
    identity = chosen.identity
    return StudyFacts(next(filter(None, dates), None), identity.patient, identity.uid, description)


def _date(value: object) -> str | None:
    try:
        return datetime.strptime(str(value).strip(), "%Y%m%d").date().isoformat()
    except ValueError:  # none, or one that no calendar knows
        return None
