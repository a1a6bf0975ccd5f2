"""`livertumor segment --dicom`: DICOM objects beside the other files, or one sentence in their place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_tools import rows, run, snapshot, write_ct

pytest.importorskip("highdicom", reason="DICOM results need highdicom")

import pydicom
from study_writer import write_study

OBJECTS = {"ct.seg.dcm", "ct.sr.dcm"}


def names(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


def notes(folder: str) -> list[str]:
    return json.loads(Path(folder, "summary.json").read_text(encoding="utf-8"))["case"]["summary"]["notes"]


def test_objects_are_results_like_the_others(work):
    write_study(Path("ct"))
    done = run("segment", "ct", "--out", "out", "--dicom")
    assert names("out/ct") >= OBJECTS and "No DICOM" not in done.stdout
    summary = json.loads(Path("out/ct/summary.json").read_text(encoding="utf-8"))
    assert set(summary["files"]) >= OBJECTS and summary["origin"]["extras"]["dicom"] is True
    before = snapshot("out/ct")

    Path("out/ct/ct.sr.dcm").unlink()
    assert "ct.sr.dcm" in run("segment", "ct", "--out", "out", "--dicom").stdout
    after = snapshot("out/ct")
    assert all(after[f"out/ct/{name}"][1] == before[f"out/ct/{name}"][1] for name in OBJECTS)
    assert "--overwrite" in run("segment", "ct", "--out", "out", check=4).stderr, "other options"


def test_the_page_is_a_pdf_and_a_part_of_the_study(work):
    pytest.importorskip("matplotlib", reason="the page needs matplotlib")
    write_study(Path("ct"))
    for out in ("out", "again"):
        run("segment", "ct", "--out", out, "--dicom", "--picture")
        assert {"report.png", "report.pdf", "ct.pdf.dcm"} <= names(f"{out}/ct")
    page = Path("out/ct/report.pdf").read_bytes()
    assert page.startswith(b"%PDF-") and b"Creat" + b"ionDate" not in page
    made = pydicom.dcmread("out/ct/ct.pdf.dcm")
    assert made.EncapsulatedDocument[: made.EncapsulatedDocumentLength] == page
    for name in ("report.pdf", "ct.pdf.dcm", "ct.sr.dcm", "ct.seg.dcm"):
        assert Path("again/ct", name).read_bytes() == Path("out/ct", name).read_bytes()


def test_the_page_may_be_a_picture(work):
    pytest.importorskip("matplotlib", reason="the page needs matplotlib")
    from matplotlib.image import imread

    write_study(Path("ct"))
    run("segment", "ct", "--out", "out", "--dicom", "--picture", "--dicom-page", "capture")
    assert {"report.png", "report.pdf", "ct.sc.dcm"} <= names("out/ct") and "ct.pdf.dcm" not in names("out/ct")
    drawn = (imread("out/ct/report.png")[..., :3] * 255).round()
    assert (pydicom.dcmread("out/ct/ct.sc.dcm").pixel_array == drawn).all()
    assert "--overwrite" in run("segment", "ct", "--out", "out", "--dicom", "--picture", check=4).stderr, "another page"


def test_what_has_no_study_gets_the_other_files_and_a_sentence(work):
    write_ct("in/volume.nii")
    write_study(Path("in/blank"), StudyInstanceUID="")
    write_study(Path("in/ct"))
    done = run("segment", "in", "--out", "out", "--dicom")
    assert [row["status"] for row in rows("out/cases.csv")] == ["done"] * 3
    said = {
        "volume": "No DICOM results were written: volume was not read from DICOM, so there is no study that they could "
        "belong to; give the DICOM folder.",
        "blank": "No DICOM results were written: the images of blank have no valid study UID (an anonymizer may have "
        "blanked them), so nothing can refer to them; use the series as the scanner sent it, or one anonymized with "
        "new UIDs.",
    }
    for name, sentence in said.items():
        assert sentence in notes(f"out/{name}") and sentence in done.stdout
        assert f"{name}.seg.nrrd" in names(f"out/{name}") and not list(Path("out", name).glob("*.dcm"))
    assert names("out/ct") >= OBJECTS
    again = run("segment", "in", "--out", "out", "--dicom").stdout
    assert all(f"{name}: already done" in again for name in ("volume", "blank", "ct"))
