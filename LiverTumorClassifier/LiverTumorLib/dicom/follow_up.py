"""A structured report for each date of a follow-up whose CT is from DICOM."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from ..atomic import atomic_path
from ..ct.volume import CTVolume
from ..errors import InputError
from ..records.followup import FollowUp
from .source import NO_RESULTS, read_source


def write_follow_up_reports(folder: Path, result: FollowUp, volumes: Sequence[CTVolume]) -> list[str]:
    """Write NAME.follow-up.sr.dcm for each date that has images.

    Lesions have the tracking UIDs of `followup.tracks`, which are those that the report and the segmentation of a
    single CT have, see `records.tracking`.

    Args:
        volumes: of each date, see `CTVolume.images`; their voxels are not looked at.

    Returns:
        Why a date has none, a sentence for each.

    Raises OutputError: a file cannot be written.
    """
    from .objects.follow_up import make_follow_up_report  # highdicom takes a second to import

    notes = []
    for at, (study, volume) in enumerate(zip(result.studies, volumes, strict=True)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of pydicom and highdicom, on odd values of the CT's headers
                report = make_follow_up_report(result, at, read_source(volume))
        except InputError as error:
            notes.append(str(error))
            continue
        except ValueError as error:
            notes.append(f"{NO_RESULTS}: the headers of the images of {study.name} cannot be used for them ({error}).")
            continue
        name = re.sub(r'[<>:"/\\|?*]', "_", study.name)  # what Windows has no names with
        with atomic_path(folder / f"{name}.follow-up.sr.dcm") as path:
            report.save_as(path, enforce_file_format=True)
    return notes
