"""Lesions in files: what a reader said of them, and what was changed, is in each and comes back."""

import csv

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

from lesions_scene import (  # noqa: F401 - fixtures
    BALLS,
    MISSED,
    ball,
    ct_fixture,
    draw,
    erase,
    found_fixture,
    labels,
    lesion_rows,
    names,
    scene_fixture,
)
from LiverTumorLib.files import read_labels
from LiverTumorLib.mrml import labels_from_segmentation
from LiverTumorLib.mrml.export import exporting_labels, exporting_lesions
from LiverTumorLib.mrml.results import LESIONS_ROLE
from LiverTumorLib.mrml.tables import set_cells
from LiverTumorLib.mrml.worklist import judge, worklist
from mrml_scene import at_once_of

export_lesions, export_labels = at_once_of(exporting_lesions), at_once_of(exporting_labels)


def test_words_survive_the_file(found, ct, scene, tmp_path):
    judge(found, ct, ["Lesion 2"], status="accepted", kind="HCC", note="größer | seit: früher")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(tmp_path / "saved.seg.nrrd"))
    assert storage.WriteData(found) == 1
    loaded = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Loaded")
    assert storage.ReadData(loaded) == 1
    row = worklist(loaded)[1]
    assert (row.lesion.number, row.name) == (2, "Lesion 2")
    assert vars(row.judgment) == {"status": "accepted", "kind": "HCC", "note": "größer | seit: früher"}


def test_lesions_in_a_csv_file(found, ct, tmp_path):
    judge(found, ct, ["Lesion 2"], status="rejected", kind="cyst", note="=1+1")
    erase(found, "Lesion 3")
    export_lesions(found, ct, tmp_path / "lesions.csv")
    with open(tmp_path / "lesions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["lesion"], row["name"], row["status"], row["type"], row["note"]) for row in rows] == [
        ("1", "Lesion 1", "", "", ""),
        ("2", "Lesion 2", "rejected", "cyst", "'=1+1"),
        ("3", "Lesion 3", "", "", ""),
    ]
    assert float(rows[2]["volume (ml)"]) < lesion_rows(found)[2]["volume_ml"], "as it is now"


def test_lesions_in_a_seg_nrrd_file(found, ct, scene, tmp_path):
    judge(found, ct, ["Lesion 1"], status="accepted", kind="HCC")
    judge(found, ct, ["Lesion 2"], status="rejected")
    found.GetSegmentation().GetSegment("Lesion 3").SetName("Segment IV")
    found.GetSegmentation().GetSegment("Lesion 3").SetColor(0, 0, 1)
    draw(found, "Metastasis", ball(*MISSED))
    export_labels(found, ct, tmp_path / "out.seg.nrrd")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(tmp_path / "out.seg.nrrd"))
    loaded = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Loaded")
    assert storage.ReadData(loaded) == 1
    assert names(loaded) == ["Liver", "Lesion 1", "Segment IV", "Metastasis"]
    assert [row.lesion.number for row in worklist(loaded)] == [1, 3, 4]
    assert worklist(loaded)[0].judgment.kind == "HCC"
    assert loaded.GetSegmentation().GetSegment("Lesion 3").GetColor() == (0, 0, 1)
    expected = labels()
    expected[ball(*BALLS[2])] = 1
    expected[ball(*MISSED)] = 2
    np.testing.assert_array_equal(labels_from_segmentation(loaded, ct), expected)
    read, _matrix = read_labels(tmp_path / "out.seg.nrrd")
    np.testing.assert_array_equal(read, expected, "for the command line, liver and lesions as ever")
    export_labels(found, ct, tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(read_labels(tmp_path / "out.nii.gz")[0], expected)


def test_a_rejected_lesion_in_a_file_that_slicer_saved_is_liver(found, ct, scene, tmp_path):
    judge(found, ct, ["Lesion 1"], status="rejected")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(tmp_path / "saved.seg.nrrd"))
    assert storage.WriteData(found) == 1
    read, _matrix = read_labels(tmp_path / "saved.seg.nrrd")
    assert (read == 2).sum() == ball(*BALLS[2]).sum() + ball(*BALLS[3]).sum()
    assert (read == 1).sum() == (labels() > 0).sum() - (read == 2).sum()


def test_the_table_survives_the_file(found, ct, scene, tmp_path):
    """As in a saved scene: the rows still fit the segments, also where a checksum looks like a number."""
    judge(found, ct, ["Lesion 2"], status="rejected", note="007")
    table = found.GetNodeReference(LESIONS_ROLE)
    set_cells(table, 0, {"voxels": "00012e45"})
    storage = scene.AddNewNodeByClass("vtkMRMLTableStorageNode")
    storage.SetFileName(str(tmp_path / "lesions.tsv"))
    assert storage.WriteData(table) == 1
    loaded = scene.AddNewNodeByClass("vtkMRMLTableNode", "Loaded")
    assert storage.ReadData(loaded) == 1
    before = lesion_rows(found)
    found.SetNodeReferenceID(LESIONS_ROLE, loaded.GetID())
    for old, new in zip(before, lesion_rows(found), strict=True):
        assert new == pytest.approx(old)
    assert [row.is_changed for row in worklist(found)] == [True, False, False]
    assert lesion_rows(found)[1]["note"] == "007"
    judge(found, ct, ["Lesion 3"], status="accepted")
    assert [row["status"] for row in lesion_rows(found)] == ["", "rejected", "accepted"]
