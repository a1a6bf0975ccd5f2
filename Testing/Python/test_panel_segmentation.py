"""The panel of LiverSegmentationMobileUNet in real Qt, over real MRML, with real clicks and a real worker."""

import csv
import os
import sys

import not_livers
import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import slicer
from LiverTumorLib.files import read_labels
from LiverTumorLib.models.bundle import load_bundle
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.mrml import (
    ct_to_node,
    labels_from_segmentation,
    labels_to_segmentation,
    show_segmentation,
)
from LiverTumorLib.mrml.views import MARKER_ROLE
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult, CaseSummary
from mrml_scene import GRIDS, add_ct, make_ct, make_labels
from panel_tools import add_phantom, apply, assert_alive, idle, phantom, spin, use_task, worker_of
from slicer_standin import application

NAME = "LiverSegmentationMobileUNet"
LABELS = make_labels(make_ct())


@pytest.fixture
def quick(app, monkeypatch):
    """A small CT, segmented by thresholds in a real child; returns the opened panel."""
    use_task(monkeypatch, "segment", "mrml_tasks:segment")
    add_ct(slicer.mrmlScene, GRIDS["oblique"])
    return application.open_module(NAME).panel


@pytest.fixture
def endless(app, monkeypatch):
    use_task(monkeypatch, "segment", "mrml_tasks:endless")
    add_ct(slicer.mrmlScene)
    panel = application.open_module(NAME).panel
    panel.ui.applyButton.click()
    spin(lambda: panel.ui.progressBar.value > 0)
    return panel


def node_names() -> list[str]:
    return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLNode")]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_phantom_from_opening_to_results(app, tmp_path):
    """The real networks; then a lesion, another threshold, a comparison, on what they found."""
    ct = add_phantom()
    panel = application.open_module(NAME).panel
    assert panel.parameters.inputVolume is ct
    panel.ui.keepCheckBox.click()
    assert_alive(apply(panel))
    segmentation = panel.parameters.outputSegmentation
    lesions = panel.ui.lesionTable.rowCount
    assert f"{lesions} lesions" in panel.ui.summaryLabel.text and panel.ui.summaryLabel.text.startswith(
        "phantom-1: liver "
    )
    assert lesions > 1
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert {node.GetBackgroundVolumeID() for node in composites} == {ct.GetID()}

    panel.ui.lesionTable.setCurrentCell(1, 0)
    marker = segmentation.GetNodeReference(MARKER_ROLE)
    assert marker.GetNthControlPointLabel(0).startswith("Lesion 2: ")
    place = marker.GetNthControlPointPositionWorld(0)
    for name, axis in (("Yellow", 0), ("Green", 1), ("Red", 2)):
        matrix = app.layoutManager().sliceWidget(name).mrmlSliceNode().GetSliceToRAS()
        assert matrix.GetElement(axis, 3) == pytest.approx(place[axis], abs=0.01)

    panel.ui.referenceSelector.setCurrentNode(labels_to_segmentation(phantom()[1], ct))
    panel.ui.compareButton.click()
    idle(panel)
    assert float(panel.ui.comparisonLabel.text.split("Dice ")[1].split(",")[0]) > 0.8
    assert "missed" in panel.ui.comparisonLabel.text

    before, summary = labels_from_segmentation(segmentation, ct), panel.ui.summaryLabel.text
    own = panel.ui.thresholdSlider.value
    assert own == load_bundle(SHIPPED / "liver-tumor").manifest.threshold
    assert segmentation.GetNodeReference(MARKER_ROLE) is not None
    panel.ui.thresholdSlider.value = 0.97
    spin(lambda: panel.ui.summaryLabel.text != summary)
    idle(panel)
    after = labels_from_segmentation(segmentation, ct)
    assert segmentation.GetNodeReference(MARKER_ROLE) is None  # lesions have other numbers now
    assert 0 < np.count_nonzero(after == 2) < np.count_nonzero(before == 2)
    assert set(np.flatnonzero(after == 2)) <= set(np.flatnonzero(before == 2))
    panel.ui.thresholdSlider.value = own
    spin(lambda: panel.ui.summaryLabel.text == summary)
    idle(panel)
    # The maps are kept in half precision, so a voxel right at the threshold may fall to the other side.
    assert np.count_nonzero(labels_from_segmentation(segmentation, ct) != before) < 1e-5 * before.size

    panel.ui.show3DButton.click()
    assert segmentation.GetSegmentation().ContainsRepresentation("Closed surface") and panel.ui.statusLabel.text == ""
    application.screenshot(NAME, tmp_path / "panel.png")
    assert (tmp_path / "panel.png").stat().st_size > 10_000


