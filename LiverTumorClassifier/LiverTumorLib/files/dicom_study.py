"""What the header of a CT tells of its patient and its time; a file without such a header tells nothing."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import InputError
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


def patient_line(file: Path) -> str:
    """A line on the patient and the study, from the header of an image; what it does not tell is left out.

    Raises InputError where the image cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = read_dataset(file, stop_before_pixels=True)
            header.decode()
        except Exception as error:  # pydicom raises errors of every kind on damaged files
            raise InputError(f"{file} cannot be read anymore; import the series again.") from error
        told = {keyword: plain(str(header.get(keyword) or "")).strip() for keyword in ("PatientID", "AccessionNumber")}
        name = re.sub(r"\^+", ", ", plain(str(header.get("PatientName") or "")).strip("^ "), count=1).replace("^", " ")
        born, date = _date(header.get("PatientBirthDate")), _date(header.get("StudyDate"))
    parts = (
        name,
        told["PatientID"] and f"ID {told['PatientID']}",
        born and f"born {born}",
        date and f"study of {date}",
        told["AccessionNumber"] and f"accession {told['AccessionNumber']}",
    )
    return "; ".join(filter(None, parts))


def _date(value: object) -> str | None:
    try:
        return datetime.strptime(str(value).strip(), "%Y%m%d").date().isoformat()
    except ValueError:  # none, or one that no calendar knows
        return None
