"""A report says what the segments and the reader say now: its page, its DICOM objects, and what stands in the way."""

import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("highdicom", reason="highdicom is not installed")
pytest.importorskip("matplotlib", reason="the page needs matplotlib")

import highdicom
import pydicom
import slicer
from dicom_scene import load_study, open_database
from lesions_scene import paint
from LiverTumorLib.errors import InputError
from LiverTumorLib.mrml import measure_again, show_segmentation
from LiverTumorLib.mrml.axes import axis_lines, show_axes, take_axes
from LiverTumorLib.mrml.dicom_database import add_to_database
from LiverTumorLib.mrml.layers import merged_labels
from LiverTumorLib.mrml.report import start_report
from LiverTumorLib.mrml.volumes import ijk_to_world
from LiverTumorLib.mrml.worklist import judge, worklist
from mrml_scene import add_ct, add_transform, make_ct, make_labels, new_scene


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of two lesions with its results."""
    new_scene()
    database = open_database(monkeypatch, tmp_path / "database")
    ct, output = load_study(tmp_path / "study", database, PatientName="Doe^Jane", PatientID="P7")
    return ct, show_segmentation(output, ct).segmentationNode, output.result.lesions


def objects_in(folder: Path) -> dict:
    """The DICOM objects of a folder, by modality."""
    return {data.Modality: data for data in map(pydicom.dcmread, folder.glob("*.dcm"))}


def text_of(pdf: Path) -> str:
    """All text of a page, as a reader's search finds it."""
    done = subprocess.run(
        ["gs", "-q", "-dNOPAUSE", "-dBATCH", "-sDEVICE=txtwrite", "-sOutputFile=-", str(pdf)],
        capture_output=True,
        text=True,
    )
    return done.stdout


def texts_of(report) -> list[str]:
    """All texts of a structured report."""
    found = []
    for item in report.get("ContentSequence", []):
        found += [str(item.TextValue)] if "TextValue" in item else []
        found += texts_of(item)
    return found


def drag_long_axis(segmentation, ct, number: int) -> float:
    """Make the long axis of a lesion by half longer; its length in mm."""
    show_axes(segmentation, number)
    [long, _short] = axis_lines(segmentation)
    ends = np.array([long.GetNthControlPointPositionWorld(point) for point in range(2)])
    long.SetNthControlPointPositionWorld(0, *(ends[1] + (ends[0] - ends[1]) * 1.5))
    assert take_axes(segmentation, ct)
    return float(np.linalg.norm(ends[0] - ends[1])) * 1.5


def test_what_a_reader_has_done_is_in_all_of_it(study, tmp_path):
    ct, segmentation, lesions = study
    length = drag_long_axis(segmentation, ct, 1)
    judge(segmentation, ct, ["Lesion 1"], status="accepted", kind="metastasis", note="Grown since spring.")
    (tmp_path / "out").mkdir()
    run = start_report(segmentation, ct, page=tmp_path / "report.pdf", folder=tmp_path / "out", patient=True)
    result = run.wait(120).result
    assert result.lesions[0].longest_diameter_mm == pytest.approx(length, abs=0.01)
    assert result.lesions[0].axes_by_hand == "long" and result.lesions[1].axes_by_hand is None
    assert result.summary.largest_diameter_mm == max(lesion.longest_diameter_mm for lesion in result.lesions)
    objects = objects_in(tmp_path / "out")
    assert set(objects) == {"SEG", "SR", "DOC"}
    assert {str(data.PatientID) for data in objects.values()} == {"P7"}
    assert {data.SegmentAlgorithmType for data in objects["SEG"].SegmentSequence} == {"AUTOMATIC"}
    said = texts_of(objects["SR"])
    assert "Lesion 1 (Lesion 1): accepted, metastasis, Grown since spring." in said
    assert "Lesion 1: the long axis was measured by hand." in said
    words = str(objects["SR"])
    assert f"{round(length, 2)}" in words
    page = objects["DOC"].EncapsulatedDocument
    assert page.rstrip(b"\0") == (tmp_path / "report.pdf").read_bytes().rstrip(b"\0")


def test_a_rejected_lesion_is_told_but_is_none(study, tmp_path):
    """It is in the page's table, gray, and neither a segment nor a measurement."""
    ct, segmentation, lesions = study
    judge(segmentation, ct, ["Lesion 1"], status="rejected")
    (tmp_path / "out").mkdir()
    result = start_report(segmentation, ct, folder=tmp_path / "out").wait(120).result
    assert len(result.lesions) == 2 and result.summary.lesion_count == 1
    objects = objects_in(tmp_path / "out")
    segments = objects["SEG"].SegmentSequence
    assert [segment.SegmentLabel for segment in segments] == ["Liver", "Lesion 2"]
    found = highdicom.seg.segread(next((tmp_path / "out").glob("*.seg.dcm")))
    volume = found.get_volume(segment_numbers=[2], combine_segments=True).array
    assert int((volume > 0).sum()) == round(1000 * lesions[1].volume_ml / np.prod(ct.GetSpacing()))
    assert "Lesion 1" not in str(objects["SR"])


