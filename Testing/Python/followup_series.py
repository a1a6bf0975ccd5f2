"""Two dates of one patient as DICOM series, with lesions whose pairs are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_writer import write_series
from followup_phantoms import ball
from study_writer import STUDY

DATES = {"spring": [((-20, 0, 0), 14), ((25, 10, 10), 9)], "summer": [((-20, 0, 0), 20), ((25, 10, 10), 9)]}


def write_date(folder: Path, lesions, **tags) -> Path:
    """A series of a round liver with round lesions."""
    _, labels = ball(70, lesions=lesions)
    hu = np.choose(labels, (-100, 60, 150))
    of_series = {
        "PixelSpacing": [4.0, 4.0],
        "SliceThickness": "5",
        "SeriesInstanceUID": f"{tags['StudyInstanceUID']}.9",
    }
    write_series(folder, hu, (-126.0, -126.0, -100.0), (0, 0, 5), **(STUDY | of_series | tags))
    return folder
