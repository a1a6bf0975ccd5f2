"""The axes of the chosen lesion in the panel: dragged, said, reset, taken back, and gone with their segmentation."""

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import numpy as np
import slicer
from LiverTumorLib.mrml.axes import axis_lines, shown_lesion
from LiverTumorLib.mrml.case_nodes import LESIONS_ROLE
from LiverTumorLib.mrml.tables import records_of
from LiverTumorLib.mrml.views import MARKER_ROLE
from mrml_scene import GRIDS, add_ct
from panel_tools import apply, use_task
from slicer_standin import application

NAME = "LiverSegmentationMobileUNet"


@pytest.fixture
def panel(app, monkeypatch):
    """Two lesions, of which the first is chosen."""
    use_task(monkeypatch, "segment", "mrml_tasks:segment_two")
    add_ct(slicer.mrmlScene, GRIDS["axial"])
    panel = application.open_module(NAME).panel
    apply(panel)
    panel.results.step(1)
    return panel


def segmentation_of(panel):
    return panel.parameters.outputSegmentation


def cell(panel, row: int, title: str) -> str:
    """What the table of the panel shows."""
    table = panel.ui.lesionTable
    titles = [table.horizontalHeaderItem(column).text() for column in range(table.columnCount)]
    titles = [each.replace("\n", " ") for each in titles]
    return table.item(row, titles.index(title)).text()


def ends(line) -> np.ndarray:
    return np.array([line.GetNthControlPointPositionWorld(point) for point in range(2)])


def drag(line, *places) -> None:
    """As the mouse does: from its first place the first end moves to the others."""
    line.InvokeEvent(line.PointStartInteractionEvent)
    for place in places:
        line.SetNthControlPointPositionWorld(0, *place)
    line.InvokeEvent(line.PointEndInteractionEvent)


def test_a_dragged_end_is_followed_and_said(panel):
    long, _short = axis_lines(segmentation_of(panel))
    [first, second] = ends(long)
    before = cell(panel, 0, "long axis (mm)")
    drag(long, second + (first - second) * 5, second + (first - second) * 3)
    length = float(np.linalg.norm(first - second)) * 3
    assert cell(panel, 0, "long axis (mm)") == f"{length:.0f}" != before
    assert (cell(panel, 0, "by hand"), cell(panel, 1, "by hand")) == ("long", "")
    assert f"{length:.1f} x" in panel.ui.statusLabel.text and "measured by hand" in panel.ui.statusLabel.text
    assert f"largest {length:.0f} mm" in panel.ui.summaryLabel.text
    marker = segmentation_of(panel).GetNodeReference(MARKER_ROLE)
    assert f", {length:.0f} x " in marker.GetNthControlPointLabel(0)


def test_it_is_reset_by_its_button_and_by_undo(panel):
    long, _short = axis_lines(segmentation_of(panel))
    before, place = records_of(segmentation_of(panel).GetNodeReference(LESIONS_ROLE)), ends(long)
    assert not panel.ui.resetAxesButton.enabled
    drag(long, ends(long)[0] + (1.0, 1.0, 0.0))
    assert panel.ui.resetAxesButton.enabled and panel.ui.undoButton.enabled
    panel.ui.undoButton.click()
    assert records_of(segmentation_of(panel).GetNodeReference(LESIONS_ROLE)) == before
    assert not panel.ui.resetAxesButton.enabled
    panel.results.step(-1)
    panel.results.step(1)
    [long, _short] = axis_lines(segmentation_of(panel))
    np.testing.assert_allclose(ends(long), place, atol=1e-6)
    drag(long, ends(long)[0] + (1.0, 1.0, 0.0))
    panel.ui.resetAxesButton.click()
    np.testing.assert_allclose(ends(long), place, atol=1e-6)
    assert not panel.ui.resetAxesButton.enabled and "by hand" not in panel.ui.statusLabel.text


def test_an_end_outside_of_the_ct_comes_back_with_a_sentence(panel, monkeypatch):
    shown = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: shown.append(text))
    long, _short = axis_lines(segmentation_of(panel))
    before = ends(long)
    drag(long, before[0] + (500.0, 0.0, 0.0))
    assert shown == ["An end of the axis lay outside of Abdomen; it is where it was before."]
    np.testing.assert_allclose(ends(long), before, atol=1e-6)
    assert not panel.ui.resetAxesButton.enabled


def test_the_pair_moves_to_the_next_lesion_and_back(panel):
    segmentation = segmentation_of(panel)
    pair = axis_lines(segmentation)
    assert shown_lesion(segmentation) == 1
    drag(pair[0], ends(pair[0])[0] + (1.0, 1.0, 0.0))
    drawn = ends(pair[0])
    panel.results.step(1)
    assert axis_lines(segmentation) == pair and shown_lesion(segmentation) == 2
    assert not panel.ui.resetAxesButton.enabled, "this lesion is not measured by hand"
    panel.results.step(-1)
    np.testing.assert_allclose(ends(pair[0]), drawn, atol=1e-3)
    assert panel.ui.resetAxesButton.enabled


def test_markups_go_with_their_segmentation(panel):
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == 3
    slicer.mrmlScene.RemoveNode(segmentation_of(panel))
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == 0


def test_a_deleted_line_is_made_again(panel):
    slicer.mrmlScene.RemoveNode(axis_lines(segmentation_of(panel))[0])
    panel.results.step(1)
    assert len(axis_lines(segmentation_of(panel))) == 2


def test_a_line_moved_from_the_console_counts_too(panel):
    long, _short = axis_lines(segmentation_of(panel))
    long.SetNthControlPointPositionWorld(0, *(ends(long)[0] + (1.0, 1.0, 0.0)))
    assert cell(panel, 0, "by hand") == "long"
