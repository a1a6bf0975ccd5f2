"""Lesions as a list that a reader works on: each with a segment, figures and words, in step with one another."""

import csv

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

import slicer
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_labels
from LiverTumorLib.mrml import can_undo, ct_to_node, labels_from_segmentation, measure_again, show_segmentation, undo
from LiverTumorLib.mrml.checksums import checksums
from LiverTumorLib.mrml.corrections import is_corrected
from LiverTumorLib.mrml.export import exporting_labels, exporting_lesions
from LiverTumorLib.mrml.layers import Layer
from LiverTumorLib.mrml.lesion_edits import delete_lesions, merge_lesions, split_lesion
from LiverTumorLib.mrml.missed import forget_missed, growing_missed, is_missed_shown, taking_missed
from LiverTumorLib.mrml.results import LESIONS_ROLE, SUMMARY_ROLE
from LiverTumorLib.mrml.segmentations import write_segments
from LiverTumorLib.mrml.tables import fill_lesion_table, fill_summary_table, records_of, set_cells
from LiverTumorLib.mrml.undo import changed_since
from LiverTumorLib.mrml.worklist import follow_judgments, judge, worklist
from LiverTumorLib.pipelines.lesions import measure
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult
from LiverTumorLib.records.segments import SEGMENTS
from mrml_scene import GRIDS, at_once_of, new_scene
from vtk.util.numpy_support import vtk_to_numpy

SHAPE = (14, 40, 44)
BALLS = {1: ((7, 20, 20), 5), 2: ((6, 12, 33), 3), 3: ((9, 31, 33), 2)}  # number: middle and radius in voxels
MISSED = (8, 30, 10), 3  # seen on the map, below the threshold
GRID = GRIDS["oblique"]
show_missed, take_missed = at_once_of(growing_missed), at_once_of(taking_missed)
export_lesions, export_labels = at_once_of(exporting_lesions), at_once_of(exporting_labels)


def ball(place, radius) -> np.ndarray:
    grid = np.mgrid[tuple(slice(0, size) for size in SHAPE)]
    return sum((axis - at) ** 2 for axis, at in zip(grid, place, strict=True)) <= radius**2


def labels() -> np.ndarray:
    found = np.zeros(SHAPE, np.uint8)
    found[1:13, 3:37, 3:41] = 1
    for place, radius in BALLS.values():
        found[ball(place, radius)] = 2
    return found


def probability() -> np.ndarray:
    found = np.where(labels() == 2, 0.9, 0.01)
    found[ball(*MISSED)] = 0.3
    return found.astype(np.float16)


def volume() -> CTVolume:
    array = np.where(labels() > 0, 60, -1000).astype(np.int16)
    return CTVolume(array + np.random.default_rng(3).integers(-9, 9, SHAPE, dtype=np.int16), GRID, "Liver")


def case(keep: bool = True) -> CaseOutput:
    lesions, summary = measure(labels(), volume(), probability().astype(np.float32))
    models = [{"task": "liver", "threshold": 0.5}, {"task": "tumor", "threshold": 0.5}]
    maps = {"liver": (labels() > 0).astype(np.float16), "tumor": probability()} if keep else {}
    return CaseOutput(CaseResult("Liver", summary, lesions, models=models), labels(), maps)


@pytest.fixture
def scene():
    scene = new_scene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()  # whose converters Slicer's own undo copies with
    logic.SetMRMLScene(scene)
    yield scene


@pytest.fixture
def ct(scene):
    return ct_to_node(volume(), scene)


@pytest.fixture
def found(ct):
    return show_segmentation(case(), ct).segmentationNode


def names(segmentation) -> list[str]:
    segments = segmentation.GetSegmentation()
    return [segments.GetSegment(each).GetName() for each in segments.GetSegmentIDs()]


def figures(segmentation) -> dict:
    return records_of(segmentation.GetNodeReference(SUMMARY_ROLE))[0]


def lesion_rows(segmentation) -> list[dict]:
    return records_of(segmentation.GetNodeReference(LESIONS_ROLE))