@pytest.mark.parametrize("overlap", [False, True])
def test_a_rejected_lesion_that_was_drawn_by_hand_leaves_no_hole(study, tmp_path, overlap):
    """Over the liver, what is outside of it, and a lesion of the network's, which stays whole."""
    ct, segmentation, lesions = study
    found = merged_labels(segmentation, ct, [("Liver", 1), ("Lesion 1", 2), ("Lesion 2", 3)])
    mask = np.zeros(found.shape, bool)
    k, j, i = np.argwhere(found == 2).mean(axis=0).astype(int)
    mask[k : k + 2, j : j + 3] = True
    if not overlap:
        mask &= found < 2
    assert (mask & (found == 0)).any() and (mask & (found == 1)).any()
    drawn = paint(segmentation, "Metastasis", mask, overlap, ijk_to_world(ct))
    measure_again(segmentation, ct)
    assert worklist(segmentation)[2].lesion.identifier == drawn
    judge(segmentation, ct, [row.lesion.identifier for row in worklist(segmentation)[2:]], status="rejected")
    (tmp_path / "out").mkdir()
    result = start_report(segmentation, ct, folder=tmp_path / "out").wait(120).result
    voxel_ml = np.prod(ct.GetSpacing()) / 1000
    assert result.summary.liver_ml == pytest.approx((found > 0).sum() * voxel_ml, abs=1e-3)
    assert [lesion.volume_ml for lesion in result.lesions[:2]] == [lesion.volume_ml for lesion in lesions]
    read = highdicom.seg.segread(next((tmp_path / "out").glob("*.seg.dcm")))
    for number in (1, 2, 3):
        volume = read.get_volume(segment_numbers=[number], combine_segments=True).array
        assert int((volume > 0).sum()) == int((found == number if number > 1 else found > 0).sum())


def test_segments_that_somebody_has_changed_are_called_so(study, tmp_path):
    ct, segmentation, lesions = study
    (tmp_path / "out").mkdir()
    segmentation.GetSegmentation().RemoveSegment("Lesion 2")
    result = start_report(segmentation, ct, folder=tmp_path / "out").wait(120).result
    assert [lesion.id for lesion in result.lesions] == [1]
    objects = objects_in(tmp_path / "out")
    assert {data.SegmentAlgorithmType for data in objects["SEG"].SegmentSequence} == {"SEMIAUTOMATIC"}
    assert "Liver and lesions were corrected by a reader." in texts_of(objects["SR"])


def test_patient_is_on_the_page_only_where_asked_for(study, tmp_path):
    if not any(Path(folder, "gs").exists() for folder in ("/usr/bin", "/usr/local/bin")):
        pytest.skip("Ghostscript, which reads the page, is not installed")
    ct, segmentation, _ = study
    for asked in (False, True):
        start_report(segmentation, ct, page=tmp_path / "page.pdf", patient=asked).wait(120)
        text = " ".join(text_of(tmp_path / "page.pdf").split())
        assert "Research use only" in text and "Lesion 1" in text
        assert ("Doe, Jane; ID P7; born 1960-01-02; study of 2025-03-04; accession A77" in text) is asked


def test_a_page_needs_no_dicom(tmp_path):
    from LiverTumorLib.pipelines.lesions import measure
    from LiverTumorLib.records.options import CaseOutput
    from LiverTumorLib.records.results import CaseResult

    ct, volume = add_ct(new_scene()), make_ct()
    lesions, summary = measure(make_labels(volume), volume)
    nodes = show_segmentation(CaseOutput(CaseResult("Abdomen", summary, lesions), make_labels(volume)), ct)
    start_report(nodes.segmentationNode, ct, page=tmp_path / "page.pdf").wait(120)
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(InputError, match="was not loaded from DICOM"):
        start_report(nodes.segmentationNode, ct, folder=tmp_path)


def test_what_stands_in_the_way_is_said(study, tmp_path, monkeypatch):
    ct, segmentation, _ = study
    (tmp_path / "out").mkdir()
    uids = ct.GetAttribute("DICOM.instanceUIDs")
    ct.SetAttribute("DICOM.instanceUIDs", uids.rsplit(" ", 1)[0])
    with pytest.raises(InputError, match="another number of slices than DICOM images"):
        start_report(segmentation, ct, folder=tmp_path / "out")
    ct.SetAttribute("DICOM.instanceUIDs", f"{uids} 1.2.3")
    with pytest.raises(InputError, match="are not in Slicer's DICOM database; import them again"):
        start_report(segmentation, ct, folder=tmp_path / "out")
    ct.SetAttribute("DICOM.instanceUIDs", uids)
    moved = np.eye(4)
    moved[0, 3] = 12
    add_transform(slicer.mrmlScene, moved, ct, segmentation)
    with pytest.raises(InputError, match="does not lie where its DICOM images say"):
        start_report(segmentation, ct, folder=tmp_path / "out").wait(120)
    assert not list((tmp_path / "out").iterdir())
    monkeypatch.setattr(slicer.dicomDatabase, "isOpen", False)
    with pytest.raises(InputError, match="Slicer has no DICOM database open"):
        start_report(segmentation, ct, folder=tmp_path / "out")
    monkeypatch.delattr(slicer, "dicomDatabase")
    with pytest.raises(InputError, match="Slicer has no DICOM database open"):
        add_to_database(tmp_path / "out")


def test_the_same_report_makes_the_same_files(study, tmp_path):
    ct, segmentation, _ = study
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        start_report(segmentation, ct, page=tmp_path / name / "page.pdf", folder=tmp_path / name).wait(120)
        made.append({file.name: zlib.crc32(file.read_bytes()) for file in (tmp_path / name).iterdir()})
    assert made[0] == made[1] and len(made[0]) == 4


def test_other_words_make_another_report(study, tmp_path):
    """Two objects of DICOM with one UID must be the same."""
    ct, segmentation, _ = study
    uids = []
    for note in ("", "Compare with MR."):
        judge(segmentation, ct, ["Lesion 1"], note=note)
        folder = tmp_path / f"out {len(uids)}"
        folder.mkdir()
        start_report(segmentation, ct, folder=folder).wait(120)
        uids.append(objects_in(folder)["SR"].SOPInstanceUID)
    assert uids[0] != uids[1]