def test_what_is_not_seen_first_is_made_a_part_a_turn(app):
    """The window stands still while a part is made; a scene that was saved with results is opened as quickly."""
    ct = add_ct(slicer.mrmlScene)
    nodes = show_segmentation(CaseOutput(CaseResult("ct", CaseSummary(liver_ml=1.0), []), LABELS), ct)
    application.load_module(NAME)
    logic = getattr(slicer.modules, f"{NAME}Widget").logic
    logic.getParameterNode().inputVolume = ct
    logic.getParameterNode().outputSegmentation = nodes.segmentationNode
    ui = application.show_module(NAME).panel.ui

    def made() -> list[bool]:
        results, dates = hasattr(ui, "kindBox"), hasattr(ui, "datesWidget")
        return [
            results,
            results and ui.kindBox.count > 0,
            dates,
            dates and ui.datesWidget.layout() is not None,
        ]

    assert made() == [False] * 4 and not ui.resultsCollapsibleButton.visible
    turns = []
    spin(lambda: turns.append(made()) or all(made()))
    assert [turns.count([True] * number + [False] * (4 - number)) > 0 for number in range(5)] == [True] * 5
    assert ui.resultsCollapsibleButton.visible
    assert ui.reportButton.enabled and ui.summaryLabel.text.startswith("ct: liver 1 ml")


def test_doubts_are_shown_and_stay(app):
    """The real networks on a scan without liver; then a liver drawn in it, which is measured and doubted again."""
    ct = ct_to_node(not_livers.ellipse(), slicer.mrmlScene)
    panel = application.open_module(NAME).panel
    apply(panel)
    assert panel.ui.statusLabel.text.startswith("No liver found")
    for text in (panel.ui.summaryLabel.text, panel.ui.logText.toPlainText()):
        assert "ml was rejected: it takes nearly all tissue" in text
    drawn = np.zeros(not_livers.SHAPE, np.uint8)
    drawn[20:30, 50:60, 30:60] = 1
    labels_to_segmentation(drawn, ct, panel.parameters.outputSegmentation)
    panel.ui.measureButton.click()
    idle(panel)
    assert (
        "liver 135 ml" in panel.ui.summaryLabel.text and "where 400 to 5000 ml are usual" in panel.ui.summaryLabel.text
    )


def test_a_comparison_offers_its_package_and_does_without(quick, monkeypatch):
    """HD95 is that of `metrics.surface`; where its package is missing and the user does not want it, the other figures
    are there."""
    import slicer.packaging
    from LiverTumorLib.metrics import surface_distances

    apply(quick)
    ct, drawn = quick.parameters.inputVolume, LABELS.copy()
    drawn[3:5, 4:8, 5:9] = 2
    quick.ui.referenceSelector.setCurrentNode(labels_to_segmentation(drawn, ct))
    asked = []
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "surface_distance", None)
        without.setattr(slicer.packaging, "pip_check", lambda requirements: asked.append(str(*requirements)))
        quick.ui.compareButton.click()
        idle(quick)
    assert asked == ["surface-distance>=0.1"]
    assert "Dice 0.720, HD95 by area needs the package surface-distance" in quick.ui.comparisonLabel.text
    quick.ui.compareButton.click()
    idle(quick)
    expected = surface_distances(LABELS == 2, drawn == 2, make_ct(GRIDS["oblique"]).spacing[::-1]).hd95
    assert f"Dice 0.720, HD95 by area {expected:.1f} mm" in quick.ui.comparisonLabel.text
    assert "Lesions of the reference: 1, found 1, missed 0; extra ones: 0" in quick.ui.comparisonLabel.text


