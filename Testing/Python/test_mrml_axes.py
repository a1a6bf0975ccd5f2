"""The axes of a lesion as two Markups lines: where the measurement put their ends, and what a user makes of them."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

import slicer
from LiverTumorLib.errors import InputError
from LiverTumorLib.mrml import can_undo, measure_again, show_segmentation, undo
from LiverTumorLib.mrml.axes import are_by_hand, axis_lines, measure_by_voxels, show_axes, shown_lesion, take_axes
from LiverTumorLib.mrml.case_nodes import LESIONS_ROLE, SUMMARY_ROLE
from LiverTumorLib.mrml.kept_axes import LONG, SHORT, axes_of
from LiverTumorLib.mrml.tables import records_of
from LiverTumorLib.mrml.views import remove_marker
from LiverTumorLib.pipelines.lesions import measure
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult
from mrml_scene import GRIDS, add_ct, add_transform, make_ct, make_labels, new_scene

TWO = {"first": (slice(3, 5), slice(4, 7), slice(5, 9)), "second": (slice(7, 8), slice(7, 9), slice(3, 5))}


def output(matrix: np.ndarray) -> CaseOutput:
    """Two lesions, measured."""
    volume = make_ct(matrix)
    labels = (make_labels(volume) > 0).astype(np.uint8)
    for box in TWO.values():
        labels[box] = 2
    lesions, summary = measure(labels, volume)
    return CaseOutput(CaseResult("Abdomen", summary, lesions), labels)


@pytest.fixture(params=["axial", "oblique", "sagittal", "gantry tilt"])
def case(request):
    scene = new_scene()
    found = output(GRIDS[request.param])
    ct = add_ct(scene, GRIDS[request.param])
    return ct, show_segmentation(found, ct).segmentationNode, found.result.lesions


def ends(line) -> np.ndarray:
    return np.array([line.GetNthControlPointPositionWorld(point) for point in range(2)])


def rows(segmentation) -> list[dict]:
    return records_of(segmentation.GetNodeReference(LESIONS_ROLE))


def drag(line, point: int, place) -> None:
    line.SetNthControlPointPositionWorld(point, *place)


def shorter(line) -> np.ndarray:
    """A place for the first end, a quarter of the way to the second."""
    first, second = ends(line)
    return first + (second - first) / 4


def test_the_ends_are_those_of_the_measurement(case):
    ct, segmentation, lesions = case
    for lesion in lesions:
        show_axes(segmentation, lesion.id)
        long, short = axis_lines(segmentation)
        assert (long.GetClassName(), shown_lesion(segmentation)) == ("vtkMRMLMarkupsLineNode", lesion.id)
        np.testing.assert_allclose(ends(long), lesion.longest_ends_ras, atol=1e-6)
        np.testing.assert_allclose(ends(short), lesion.perpendicular_ends_ras, atol=1e-6)
        assert long.GetMeasurement("length").GetValue() == pytest.approx(lesion.longest_diameter_mm, abs=0.01)
    nodes = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsLineNode")
    assert nodes == 2, "one pair, which moves"


def test_a_dragged_end_counts_and_can_be_reset(case):
    ct, segmentation, lesions = case
    show_axes(segmentation, 1)
    long, short = axis_lines(segmentation)
    before = rows(segmentation)
    assert not take_axes(segmentation, ct) and "axes_by_hand" not in before[0]
    drag(long, 0, shorter(long))
    assert take_axes(segmentation, ct)
    [first, second] = rows(segmentation)
    length = np.linalg.norm(np.diff(ends(long), axis=0))
    assert first["longest_diameter_mm"] == pytest.approx(0.75 * lesions[0].longest_diameter_mm, abs=0.02)
    assert first["longest_diameter_mm"] == pytest.approx(length, abs=0.006)
    assert (first["axes_by_hand"], second["axes_by_hand"]) == ("long", "")
    [summary] = records_of(segmentation.GetNodeReference(SUMMARY_ROLE))
    assert summary["largest_diameter_mm"] == max(row["longest_diameter_mm"] for row in rows(segmentation))
    drag(short, 1, ends(short)[0] + (ends(short)[1] - ends(short)[0]) / 2)
    take_axes(segmentation, ct)
    assert rows(segmentation)[0]["axes_by_hand"] == "long and short" and are_by_hand(segmentation, 1)
    measure_by_voxels(segmentation, 1)
    assert not are_by_hand(segmentation, 1) and rows(segmentation)[0].pop("axes_by_hand") == ""
    assert [{**row, "axes_by_hand": ""} for row in before] == rows(segmentation)
    np.testing.assert_allclose(ends(long), lesions[0].longest_ends_ras, atol=1e-6)


def test_an_end_stays_in_the_slice(case):
    ct, segmentation, lesions = case
    show_axes(segmentation, 1)
    long, _ = axis_lines(segmentation)
    slice_before = axes_plane(lesions[0])
    drag(long, 0, shorter(long) + np.array([0.0, 0.0, 1.5]))
    take_axes(segmentation, ct)
    corner, normal = slice_before
    np.testing.assert_allclose((ends(long) - corner) @ normal, 0, atol=2e-3)


def axes_plane(lesion) -> tuple[np.ndarray, np.ndarray]:
    """A point and the normal of the plane in which both axes lie."""
    long, short = np.array(lesion.longest_ends_ras), np.array(lesion.perpendicular_ends_ras)
    normal = np.cross(long[1] - long[0], short[1] - short[0])
    return long[0], normal / np.linalg.norm(normal)


@pytest.mark.parametrize("fault", ["outside", "one place", "deleted"])
def test_what_is_no_axis_goes_back(case, fault):
    ct, segmentation, lesions = case
    show_axes(segmentation, 1)
    long, _ = axis_lines(segmentation)
    before, tables = ends(long), rows(segmentation)
    if fault == "deleted":
        long.UnsetNthControlPointPosition(1)  # as in the table of the Markups module
    else:
        drag(long, 0, ends(long)[1] if fault == "one place" else ends(long)[0] + (ends(long)[0] - ends(long)[1]) * 50)
    with pytest.raises(InputError, match="it is where it was before"):
        take_axes(segmentation, ct)
    np.testing.assert_allclose(ends(long), before, atol=1e-6)
    assert long.GetNumberOfDefinedControlPoints() == 2 and rows(segmentation) == tables
    assert not can_undo(segmentation)


def test_undo_brings_the_measured_axis_back(case):
    ct, segmentation, lesions = case
    slicer.vtkSlicerSegmentationsModuleLogic().SetMRMLScene(slicer.mrmlScene)  # with it come the converters
    before = rows(segmentation)
    show_axes(segmentation, 1)
    long, _ = axis_lines(segmentation)
    drag(long, 0, shorter(long))
    take_axes(segmentation, ct)
    undo(segmentation)
    assert rows(segmentation) == before and not are_by_hand(segmentation, 1)


def test_what_is_drawn_by_hand_outlives_a_correction_and_its_numbers(case):
    """A third lesion, larger than the others, takes the number 1; the drawn axis stays where it lies."""
    ct, segmentation, lesions = case
    show_axes(segmentation, 1)
    long, _ = axis_lines(segmentation)
    drag(long, 0, shorter(long))
    take_axes(segmentation, ct)
    drawn = ends(long)
    more = output(np.array([ct_matrix(ct)])[0])
    more.labels[1:3, 3:9, 10] = 2  # beside the first, and not touching it
    more.labels[1:8, 8, 8:10] = 2
    from LiverTumorLib.mrml.segmentations import labels_to_segmentation

    labels_to_segmentation(more.labels, ct, segmentation)
    result = measure_again(segmentation, ct).result
    assert axis_lines(segmentation) == [], "lines of another numbering are gone"
    [by_hand] = [lesion for lesion in result.lesions if lesion.axes_by_hand]
    assert by_hand.id != 1 and by_hand.centroid_ras == lesions[0].centroid_ras
    np.testing.assert_allclose(by_hand.longest_ends_ras, drawn, atol=1e-3)
    assert rows(segmentation)[by_hand.id - 1]["axes_by_hand"] == "long"


def ct_matrix(ct) -> np.ndarray:
    from LiverTumorLib.mrml.volumes import ijk_to_world

    return ijk_to_world(ct)


def test_a_saved_scene_has_them(case, tmp_path):
    ct, segmentation, lesions = case
    show_axes(segmentation, 1)
    long, short = axis_lines(segmentation)
    drag(long, 0, shorter(long))
    take_axes(segmentation, ct)
    expected, places = rows(segmentation), [ends(long), ends(short)]
    slicer.mrmlScene.SetSaveToXMLString(1)
    slicer.mrmlScene.Commit()
    text = slicer.mrmlScene.GetSceneXMLString()
    scene = new_scene()
    scene.SetLoadFromXMLString(1)
    scene.SetSceneXMLString(text)
    scene.Import()
    again = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    records = [dict(record) for record in expected]  # tables travel in files of their own
    axes = axes_of(again, records)
    assert axes[1].words == "long" and axes[2].words is None
    for axis, place in zip((LONG, SHORT), places, strict=True):
        np.testing.assert_allclose(axes[1].ends[axis], place, atol=1e-3)
    assert len(axis_lines(again)) == 2 and shown_lesion(again) == 1


def test_lines_go_with_the_marker(case):
    ct, segmentation, _ = case
    show_axes(segmentation, 2)
    remove_marker(segmentation)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsLineNode") == 0
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsDisplayNode") == 0


def test_under_a_transform_the_ends_are_where_the_lesion_is():
    scene = new_scene()
    matrix = np.eye(4)
    matrix[:3, 3] = (10, -20, 30)
    ct = add_ct(scene)
    add_transform(scene, matrix, ct)
    volume = make_ct(matrix @ GRIDS["axial"])
    lesions, summary = measure(make_labels(volume), volume)
    segmentation = show_segmentation(
        CaseOutput(CaseResult("Abdomen", summary, lesions), make_labels(volume)), ct
    ).segmentationNode
    show_axes(segmentation, 1)
    long, _ = axis_lines(segmentation)
    np.testing.assert_allclose(ends(long), lesions[0].longest_ends_ras, atol=1e-6)
    drag(long, 0, shorter(long))
    assert take_axes(segmentation, ct)
