"""`livertumor follow` as a user types it: inputs of all kinds, what is written, what is done already, what is
refused."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from cli_tools import posix, rows, run, snapshot
from dicom_writer import write_series
from followup_phantoms import ball
from job_tools import keeps_its_promise
from LiverTumorLib import errors
from LiverTumorLib.batch.folder import write_volume
from LiverTumorLib.files import read_json, write_label_nifti
from LiverTumorLib.records.followup import FollowUp
from test_cli_batch import descendants_of_test, interrupted

pytest.importorskip("SimpleITK", reason="registration needs SimpleITK")

PRIOR = [((-20, 0, 0), 14), ((25, 10, 10), 9)]
CURRENT = [((-20, 0, 0), 20), ((25, 10, 10), 9)]


def write_date(name: str, lesions, shift=(0.0, 0.0, 0.0)) -> list[str]:
    """A round liver with round lesions as CT and labels; returns both names."""
    volume, labels = ball(70, center=shift, lesions=[(np.add(place, shift), radius) for place, radius in lesions])
    array = np.where(labels > 0, 60, -100)
    array[labels == 2] = 120  # as the test's own segmentation wants it
    write_volume(Path(f"{name}.nii.gz"), array.astype(np.int16), volume.ijk_to_ras)
    write_label_nifti(f"{name}-seg.nii.gz", labels, volume.ijk_to_ras)
    return [f"{name}.nii.gz", f"{name}-seg.nii.gz"]


@pytest.fixture
def two(work) -> list[str]:
    """Arguments of a follow-up of two dates whose lesions are known."""
    prior, current = write_date("spring", PRIOR), write_date("summer", CURRENT, shift=(8.0, -5.0, 10.0))
    return ["follow", prior[0], current[0], "--labels", prior[1], current[1], "--out", "out"]


def result() -> FollowUp:
    return FollowUp.from_dict(read_json("out/follow-up/followup.json"))


def test_two_dates_give_pairs_a_response_tables_and_a_page(two):
    done = run(*two, "--dates", "2026-03-01", "2026-06-09")
    found = result()
    assert [(link.prior_lesion, link.lesion) for link in found.links] == [(1, 1), (2, 2)]
    assert found.assessments[1].response == "PD" and "2026-06-09 summer: PD (the sum grew by" in done.stdout
    files = {file.name for file in Path("out/follow-up").iterdir()}
    tables = {"lesions.csv", "pairs.csv", "response.csv", "followup.json", "summary.json"}
    assert files == tables | {"report.png", "report.pdf", "plot.png"}
    assert Path("out/follow-up/report.png").read_bytes().startswith(b"\x89PNG")
    assert Path("out/follow-up/report.pdf").read_bytes().startswith(b"%PDF")
    lesions = rows("out/follow-up/lesions.csv")
    assert [row["date"] for row in lesions] == ["2026-03-01", "2026-06-09"] * 2
    assert float(lesions[1]["doubling time (days)"]) == pytest.approx(found.tracks[0].doubling_days[1], rel=1e-4)
    assert [row["response of the liver (RECIST 1.1)"] for row in rows("out/follow-up/response.csv")] == [
        "baseline",
        "PD",
    ]


def test_the_same_again_is_done_already_and_other_choices_are_not_overwritten(two):
    run(*two, "--no-picture")
    before = snapshot("out")
    assert "Already done" in run(*two, "--no-picture").stdout
    assert snapshot("out") == before
    refused = run(*two, "--no-picture", "--targets", "2", check=errors.OutputError.exit_code)
    assert "already holds something else" in refused.stderr and snapshot("out") == before
    run(*two, "--no-picture", "--targets", "2", "--overwrite")
    assert [track.target for track in result().tracks] == [False, True]


def test_a_run_of_segment_and_a_ct_without_labels_are_followed(two):
    spring, summer = two[1:3]
    run("segment", spring, "--out", "earlier", "--nifti")
    done = run("follow", "earlier/spring", summer, "--out", "out", "--no-picture", "--quiet")
    assert done.stdout == ""
    assert [study.name for study in result().studies] == ["spring", "summer"] and len(result().tracks) == 2
    assert Path("out/segmented/summer/summer.seg.nrrd").is_file()
    Path("earlier/spring/spring.seg.nrrd").write_bytes(Path("out/segmented/summer/summer.seg.nrrd").read_bytes())
    done = run("follow", "earlier/spring", summer, "--out", "out", "--no-picture", "--overwrite")
    assert (
        "spring: its labels were corrected by hand." in done.stdout and "as large as at the first date" in done.stdout
    )


def test_pairs_by_hand(two):
    header = "earlier date,earlier lesion,later date,later lesion\n"
    Path("mine.csv").write_text(header + "1,1,2,2\n1,2,2,1\n")
    run(*two, "--no-picture", "--pairs", "mine.csv")
    assert [(link.prior_lesion, link.lesion, link.by) for link in result().links] == [(1, 2, "hand"), (2, 1, "hand")]
    Path("mine.csv").write_text(header + "1,7,2,2\n")
    refused = run(*two, "--overwrite", "--pairs", "mine.csv", check=errors.InputError.exit_code)
    assert "lesion 7 of date 1 (spring), which has 1, 2" in refused.stderr


def test_three_dates_in_any_order(two):
    autumn = write_date("autumn", [CURRENT[0]], shift=(3.0, 3.0, 0.0))
    order = [autumn[0], two[1], two[2]]
    labels = [autumn[1], two[4], two[5]]
    days = ["2026-09-01", "2026-03-01", "2026-06-09"]
    done = run("follow", *order, "--labels", *labels, "--dates", *days, "--out", "out")
    assert [study.name for study in result().studies] == ["spring", "summer", "autumn"]
    assert "not given in the order of their dates" in done.stdout
    assert result().tracks[1].status == ["present", "present", "vanished"]


def dicom_date(folder: str, patient: str, day: str, lesions) -> list[str]:
    volume, labels = ball(70, lesions=lesions)
    array = np.where(labels > 0, 60, -100)
    tags = {"PatientID": patient, "StudyDate": day, "PixelSpacing": [4.0, 4.0], "SliceThickness": "5"}
    write_series(Path(folder), array, (-126.0, -126.0, -100.0), (0, 0, 5), **tags)
    write_label_nifti(f"{folder}-seg.nii.gz", labels, volume.ijk_to_ras)
    return [folder, f"{folder}-seg.nii.gz"]


def test_dicom_tells_dates_and_patients(work):
    first, second = dicom_date("a", "P1", "20260301", PRIOR), dicom_date("b", "P2", "20260609", CURRENT)
    arguments = ["follow", first[0], second[0], "--labels", first[1], second[1], "--out", "out", "--no-picture"]
    refused = run(*arguments, check=errors.UsageError.exit_code)
    assert "a and b are of different patients" in refused.stderr and "--same-patient" in refused.stderr
    assert not Path("out/follow-up").exists()
    done = run(*arguments, "--same-patient", "--dicom")
    if find_spec("highdicom"):  # these series name no study that reports could belong to
        assert done.stdout.count("No DICOM results were written") == 2
        assert not list(Path("out/follow-up").glob("*.dcm"))
    assert [study.date for study in result().studies] == ["2026-03-01", "2026-06-09"]
    assert all(study.key.startswith(("1.", "2.")) for study in result().studies)


REFUSED = [
    (["--labels", "spring-seg.nii.gz"], errors.UsageError, "2 CT and 1 labels"),
    (["--dates", "2026-03-01"], errors.UsageError, "2 CT and 1 dates"),
    (["--dates", "2026-03-01", "spring"], errors.UsageError, "--dates spring"),
    (["--targets", "one"], errors.UsageError, "--targets one"),
    (["--targets", "9"], errors.UsageError, "no lesion 9"),
    (["--labels", "spring-seg.nii.gz", "none.nii.gz"], errors.InputError, "none.nii.gz does not exist"),
    (["--labels", "spring-seg.nii.gz", "spring.nii.gz"], errors.InputError, "is not a label volume"),
    (["--labels", "spring-seg.nii.gz", "small.nii.gz"], errors.InputError, "not on the grid"),
    (["--pairs", "none.csv"], errors.InputError, "none.csv cannot be read"),
]


@pytest.mark.parametrize(("more", "kind", "words"), REFUSED)
def test_what_is_wrong_is_said_in_one_sentence_and_nothing_is_written(two, more, kind, words):
    volume, labels = ball(30, shape=(20, 40, 40))
    write_label_nifti("small.nii.gz", labels, volume.ijk_to_ras)
    known = two if "--labels" not in more else [*two[:3], *two[6:]]
    refused = run(*known, *more, "--no-picture", check=kind.exit_code)
    assert words in refused.stderr and refused.stderr.strip().count("\n") <= 2
    assert not Path("out/follow-up").exists()


@posix
@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_ends_the_registration_within_two_seconds_and_leaves_nothing(two):
    def attempt() -> float:
        program, stderr, took = interrupted(*two, number=signal.SIGINT, ready=lambda: bool(descendants_of_test()))
        assert program.returncode == errors.Cancelled.exit_code
        assert "Stopped; no follow-up was written." in stderr
        assert not Path("out").exists() or list(Path("out").iterdir()) == []
        assert descendants_of_test() == []
        return took

    keeps_its_promise(2, attempt)


def test_the_result_is_json_that_other_programs_read(two):
    run(*two, "--no-picture")
    data = json.loads(Path("out/follow-up/followup.json").read_text(encoding="utf-8"))
    assert FollowUp.from_dict(data).to_dict() == result().to_dict()
    assert replace(result().links[0], by="hand").by == "hand"