def test_a_reference_is_understood_or_its_segments_are_chosen(quick):
    """Names that others give are known; else the user says which segment is what; texts of another state are gone."""
    apply(quick)
    ct = quick.parameters.inputVolume
    reference = labels_to_segmentation(LABELS, ct)
    segmentation = reference.GetSegmentation()
    for identifier, name in (("Liver", "liver_mask"), ("Lesion 1", "Tumor")):
        copy = slicer.vtkSegment()
        copy.DeepCopy(segmentation.GetSegment(identifier))
        copy.SetName(name)
        copy.SetTerminology("")
        copy.RemoveTag("LiverTumor.Number")
        segmentation.RemoveSegment(identifier)
        segmentation.AddSegment(copy, f"given_{name}")
    ui = quick.ui
    ui.referenceSelector.setCurrentNode(reference)
    assert (ui.referenceLiverBox.currentText, ui.referenceTumorBox.currentText) == ("liver_mask", "Tumor")
    ui.compareButton.click()
    idle(quick)
    assert ui.comparisonLabel.text.count("Dice 1.000") == 2
    segmentation.GetSegment("given_Tumor").SetName("Segment_2")
    assert ui.comparisonLabel.text == "", "it speaks of what the reference was before"
    ui.referenceSelector.setCurrentNode(None)
    ui.referenceSelector.setCurrentNode(reference)
    ui.compareButton.click()
    idle(quick)
    assert (
        "Tumor: no segment of the reference is chosen" in ui.comparisonLabel.text
        and "Dice 0.000" not in ui.comparisonLabel.text
    )
    segmentation.GetSegment("given_liver_mask").SetName("Segment_1")
    ui.referenceSelector.setCurrentNode(None)
    ui.referenceSelector.setCurrentNode(reference)
    assert not ui.compareButton.enabled and "choose which segments" in ui.comparisonLabel.text
    for box, name in ((ui.referenceLiverBox, "Segment_1"), (ui.referenceTumorBox, "Segment_2")):
        box.setCurrentIndex(box.findText(name))
    ui.compareButton.click()
    idle(quick)
    assert ui.comparisonLabel.text.count("Dice 1.000") == 2
    labels_to_segmentation(np.roll(LABELS, 1, axis=2), ct, quick.parameters.outputSegmentation)
    assert ui.comparisonLabel.text == "", "the result is another now"


def test_files_are_what_the_scene_shows(quick, tmp_path, monkeypatch):
    import qt

    apply(quick)
    ct = quick.parameters.inputVolume
    corrected = LABELS.copy()
    corrected[7, 2:4, 2:4] = 2
    labels_to_segmentation(corrected, ct, quick.parameters.outputSegmentation)
    quick.ui.measureButton.click()
    idle(quick)
    assert quick.ui.lesionTable.rowCount == 2
    for button, name in (
        (quick.ui.csvButton, "l.csv"),
        (quick.ui.labelsButton, "l.nii.gz"),
        (quick.ui.labelsButton, "l.seg.nrrd"),
    ):
        monkeypatch.setattr(
            qt.QFileDialog, "getSaveFileName", lambda *_, path=tmp_path / name: str(path), raising=False
        )
        button.click()
        idle(quick)
        assert name in quick.ui.statusLabel.text
    with open(tmp_path / "l.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    for name in ("l.nii.gz", "l.seg.nrrd"):
        labels, matrix = read_labels(tmp_path / name)
        np.testing.assert_array_equal(labels, corrected)
        np.testing.assert_allclose(matrix, GRIDS["oblique"], atol=1e-3)
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_: str(tmp_path / "l.doc"), raising=False)
    quick.ui.labelsButton.click()
    idle(quick)
    assert "let the name end in .nii.gz" in quick.ui.statusLabel.text
    assert not quick.ui.dicomButton.enabled and "not loaded from DICOM" in quick.ui.dicomButton.toolTip
    ct.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    quick.refresh()
    assert quick.ui.dicomButton.enabled


