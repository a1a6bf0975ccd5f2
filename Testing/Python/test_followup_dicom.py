"""Tracking UIDs: a lesion has one, in the report and the segmentation of its CT, and in the tracks and the structured
reports of a follow-up."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace

import pytest

pytest.importorskip("highdicom", reason="DICOM results need highdicom")
pytest.importorskip("SimpleITK", reason="registration needs SimpleITK")

import highdicom as hd
from followup_series import DATES, write_date
from LiverTumorLib.dicom import write_dicom, write_follow_up_reports
from LiverTumorLib.files.dicom_study import study_facts
from LiverTumorLib.followup import follow, make_study
from study_writer import ORIGIN, found_in


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Two dates, each with the DICOM results of its own, and their follow-up with its reports."""
    out = tmp_path_factory.mktemp("out")
    studies, volumes = [], []
    for number, (name, lesions) in enumerate(DATES.items(), start=1):
        tags = {"StudyInstanceUID": f"1.2.3.{number}", "StudyDate": f"2026030{number}"}
        folder = write_date(tmp_path_factory.mktemp(name) / name, lesions, **tags)
        volume, output = found_in(folder)
        write_dicom(out, name, volume, output, ORIGIN, None)
        facts = study_facts(folder)
        told = {"date": facts.date, "key": facts.series, "patient": facts.patient}
        studies.append(make_study(volume, output.labels, **told))
        volumes.append(volume)
    result = follow(studies)
    notes = write_follow_up_reports(out, result, volumes)
    return out, result, volumes, notes


def tracked(path) -> dict[str, str]:
    """The tracking UID of each lesion of a report, by its name."""
    content = hd.sr.srread(path).content
    groups = [*content.get_image_measurement_groups(), *content.get_volumetric_roi_measurement_groups()]
    return {group.tracking_identifier: group.tracking_uid for group in groups if group.tracking_identifier != "Liver"}


def test_one_maker_of_tracking_uids(followed):
    out, result, volumes, notes = followed
    assert notes == [] and [link.by for link in result.links] == ["registration"] * 2
    spring, summer = (tracked(out / f"{volume.name}.sr.dcm") for volume in volumes)
    tracks = {f"Lesion {track.id}": track.uid for track in result.tracks}
    assert tracks == spring, "a lesion has that of the first date that shows it"
    assert tracked(out / "spring.follow-up.sr.dcm") == tracked(out / "summer.follow-up.sr.dcm") == tracks
    assert not set(summer.values()) & set(spring.values()), "of a single CT nobody knows the one before"
    segments = hd.seg.segread(out / "spring.seg.dcm").SegmentSequence
    assert {each.TrackingID: each.TrackingUID for each in segments if each.TrackingID != "Liver"} == spring


def test_the_report_of_a_date_has_its_figures_and_the_response(followed):
    out, result, volumes, _ = followed
    report = hd.sr.srread(out / "summer.follow-up.sr.dcm")
    assert report.StudyInstanceUID == "1.2.3.2"
    liver, first, *_others = report.content.get_image_measurement_groups()
    sums = {item.name.meaning: float(item.value) for item in liver.get_measurements()}
    found = result.assessments[1]
    assert sums["Sum of the diameters of the target lesions"] == pytest.approx(found.sum_mm)
    answers = {item.name.meaning: item.value.meaning for item in liver.get_qualitative_evaluations()}
    assert answers["Response Evaluation Method"] == "RECIST 1.1"
    assert answers["Current Response"] == "Target Lesion Progressive Disease" and found.target == "PD"
    lesion = result.studies[1].lesions[result.tracks[0].lesions[1][0] - 1]
    lengths = {item.name.meaning: float(item.value) for item in first.get_measurements()}
    assert lengths["Long axis"] == pytest.approx(lesion.longest_diameter_mm)
    text = json.dumps(report.to_json_dict())
    assert "Response of the liver (RECIST 1.1): PD" in text and "esearch use only" in text


def test_the_same_follow_up_makes_the_same_reports(followed, tmp_path):
    out, result, volumes, _ = followed
    write_follow_up_reports(tmp_path, result, volumes)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (out / path.name).read_bytes()


def test_dates_from_other_files_have_no_report_and_that_is_said(followed, tmp_path):
    _, result, volumes, _ = followed
    plain = [replace(volumes[0], images=()), volumes[1]]
    notes = write_follow_up_reports(tmp_path, result, plain)
    assert [path.name for path in tmp_path.iterdir()] == ["summer.follow-up.sr.dcm"]
    assert len(notes) == 1 and "spring was not read from DICOM" in notes[0]


def test_the_reports_are_valid(followed):
    out = followed[0]
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed")
    for name in ("spring", "summer"):
        done = subprocess.run(["dciodvfy", out / f"{name}.follow-up.sr.dcm"], capture_output=True, text=True)
        assert "Error" not in done.stderr, done.stderr
