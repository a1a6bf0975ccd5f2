"""Lesions as a list that a reader works on: each with a segment, figures and words, in step with one another."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

from lesions_scene import (  # noqa: F401 - fixtures
    BALLS,
    GRID,
    MISSED,
    ball,
    ct_fixture,
    draw,
    erase,
    figures,
    found_fixture,
    labels,
    lesion_rows,
    names,
    old_result,
    scene_fixture,
)
from LiverTumorLib.mrml import labels_from_segmentation, measure_again, undo
from LiverTumorLib.mrml.checksums import checksums
from LiverTumorLib.mrml.corrections import is_corrected
from LiverTumorLib.mrml.worklist import follow_judgments, judge, worklist
from vtk.util.numpy_support import vtk_to_numpy


def test_each_lesion_is_a_segment_with_the_tables_number(found, ct):
    assert names(found) == ["Liver", "Lesion 1", "Lesion 2", "Lesion 3"]
    assert found.GetSegmentation().GetNumberOfLayers() == 1
    rows = worklist(found)
    assert [(row.name, row.figures["id"], row.is_changed) for row in rows] == [
        (f"Lesion {number}", number, False) for number in BALLS
    ]
    for number, (place, _radius) in BALLS.items():
        ras = np.array(GRID) @ [*place[::-1], 1.0]
        row = lesion_rows(found)[number - 1]
        np.testing.assert_allclose([row[f"centroid_{axis}"] for axis in "ras"], ras[:3], atol=0.02)
        segment = found.GetSegmentation().GetSegment(row["segment"])
        image = segment.GetRepresentation("Binary labelmap")
        voxels = vtk_to_numpy(image.GetPointData().GetScalars()) == segment.GetLabelValue()
        assert voxels.sum() == ball(*BALLS[number]).sum()
    colors = {found.GetSegmentation().GetSegment(each).GetColor() for each in found.GetSegmentation().GetSegmentIDs()}
    assert len(colors) == 4
    np.testing.assert_array_equal(labels_from_segmentation(found, ct), labels())


def test_the_list_follows_the_segment_editor(found, ct):
    segmentation = found.GetSegmentation()
    segmentation.GetSegment("Lesion 1").SetName("Big one")
    erase(found, "Lesion 2")
    segmentation.RemoveSegment("Lesion 3")
    drawn = draw(found, "Metastasis", ball(*MISSED))
    draw(found, "Kidney", ball((2, 5, 5), 1))
    assert [(row.name, row.is_changed, bool(row.figures), row.lesion is None) for row in worklist(found)] == [
        ("Big one", False, True, False),
        ("Lesion 2", True, True, False),
        ("Metastasis", True, False, False),
        ("Lesion 3", True, True, True),
    ]
    measure_again(found, ct)
    rows = worklist(found)
    assert [(row.name, row.figures["id"], row.is_changed) for row in rows] == [
        ("Big one", 1, False),
        ("Lesion 2", 2, False),
        ("Metastasis", 3, False),
    ]
    assert rows[2].lesion.identifier == drawn and rows[2].figures["name"] == "Metastasis"
    assert figures(found)["lesion_count"] == 3
    before = ball(*BALLS[2][:2]).sum()
    voxel_ml = abs(np.linalg.det(GRID[:3, :3])) / 1000
    assert rows[1].figures["volume_ml"] == pytest.approx((before - before // 2) * voxel_ml, abs=1e-4)


def test_each_piece_of_what_was_drawn_is_a_lesion(found, ct):
    drawn = draw(found, "Tumor", ball(*MISSED) | ball((4, 33, 20), 2))
    measure_again(found, ct)
    assert names(found) == ["Liver", "Lesion 1", "Lesion 2", "Lesion 3", "Tumor", "Lesion 5"]
    assert [row.figures["id"] for row in worklist(found)] == [1, 2, 3, 4, 5]
    assert worklist(found)[3].lesion.identifier == drawn
    undo(found)
    assert names(found) == ["Liver", "Lesion 1", "Lesion 2", "Lesion 3", "Tumor"]


def test_an_old_scene_with_all_lesions_in_one_segment(ct):
    node = old_result(ct)
    assert [(row.name, row.lesion, row.is_changed) for row in worklist(node)] == [
        (str(number), None, False) for number in BALLS
    ]
    np.testing.assert_array_equal(labels_from_segmentation(node, ct), labels())
    measure_again(node, ct)
    assert names(node) == ["Liver", "Lesion 1", "Lesion 2", "Lesion 3"]
    assert [(row.figures["id"], row.is_changed) for row in worklist(node)] == [(1, False), (2, False), (3, False)]
    np.testing.assert_array_equal(labels_from_segmentation(node, ct), labels())


def test_corrections_of_an_old_scene_are_known(ct):
    node = old_result(ct)
    own = checksums(node.GetSegmentation(), ["Liver", "Lesion"])
    node.SetAttribute("LiverTumor.written", f"Liver:{own['Liver']} Lesion:{own['Lesion']}")  # as it was kept then
    assert not is_corrected(node)
    measure_again(node, ct)
    assert not is_corrected(node), "other segments, and nobody's work"
    erase(node, "Lesion 2")
    assert is_corrected(node)
    node = old_result(ct)
    node.SetAttribute("LiverTumor.written", f"Liver:{own['Liver']} Lesion:")  # of a run that had found none
    assert is_corrected(node)


def test_a_rejected_lesion_is_liver_and_not_lost(found, ct):
    before, lesions = figures(found), lesion_rows(found)
    judge(found, ct, ["Lesion 1"], status="rejected", kind="cyst", note="seen in 2024 | unchanged: 5 mm\nno doubt")
    display = found.GetDisplayNode()
    assert [display.GetSegmentVisibility(f"Lesion {n}") for n in (1, 2, 3)] == [False, True, True]
    after = figures(found)
    assert after["lesion_count"] == 2 and after["liver_ml"] == before["liver_ml"]
    assert after["tumor_ml"] == pytest.approx(before["tumor_ml"] - lesions[0]["volume_ml"], abs=1e-3)
    assert after["largest_diameter_mm"] == lesions[1]["longest_diameter_mm"]
    assert lesion_rows(found)[0]["status"] == "rejected" and lesion_rows(found)[0]["kind"] == "cyst"
    expected = labels()
    expected[ball(*BALLS[1])] = 1
    np.testing.assert_array_equal(labels_from_segmentation(found, ct), expected)
    assert is_corrected(found)
    measured = measure_again(found, ct)
    assert figures(found) == {**after, "notes": figures(found)["notes"]}, "as if it had been measured"
    assert measured.summary.lesion_count == 2 and len(measured.result.lesions) == 3
    assert worklist(found)[0].judgment.note == "seen in 2024 | unchanged: 5 mm no doubt"
    judge(found, ct, ["Lesion 1"], status="")
    assert figures(found)["lesion_count"] == 3 and display.GetSegmentVisibility("Lesion 1")
    assert figures(found)["tumor_ml"] == before["tumor_ml"]


def test_what_is_seen_follows_the_judgment_and_the_user(found, ct):
    display = found.GetDisplayNode()
    display.SetSegmentVisibility("Lesion 2", False)  # by the user, in the Segment Editor
    judge(found, ct, ["Lesion 2"], status="accepted")
    assert not display.GetSegmentVisibility("Lesion 2")
    judge(found, ct, ["Lesion 1"], status="rejected")
    display.SetSegmentVisibility("Lesion 1", True)  # to look at it once more
    follow_judgments(found)
    assert display.GetSegmentVisibility("Lesion 1")
    judge(found, ct, ["Lesion 1"], note="still none")
    assert display.GetSegmentVisibility("Lesion 1")
    display.SetSegmentVisibility("Lesion 1", False)
    found.GetSegmentation().GetSegment("Lesion 1").RemoveTag("LiverTumor.Status")  # as where another frame is shown
    follow_judgments(found)
    assert display.GetSegmentVisibility("Lesion 1") and lesion_rows(found)[0]["status"] == ""