def test_choices_reach_the_run_and_stay_with_the_scene(quick):
    quick.ui.tumorCheckBox.click()
    quick.ui.slicesCheckBox.click()
    apply(quick)
    assert quick.ui.lesionTable.rowCount == 0
    assert "0 lesions" in quick.ui.summaryLabel.text
    application.leave_module(NAME)
    assert not application.open_module(NAME).panel.ui.tumorCheckBox.checked
    assert quick.ui.outputSelector.currentNode() is quick.parameters.outputSegmentation


def test_a_liver_that_is_there_already_is_used(app, monkeypatch):
    use_task(monkeypatch, "segment", "mrml_tasks:known_liver")
    ct = add_ct(slicer.mrmlScene)
    drawn = np.zeros_like(LABELS)
    drawn[2:5, 3:6, 3:6] = 1
    panel = application.open_module(NAME).panel
    panel.ui.liverSelector.setCurrentNode(labels_to_segmentation(drawn, ct))
    apply(panel)
    np.testing.assert_array_equal(labels_from_segmentation(panel.parameters.outputSegmentation, ct), drawn)


def test_apply_becomes_cancel_and_leaves_the_scene_as_it_was(endless):
    before = node_names()
    assert endless.ui.applyButton.text == "Cancel"
    assert endless.ui.statusLabel.text.startswith("Working")
    endless.ui.applyButton.click()
    assert not endless.ui.applyButton.enabled
    spin(lambda: not endless.run.running)
    assert endless.ui.applyButton.text == "Apply" and endless.ui.applyButton.enabled
    assert "Stopped" in endless.ui.statusLabel.text
    assert node_names() == before


def close_scene(panel):
    slicer.mrmlScene.Clear()


def reload_module(panel):
    slicer.util.reloadScriptedModule(NAME)


@pytest.mark.parametrize("interrupt", [close_scene, reload_module])
def test_what_ends_the_module_or_the_scene_ends_the_run(endless, interrupt):
    worker = worker_of(endless)
    interrupt(endless)
    spin(lambda: not is_alive(worker))
    panel = application.open_module(NAME).panel
    assert panel.ui.applyButton.text == "Apply"
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    if interrupt is close_scene:
        assert not panel.ui.applyButton.enabled
        add_ct(slicer.mrmlScene)
    spin(lambda: panel.ui.applyButton.enabled)


def test_reload_takes_the_library_as_it_is_now(quick, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "LiverTumorLib"]:
        monkeypatch.setitem(sys.modules, name, sys.modules[name])  # so that what other tests have imported comes back
    getattr(slicer.modules, f"{NAME}Widget").onReload()
    panel = getattr(slicer.modules, f"{NAME}Widget").panel
    assert type(panel) is not type(quick) and type(panel).__name__ == "SegmentationPanel"
    assert panel.ui.applyButton.enabled


def test_deleted_results_leave_an_empty_panel(quick):
    apply(quick)
    segmentation = quick.parameters.outputSegmentation
    slicer.mrmlScene.RemoveNode(segmentation.GetNodeReference("LiverTumor.lesions"))
    quick.ui.lesionTable.setCurrentCell(0, 0)  # nothing to go to
    slicer.mrmlScene.RemoveNode(segmentation)
    assert quick.ui.lesionTable.rowCount == 0 and not quick.ui.resultsCollapsibleButton.enabled
    apply(quick)
    assert quick.ui.lesionTable.rowCount == 1


def test_a_deleted_parameter_node_is_made_anew(quick):
    slicer.mrmlScene.RemoveNode(quick.parameters.parameterNode)
    assert quick.parameters.parameterNode.GetScene() is slicer.mrmlScene
    apply(quick)
    assert quick.ui.lesionTable.rowCount == 1


def test_without_a_main_window(monkeypatch):
    with application.running(window=False):
        use_task(monkeypatch, "segment", "mrml_tasks:segment")
        add_ct(slicer.mrmlScene)
        panel = application.open_module(NAME).panel
        apply(panel)
        panel.ui.lesionTable.setCurrentCell(0, 0)
        assert panel.ui.lesionTable.rowCount == 1
