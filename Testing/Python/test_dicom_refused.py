"""Series that DICOM results cannot be written for, and odd values that are left out."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

pytest.importorskip("highdicom", reason="DICOM results need highdicom")

import pydicom
from LiverTumorLib.dicom import write_dicom
from LiverTumorLib.errors import InputError
from result_objects import DOCUMENT, REPORT, SEG, results_of
from study_writer import ORIGIN, STUDY, found_in, write_study


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"StudyInstanceUID": "", "SOPInstanceUID": ""}, "no valid SOP instance UID, study UID (an anonymizer"),
        ({"FrameOfReferenceUID": None}, "no valid frame of reference UID"),
        ({"SOPInstanceUID": "1.2.3"}, "several images of ct have the same SOP instance UID"),
    ],
    ids=["blank", "missing", "same"],
)
def test_images_that_nothing_can_refer_to(tmp_path, tags, said):
    volume, output = found_in(write_study(tmp_path / "ct", **tags))
    with pytest.raises(InputError, match=re.escape(said)):
        write_dicom(tmp_path, "ct", volume, output, ORIGIN, None)
    assert not list(tmp_path.glob("*.dcm"))


def test_odd_values_of_the_source_are_left_empty(tmp_path):
    """As old systems write them; the study's own objects need none of these."""
    odd = {
        "PatientSex": "W",
        "StudyDate": "19.5.2020",
        "StudyTime": "noon",
        "StudyID": None,
        "PatientID": None,
        "KVP": None,
    }
    folder = write_study(tmp_path / "ct", **odd)
    results_of(folder, tmp_path, pages=True)
    for name in (SEG, REPORT, DOCUMENT):
        made = pydicom.dcmread(tmp_path / name)
        assert not made.PatientSex and not made.StudyDate and not made.StudyTime
        assert made.ContentDate == STUDY["AcquisitionDate"]


def test_lesions_that_have_no_part_on_the_grid_are_refused(tmp_path):
    volume, output = found_in(write_study(tmp_path / "ct"))
    output.result.lesions.append(replace(output.result.lesions[1], id=3, centroid_ras=(500.0, 0.0, 0.0)))
    with pytest.raises(InputError, match="lesion 3 cannot be told from the others"):
        write_dicom(tmp_path, "ct", volume, output, ORIGIN, None)