def erase(segmentation, identifier: str) -> None:
    """As by the Segment Editor: half of a segment's voxels are taken away in the layer it shares."""
    segment = segmentation.GetSegmentation().GetSegment(identifier)
    image = segment.GetRepresentation("Binary labelmap")
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    own = np.flatnonzero(voxels == segment.GetLabelValue())
    voxels[own[: len(own) // 2]] = 0
    image.GetPointData().GetScalars().Modified()
    image.Modified()


def draw(segmentation, name: str, mask: np.ndarray) -> str:
    """As by the Segment Editor: a segment with a layer of its own."""
    from vtk.util.numpy_support import numpy_to_vtk

    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*SHAPE[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(mask.astype(np.uint8).ravel(), deep=True))
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(GRID))
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.AddRepresentation("Binary labelmap", image)
    identifier = segmentation.GetSegmentation().GenerateUniqueSegmentID("Segment_1")
    segmentation.GetSegmentation().AddSegment(segment, identifier)
    return identifier


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


def old_result(ct):
    """As earlier versions made it: all lesions are one segment, and the table does not say which they are."""
    node = ct.GetScene().AddNewNodeByClass("vtkMRMLSegmentationNode", "Old")
    node.CreateDefaultDisplayNodes()
    for segment in SEGMENTS:
        own = slicer.vtkSegment()
        own.SetName(segment.name)
        node.GetSegmentation().AddSegment(own, segment.id)
    write_segments(node, ct, Layer.of(labels()), [("Liver", 1), ("Lesion", 2)])
    lesions, summary = measure(labels(), volume())
    for role, fill in (
        (LESIONS_ROLE, lambda table: fill_lesion_table(table, lesions)),
        (SUMMARY_ROLE, lambda table: fill_summary_table(table, "Old", summary)),
    ):
        table = ct.GetScene().AddNewNodeByClass("vtkMRMLTableNode")
        fill(table)
        node.SetNodeReferenceID(role, table.GetID())
    return node


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


def test_a_lesion_that_is_gone_is_not_judged(found, ct):
    found.GetSegmentation().RemoveSegment("Lesion 2")
    with pytest.raises(InputError, match="no longer there"):
        judge(found, ct, ["Lesion 1", "Lesion 2"], status="accepted")
    assert not worklist(found)[0].judgment.is_said
    for edit in (delete_lesions, merge_lesions):
        with pytest.raises(InputError, match="no longer there"):
            edit(found, ct, ["Lesion 1", "Lesion 2"])
    with pytest.raises(InputError, match="no longer there"):
        split_lesion(found, ct, "Lesion 2")
    assert not can_undo(found)


def test_a_false_lesion_is_deleted_and_comes_back(found, ct):
    probability_before = lesion_rows(found)[2]["mean_probability"]
    delete_lesions(found, ct, ["Lesion 2"])
    assert names(found) == ["Liver", "Lesion 1", "Lesion 3"], "the others keep their numbers"
    expected = labels()
    expected[ball(*BALLS[2])] = 1
    np.testing.assert_array_equal(labels_from_segmentation(found, ct), expected)
    assert [row["id"] for row in lesion_rows(found)] == [1, 3]
    assert lesion_rows(found)[1]["mean_probability"] == pytest.approx(probability_before, abs=0.01)
    assert found.GetSegmentation().GetNumberOfLayers() == 1
    assert can_undo(found) and not changed_since(found)
    judge(found, ct, ["Lesion 1"], note="mine")
    assert changed_since(found), "going back would lose the note"
    undo(found)
    assert names(found) == ["Liver", "Lesion 1", "Lesion 2", "Lesion 3"]
    np.testing.assert_array_equal(labels_from_segmentation(found, ct), labels())
    assert [row["id"] for row in lesion_rows(found)] == [1, 2, 3] and not is_corrected(found)


def test_lesions_are_merged(found, ct):
    judge(found, ct, ["Lesion 2"], kind="metastasis")
    merge_lesions(found, ct, ["Lesion 3", "Lesion 2"])
    assert names(found) == ["Liver", "Lesion 1", "Lesion 2"]
    rows = worklist(found)
    assert [row.figures["id"] for row in rows] == [1, 2] and rows[1].judgment.kind == "metastasis"
    voxels = ball(*BALLS[2]).sum() + ball(*BALLS[3]).sum()
    assert rows[1].figures["volume_ml"] == pytest.approx(voxels * abs(np.linalg.det(GRID[:3, :3])) / 1000, abs=1e-4)
    np.testing.assert_array_equal(labels_from_segmentation(found, ct), labels())
    with pytest.raises(InputError, match="two or more"):
        merge_lesions(found, ct, ["Lesion 1", "Lesion 1"])
    split_lesion(found, ct, "Lesion 2")  # into its pieces
    assert [row["id"] for row in lesion_rows(found)] == [1, 2, 3]
    assert [row.judgment.kind for row in worklist(found)] == ["", "metastasis", "metastasis"]
    undo(found)
    undo(found)
    assert worklist(found)[1].judgment.kind == "metastasis" and len(worklist(found)) == 3


def test_one_piece_is_split_at_its_waist(found, ct):
    one, two = ball((7, 9, 11), 4), ball((7, 9, 17), 4)
    drawn = draw(found, "Lesion", one | two)
    measure_again(found, ct)
    split_lesion(found, ct, drawn)
    rows = worklist(found)
    assert [row.figures["id"] for row in rows] == [1, 2, 3, 4, 5]
    volumes = [row.figures["volume_ml"] for row in rows[3:]]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.2)
    with pytest.raises(InputError, match="without a waist"):
        split_lesion(found, ct, "Lesion 3")
    assert len(worklist(found)) == 5


