"""A reader works through the list of lesions with mouse and keys."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import slicer
from lesions_scene import BALLS, MISSED, ball, case, draw, erase, labels, old_result, paint, ras, volume
from LiverTumorLib.mrml import ct_to_node, labels_from_segmentation, show_segmentation
from LiverTumorLib.mrml.case_nodes import SUMMARY_ROLE
from LiverTumorLib.mrml.tables import records_of
from panel_tools import idle, spin
from PySide6 import QtCore, QtTest
from slicer_standin import application

NAME = "LiverSegmentationMobileUNet"


@pytest.fixture
def panel(app):
    """A case with three lesions and one that was missed, as a run leaves it."""
    logic = slicer.vtkSlicerSegmentationsModuleLogic()  # whose converters Slicer's own undo copies with
    logic.SetMRMLScene(slicer.mrmlScene)
    ct = ct_to_node(volume(), slicer.mrmlScene)
    segmentation = show_segmentation(case(), ct).segmentationNode
    panel = application.open_module(NAME).panel
    panel.parameters.inputVolume = ct
    panel.parameters.outputSegmentation = segmentation
    yield panel
    logic.SetMRMLScene(None)


@pytest.fixture
def said(monkeypatch):
    texts = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: texts.append(text))
    return texts


def cell(panel, row: int, title: str) -> str:
    table = panel.ui.lesionTable
    titles = [table.horizontalHeaderItem(column).text().replace("-\n", "") for column in range(table.columnCount)]
    return table.item(row, titles.index(title)).text()


def column(panel, title: str) -> list[str]:
    return [cell(panel, row, title) for row in range(panel.ui.lesionTable.rowCount)]


def choose(panel, *rows: int) -> None:
    """With the mouse, the further ones with Ctrl."""
    table = panel.ui.lesionTable
    for number, row in enumerate(rows):
        held = QtCore.Qt.KeyboardModifier.ControlModifier if number else QtCore.Qt.KeyboardModifier.NoModifier
        place = table.visualItemRect(table.item(row, 0)).center()
        QtTest.QTest.mouseClick(table.viewport(), QtCore.Qt.MouseButton.LeftButton, held, place)


def click(button) -> None:
    assert button.isVisible() and button.isEnabled()
    QtTest.QTest.mouseClick(button, QtCore.Qt.MouseButton.LeftButton)


def figures(panel) -> dict:
    return records_of(panel.parameters.outputSegmentation.GetNodeReference(SUMMARY_ROLE))[0]


def settle(panel) -> None:
    spin(lambda: not panel.results._worklist._settled.active)


def test_a_lesion_that_a_key_leads_to_shows_its_own_judgment(panel):
    panel.results.step(1)
    assert panel.ui.acceptButton.enabled
    panel.results.accept()
    assert panel.ui.acceptButton.checked
    panel.results.step(1)
    assert panel.ui.lesionTable.currentRow() == 1 and not panel.ui.acceptButton.checked
    panel.results.step(-1)
    assert panel.ui.acceptButton.checked


def test_the_table_follows_the_segment_editor(panel):
    segmentation = panel.parameters.outputSegmentation
    assert column(panel, "lesion") == ["1", "2", "3"] and not panel.ui.changedLabel.isVisible()
    segments = segmentation.GetSegmentation()
    segments.GetSegment("Lesion 1").SetName("Segment VII")
    segments.GetSegment("Lesion 1").SetColor(0, 0, 1)
    erase(segmentation, "Lesion 2")
    segments.RemoveSegment("Lesion 3")
    draw(segmentation, "Metastasis", ball(*MISSED))
    settle(panel)
    assert column(panel, "lesion") == ["Segment VII", "2", "Metastasis", "3"]
    assert column(panel, "state") == ["liver changed", "changed", "new", "deleted"], "what was erased is no liver now"
    color = panel.ui.lesionTable.item(0, 0).data(QtCore.Qt.ItemDataRole.DecorationRole)
    assert color.getRgb() == (0, 0, 255, 255)
    assert "Lesion 2, Metastasis, Lesion 3" in panel.ui.changedLabel.text and panel.ui.changedLabel.isVisible()
    choose(panel, 2)  # a new one can be looked at
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    assert red.GetSliceOffset() == pytest.approx(ras(MISSED[0])[2], abs=4)
    click(panel.ui.measureButton)
    idle(panel)
    assert column(panel, "lesion") == ["Segment VII", "2", "Metastasis"] and not panel.ui.changedLabel.isVisible()


def test_a_liver_that_was_edited_is_said(panel):
    erase(panel.parameters.outputSegmentation, "Liver")
    settle(panel)
    assert column(panel, "state") == ["liver changed"] * 3
    said = "Changed since measured: the liver (its volume, the tumor burden, depths). Press Measure again."
    assert panel.ui.changedLabel.text == said and panel.ui.changedLabel.isVisible()
    click(panel.ui.measureButton)
    spin(lambda: not panel.ui.changedLabel.isVisible())


def test_a_rejection_is_undone(panel):
    before = figures(panel)
    choose(panel, 0)
    click(panel.ui.rejectButton)
    assert figures(panel)["lesion_count"] == 2 and panel.ui.undoButton.isEnabled()
    click(panel.ui.undoButton)
    assert figures(panel) == before and not panel.ui.rejectButton.checked
    assert panel.parameters.outputSegmentation.GetDisplayNode().GetSegmentVisibility("Lesion 1")


def test_a_lesion_that_was_painted_over_the_liver_is_rejected(panel):
    """And what has been erased from the liver before stays so."""
    segmentation, ct = panel.parameters.outputSegmentation, panel.parameters.inputVolume
    erased, painted = ball((7, 34, 20), 2), ball((7, 34, 20), 4)
    segmentation.GetSegmentation().RemoveSegment(paint(segmentation, "Gallbladder", erased))
    settle(panel)
    expected = labels()
    expected[erased] = 0
    paint(segmentation, "Metastasis", painted)
    settle(panel)
    choose(panel, 3)
    click(panel.ui.rejectButton)
    settle(panel)
    np.testing.assert_array_equal(labels_from_segmentation(segmentation, ct), expected)
    assert column(panel, "lesion")[3] == "Metastasis" and panel.ui.undoButton.enabled
    click(panel.ui.undoButton)
    settle(panel)
    click(panel.ui.measureButton)
    idle(panel)
    with_lesion = figures(panel)
    click(panel.ui.rejectButton)
    assert figures(panel)["liver_ml"] < with_lesion["liver_ml"], "what was no liver before"
    click(panel.ui.measureButton)
    idle(panel)
    np.testing.assert_array_equal(labels_from_segmentation(segmentation, ct), expected)
    click(panel.ui.rejectButton)
    assert figures(panel)["liver_ml"] == with_lesion["liver_ml"]


def test_a_lesion_is_judged(panel):
    segmentation = panel.parameters.outputSegmentation
    assert not panel.ui.acceptButton.isEnabled(), "none is chosen"
    choose(panel, 0)
    click(panel.ui.acceptButton)
    choose(panel, 1, 2)
    click(panel.ui.rejectButton)
    assert panel.ui.rejectButton.checked and not panel.ui.acceptButton.checked
    assert column(panel, "reader") == ["✓", "✗", "✗"]
    assert figures(panel)["lesion_count"] == 1 and "1 lesions" in panel.ui.summaryLabel.text
    display = segmentation.GetDisplayNode()
    assert [display.GetSegmentVisibility(f"Lesion {n}") for n in (1, 2, 3)] == [True, False, False]
    choose(panel, 2)
    click(panel.ui.rejectButton)
    assert column(panel, "reader") == ["✓", "✗", ""] and display.GetSegmentVisibility("Lesion 3")
    box = panel.ui.kindBox
    box.setCurrentIndex(box.findText("hemangioma"))
    box.activated.emit(box.currentIndex)
    QtTest.QTest.keyClicks(panel.ui.noteEdit, "as in spring")
    QtTest.QTest.keyClick(panel.ui.noteEdit, QtCore.Qt.Key.Key_Return)
    assert cell(panel, 2, "reader") == "hemangioma as in spring"
    choose(panel, 0)
    panel.ui.lesionTable.setFocus()
    settle(panel)
    assert panel.ui.noteEdit.text == "" and panel.ui.acceptButton.checked
    assert panel.ui.kindBox.currentText == ""


def test_keys_judge(panel):
    window = panel.module.parent
    window.activateWindow()
    spin(lambda: window.isActiveWindow)
    for key in "NANXN":
        QtTest.QTest.keyClick(window, getattr(QtCore.Qt.Key, f"Key_{key}"))
    assert column(panel, "reader") == ["✓", "✗", ""]
    assert panel.ui.lesionTable.currentRow() == 2


def test_the_chosen_lesion_stands_out(panel):
    display = panel.parameters.outputSegmentation.GetDisplayNode()
    choose(panel, 1)
    opacities = [display.GetSegmentOpacity2DOutline(each) for each in ("Liver", "Lesion 1", "Lesion 2", "Lesion 3")]
    assert opacities[0] == opacities[2] == 1 and opacities[1] == opacities[3] < 0.6


def test_lesions_are_deleted_merged_split_and_brought_back(panel, said):
    ct, segmentation = panel.parameters.inputVolume, panel.parameters.outputSegmentation
    choose(panel, 1, 2)
    assert panel.ui.mergeButton.isEnabled() and not panel.ui.splitButton.isEnabled()
    click(panel.ui.mergeButton)
    idle(panel)
    assert column(panel, "lesion") == ["1", "2"]
    choose(panel, 1)
    click(panel.ui.splitButton)
    idle(panel)
    assert column(panel, "lesion") == ["1", "2", "3"]
    choose(panel, 0)
    click(panel.ui.splitButton)
    idle(panel)
    assert "without a waist" in said.pop() and "without a waist" in panel.ui.statusLabel.text
    click(panel.ui.deleteButton)
    idle(panel)
    assert column(panel, "lesion") == ["2", "3"]
    assert not (labels_from_segmentation(segmentation, ct)[ball(*BALLS[1])] == 2).any()
    for _step in range(3):
        click(panel.ui.undoButton)
    assert column(panel, "lesion") == ["1", "2", "3"] and not panel.ui.undoButton.isEnabled() and not said
    np.testing.assert_array_equal(labels_from_segmentation(segmentation, ct), labels())


def test_a_missed_lesion_is_added_by_a_click(panel, said):
    scene = slicer.mrmlScene
    ct, segmentation = panel.parameters.inputVolume, panel.parameters.outputSegmentation
    nodes = scene.GetNumberOfNodes()
    assert not panel.ui.takeMissedButton.isVisible()
    click(panel.ui.missedButton)
    seed = scene.GetNthNodeByClass(scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") - 1, NODE)
    seed.AddControlPointWorld(*ras(MISSED[0]))
    spin(lambda: panel.ui.takeMissedButton.isVisible())
    assert not panel.ui.missedButton.checked and "ml above" in panel.ui.missedLabel.text
    assert column(panel, "lesion") == ["1", "2", "3"]
    before = panel.ui.missedLabel.text
    panel.ui.missedThresholdBox.value = 1
    idle(panel)
    assert panel.ui.missedLabel.text != before
    panel.ui.missedThresholdBox.value = 15
    idle(panel)
    assert panel.ui.missedLabel.text == before
    click(panel.ui.takeMissedButton)
    idle(panel)
    assert column(panel, "lesion") == ["1", "2", "3", "4"] and not panel.ui.takeMissedButton.isVisible()
    assert (labels_from_segmentation(segmentation, ct)[ball(*MISSED)] == 2).all()
    assert scene.GetNumberOfNodes() == nodes
    click(panel.ui.missedButton)
    click(panel.ui.missedButton)  # thought better of
    assert scene.GetNumberOfNodes() == nodes
    click(panel.ui.missedButton)
    seed = scene.GetNthNodeByClass(scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") - 1, NODE)
    seed.AddControlPointWorld(*ras((8, 90, 10)))
    spin(lambda: bool(said))
    assert "outside of Liver" in said.pop() and scene.GetNumberOfNodes() == nodes


NODE = "vtkMRMLMarkupsFiducialNode"


def test_a_segment_that_is_gone_is_said(panel, said):
    """Deleted in the Segment Editor, the table not yet brought up to date."""
    choose(panel, 1)
    panel.parameters.outputSegmentation.GetSegmentation().RemoveSegment("Lesion 2")
    click(panel.ui.acceptButton)
    assert "no longer there" in said.pop()
    assert column(panel, "state") == ["liver changed"] * 2 + ["deleted"]


def test_the_segmentation_is_deleted(panel, said):
    click(panel.ui.missedButton)
    slicer.mrmlScene.RemoveNode(panel.parameters.outputSegmentation)
    spin(lambda: panel.parameters.outputSegmentation is None)
    assert not panel.ui.missedButton.checked and not said
    assert slicer.mrmlScene.GetFirstNodeByClass(NODE) is None


def test_a_corrected_case_goes_to_the_training_data(panel, said, tmp_path, monkeypatch):
    import qt

    asked = []
    folder = lambda *arguments: asked.append(arguments) or str(tmp_path)  # noqa: E731
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", folder)
    slicer.app.userSettings().remove("LiverTumor/TrainingFolder")
    panel.parameters.inputVolume.SetName("One")
    click(panel.ui.trainingButton)
    idle(panel)
    panel.parameters.inputVolume.SetName("Two")
    click(panel.ui.trainingButton)
    idle(panel)
    assert len(asked) == 1, "the folder is remembered"
    assert "Two is in" in panel.ui.statusLabel.text and str(tmp_path) in panel.ui.trainingButton.toolTip
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["One.nii.gz", "Two.nii.gz"]
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["One.nii.gz", "Two.nii.gz"]
    click(panel.ui.trainingButton)
    idle(panel)
    assert "is there already" in said.pop()


def test_a_scene_of_an_earlier_version(panel, said):
    panel.parameters.outputSegmentation = old_result(panel.parameters.inputVolume)
    assert column(panel, "lesion") == ["1", "2", "3"] and "earlier version" in panel.ui.changedLabel.text
    choose(panel, 1)
    assert not panel.ui.acceptButton.isEnabled() and not said
    click(panel.ui.measureButton)
    idle(panel)
    assert column(panel, "lesion") == ["1", "2", "3"] and not panel.ui.changedLabel.isVisible()
    choose(panel, 1)
    click(panel.ui.acceptButton)
    assert column(panel, "reader") == ["", "✓", ""] and not said