def ras(place) -> list[float]:
    return (np.array(GRID) @ [*place[::-1], 1.0])[:3].tolist()


def test_a_missed_lesion_is_grown_shown_and_taken(found, ct, scene):
    nodes = scene.GetNumberOfNodes()
    near = (MISSED[0][0], MISSED[0][1] + 3, MISSED[0][2] + 2)  # beside it
    missed = show_missed(found, ct, ras(near))
    assert missed.highest == pytest.approx(0.3, abs=0.01) and missed.threshold < missed.highest
    assert missed.volume_ml == pytest.approx(ball(*MISSED).sum() * abs(np.linalg.det(GRID[:3, :3])) / 1000, abs=1e-3)
    assert names(found) == ["Liver", "Lesion 1", "Lesion 2", "Lesion 3"], "nothing is taken yet"
    forget_missed(found)
    assert scene.GetNumberOfNodes() == nodes and not is_missed_shown(found)
    show_missed(found, ct, ras(MISSED[0]))
    take_missed(found, ct)
    assert scene.GetNumberOfNodes() == nodes and not is_missed_shown(found)
    expected = labels()
    expected[ball(*MISSED)] = 2
    np.testing.assert_array_equal(labels_from_segmentation(found, ct), expected)
    assert [row.name for row in worklist(found)] == ["Lesion 1", "Lesion 2", "Lesion 3", "Lesion 4"]
    undo(found)
    np.testing.assert_array_equal(labels_from_segmentation(found, ct), labels())


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ((8, 60, 10), "outside of Liver"),
        (BALLS[1][0], "in Lesion 1 already"),
        (BALLS[2][0], "in Lesion 2, which was rejected"),
        ((3, 6, 6), "saw nothing there"),
    ],
)
def test_where_nothing_can_be_grown_a_sentence_says_why(found, ct, place, says):
    judge(found, ct, ["Lesion 2"], status="rejected")
    with pytest.raises(InputError, match=says):
        show_missed(found, ct, ras(place))
    assert not is_missed_shown(found)
    with pytest.raises(InputError, match="click on one first"):
        take_missed(found, ct)


def test_without_a_kept_map_nothing_is_grown(ct):
    found = show_segmentation(case(keep=False), ct).segmentationNode
    with pytest.raises(InputError, match="Keep probability volumes"):
        show_missed(found, ct, ras(MISSED[0]))


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
