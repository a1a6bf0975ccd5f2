"""Two patients in one scene: what belongs to one is never written over, or taken for, the other's; and a run is begun
once."""

import gc
import weakref

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import numpy as np
import slicer
from LiverTumorLib.errors import InputError
from LiverTumorLib.mrml import ct_from_node, labels_to_segmentation
from LiverTumorLib.mrml.case_nodes import SLICES_ROLE, SUMMARY_ROLE, ct_of
from LiverTumorLib.mrml.percent import fill_percent, in_percent
from LiverTumorLib.mrml.plots import CHART_ROLE
from LiverTumorLib.mrml.results import ct_of_table
from LiverTumorLib.mrml.views import MARKER_ROLE
from mrml_scene import GRIDS, add_ct, make_ct, make_labels
from panel_tools import apply, idle, spin, use_task
from PySide6 import QtCore, QtGui, QtWidgets
from slicer_standin import application

SEGMENTER, CLASSIFIER = "LiverSegmentationMobileUNet", "LiverTumorClassifier"


@pytest.fixture
def scans(app, monkeypatch):
    """Two CTs, analyzed by thresholds in a real child."""
    use_task(monkeypatch, "segment", "mrml_tasks:segment")
    use_task(monkeypatch, "classify", "mrml_tasks:classify")
    nodes = [add_ct(slicer.mrmlScene, GRIDS["oblique"]) for _ in range(2)]
    for node, name in zip(nodes, ("Ada", "Ben"), strict=True):
        node.SetName(name)
    return nodes


def test_segmentations_of_two_patients(scans):
    ada, ben = scans
    panel = application.open_module(SEGMENTER).panel
    assert panel.parameters.inputVolume is ada
    apply(panel)
    first = panel.parameters.outputSegmentation
    assert panel.ui.summaryLabel.text.startswith("Ada: ")
    panel.parameters.inputVolume = ben
    assert panel.parameters.outputSegmentation is None and panel.ui.summaryLabel.text == "Press Apply to get results."
    apply(panel)
    second = panel.parameters.outputSegmentation
    assert panel.ui.summaryLabel.text.startswith("Ben: ") and (ct_of(first), ct_of(second)) == (ada, ben)
    names = [
        node.GetNodeReference(SUMMARY_ROLE).GetTable().GetColumnByName("name").GetValue(0) for node in (first, second)
    ]
    assert names == ["Ada", "Ben"]
    panel.parameters.inputVolume = ada
    assert panel.parameters.outputSegmentation is first, "a CT's own results come back with it"
    panel.parameters.outputSegmentation = second  # by hand
    apply(panel)
    assert panel.parameters.outputSegmentation not in (first, second) and ct_of(second) is ben
    apply(panel)
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 3, (
        "a second run on one CT writes over its first"
    )


def backgrounds() -> dict[str, str]:
    """The name of the volume in each slice view."""
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return {
        view.GetLayoutName(): slicer.mrmlScene.GetNodeByID(view.GetBackgroundVolumeID() or "").GetName()
        for view in views
    }


def everywhere(name: str) -> dict[str, str]:
    return dict.fromkeys(("Red", "Yellow", "Green"), name)


def give(view: str, volume) -> None:
    """The user puts a volume into a slice view."""
    slicer.app.layoutManager().sliceWidget(view).sliceLogic().GetSliceCompositeNode().SetBackgroundVolumeID(
        volume.GetID()
    )


def load_shown(volume) -> None:
    """What Slicer does with a volume it has loaded."""
    slicer.util.setSliceViewerLayers(background=volume)


def is_shown(segmentation) -> bool:
    return bool(segmentation.GetDisplayNode().GetVisibility())


def test_figures_and_views_are_of_one_patient(scans):
    """Choosing a scan shows it with what was found in it, and hides the segmentation and the marker of the other."""
    ada, ben = scans
    load_shown(ben)
    panel = application.open_module(SEGMENTER).panel
    assert panel.parameters.inputVolume is ben, "what is looked at, not what comes first"
    panel.parameters.inputVolume = ada
    assert backgrounds() == everywhere("Ada")
    apply(panel)
    first = panel.parameters.outputSegmentation
    panel.ui.lesionTable.setCurrentCell(0, 0)
    marker = first.GetNodeReference(MARKER_ROLE).GetDisplayNode()
    assert marker.GetVisibility() and panel.ui.statusLabel.text == "Done."
    panel.parameters.inputVolume = ben
    assert backgrounds() == everywhere("Ben") and panel.ui.statusLabel.text == ""
    assert not is_shown(first) and not marker.GetVisibility()
    apply(panel)
    second = panel.parameters.outputSegmentation
    panel.parameters.inputVolume = ada
    assert backgrounds() == everywhere("Ada") and panel.ui.summaryLabel.text.startswith("Ada: ")
    assert is_shown(first) and marker.GetVisibility() and not is_shown(second)
    load_shown(ben)  # by Slicer, once more
    panel.ui.lesionTable.setCurrentCell(-1, -1)
    panel.ui.lesionTable.setCurrentCell(0, 0)
    assert backgrounds() == everywhere("Ada"), "a lesion is shown in its own scan"
    first.GetDisplayNode().SetVisibility(False)  # by the user
    panel.parameters.inputVolume = ben
    panel.parameters.inputVolume = ada
    assert not is_shown(first)


def test_a_view_that_the_user_gave_to_another_volume_stays(scans):
    ada, ben = scans
    prior = add_ct(slicer.mrmlScene, GRIDS["axial"], "Prior")
    panel = application.open_module(SEGMENTER).panel
    panel.parameters.inputVolume = ada
    give("Yellow", prior)
    apply(panel)
    panel.ui.lesionTable.setCurrentCell(0, 0)
    yellow = slicer.app.layoutManager().sliceWidget("Yellow").mrmlSliceNode()
    place = yellow.GetSliceOffset()
    for chosen in (ben, ada, prior, ada):
        panel.parameters.inputVolume = chosen
        assert backgrounds() == everywhere(chosen.GetName()) | {"Yellow": "Prior"}
    panel.ui.lesionTable.setCurrentCell(-1, -1)
    panel.ui.lesionTable.setCurrentCell(0, 0)
    assert yellow.GetSliceOffset() == place, "the prior is not moved"
    held = slicer.app.layoutManager().sliceWidget("Green").sliceLogic().GetSliceCompositeNode()
    held.SetDoPropagateVolumeSelection(False)
    panel.parameters.inputVolume = ben
    assert backgrounds() == {"Red": "Ben", "Yellow": "Prior", "Green": "Ada"}


def test_results_of_a_scan_that_is_chosen_no_longer_wait_for_it(scans):
    ada, ben = scans
    panel = application.open_module(SEGMENTER).panel
    panel.parameters.inputVolume = ada
    panel.ui.applyButton.click()
    panel.parameters.inputVolume = ben
    spin(lambda: not panel.run.running)
    [segmentation] = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert backgrounds() == everywhere("Ben") and not is_shown(segmentation)
    assert (
        panel.parameters.outputSegmentation is None and "results of Ada are in the scene" in panel.ui.statusLabel.text
    )
    panel.parameters.inputVolume = ada
    assert (
        panel.parameters.outputSegmentation is segmentation
        and is_shown(segmentation)
        and panel.ui.lesionTable.rowCount == 1
    )


def test_the_classifier_follows_the_view_of_its_scan(scans):
    ada, ben = scans
    panel = application.open_module(CLASSIFIER).panel
    panel.parameters.inputVolume = ada
    apply(panel)
    give("Red", ben)
    row = panel.ui.sliceTable.currentRow()
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    red.SetSliceOffset(red.GetSliceOffset() + 6)
    assert panel.ui.sliceTable.currentRow() == row, "another patient's slice"
    offset = red.GetSliceOffset()
    panel.ui.sliceTable.setCurrentCell(0 if row else 1, 0)
    assert red.GetSliceOffset() == offset


def test_slice_tables_of_two_patients(scans):
    ada, ben = scans
    panel = application.open_module(CLASSIFIER).panel
    apply(panel)
    first = panel.parameters.outputTable
    panel.parameters.inputVolume = ben
    assert panel.parameters.outputTable is None
    apply(panel)
    second = panel.parameters.outputTable
    assert (ct_of_table(first), ct_of_table(second)) == (ada, ben) and panel.ui.summaryLabel.text.startswith(
        "Ben: Likeliest"
    )
    panel.parameters.inputVolume = ada
    assert panel.parameters.outputTable is first


@pytest.mark.parametrize("name", [SEGMENTER, CLASSIFIER])
def test_a_liver_of_the_one_is_not_taken_for_that_of_the_other(scans, name):
    ada, ben = scans
    panel = application.open_module(name).panel
    panel.parameters.liverSegmentation = labels_to_segmentation(make_labels(make_ct()), ada)
    panel.parameters.inputVolume = ben
    assert panel.parameters.liverSegmentation is None
    loaded = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "from a file")
    panel.parameters.liverSegmentation = loaded
    panel.parameters.inputVolume = ada
    assert panel.parameters.liverSegmentation is loaded, "nobody knows whose that is"


def test_a_map_of_probabilities_is_no_ct(scans):
    ada, ben = scans
    slicer.mrmlScene.RemoveNode(ben)
    panel = application.open_module(SEGMENTER).panel
    percent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Ada tumor probability (%)")
    fill_percent(percent, in_percent(np.full(make_ct().shape, 0.5, np.float16)), ada)
    slicer.mrmlScene.RemoveNode(ada)
    application.leave_module(SEGMENTER)
    application.open_module(SEGMENTER)
    assert panel.parameters.inputVolume is None and panel.ui.inputSelector.nodeCount() == 0, (
        "the selector does not offer it"
    )
    assert not panel.ui.applyButton.enabled and panel.ui.applyButton.toolTip
    panel.parameters.inputVolume = add_ct(slicer.mrmlScene, GRIDS["oblique"])
    assert panel.ui.applyButton.enabled
    with pytest.raises(InputError, match=r"tumor probability \(%\) is a map of probabilities, not a CT"):
        ct_from_node(percent)


@pytest.mark.parametrize("clicked", ["before", "while starting"])
def test_a_double_click_starts_one_run(scans, monkeypatch, clicked):
    panel = application.open_module(SEGMENTER).panel
    button, start, started = panel.ui.applyButton, panel.launch, []

    def click_later():
        for kind in (QtCore.QEvent.Type.MouseButtonPress, QtCore.QEvent.Type.MouseButtonRelease):
            place = QtCore.QPointF(3, 3)
            left = QtCore.Qt.MouseButton.LeftButton
            event = QtGui.QMouseEvent(
                kind, place, button.mapToGlobal(place), left, left, QtCore.Qt.KeyboardModifier.NoModifier
            )
            QtWidgets.QApplication.postEvent(button, event)

    def launch(*receivers):
        started.append(True)
        if clicked == "while starting":
            click_later()
        return start(*receivers)

    panel.run._launch = launch
    if clicked == "before":
        click_later()
    button.click()
    assert panel.run.running and button.text == "Cancel"
    spin(lambda: not panel.run.running)
    assert started == [True] and panel.parameters.outputSegmentation is not None, "neither begun twice nor stopped"


def test_a_run_that_is_over_is_forgotten(scans):
    panel = application.open_module(SEGMENTER).panel
    panel.ui.applyButton.click()
    run = weakref.ref(panel.run._run)
    spin(lambda: not panel.run.running)
    # More than one look: Qt frees a receiver when events are served, and `collect` does nothing while another thread
    # is at it.
    spin(lambda: gc.collect() >= 0 and run() is None)


def test_results_reach_the_scene_after_the_choices_are_gone(scans, caplog):
    panel = application.open_module(SEGMENTER).panel
    panel.ui.applyButton.click()
    application.leave_module(SEGMENTER)
    slicer.mrmlScene.RemoveNode(panel.parameters.parameterNode)
    spin(lambda: not panel.run.running)
    [segmentation] = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert ct_of(segmentation) is scans[0] and panel.ui.statusLabel.text == "Done."


def test_live_mode_needs_an_axial_view(scans):
    slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode().SetOrientation("Coronal")
    panel = application.open_module(CLASSIFIER).panel
    panel.ui.liveButton.click()
    assert "turn a view to Axial" in panel.ui.liveLabel.text and not panel.live.on and not panel.ui.liveButton.checked


def test_a_files_name_can_be_one_on_any_computer(scans, tmp_path, monkeypatch):
    import qt

    scans[0].SetName("5: Abd/Pelvis 1.0")
    panel = application.open_module(SEGMENTER).panel
    apply(panel)
    proposed = []

    def answer(parent, title, name, kinds):
        proposed.append(name)
        return str(tmp_path / "labels")

    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", answer, raising=False)
    panel.ui.labelsButton.click()
    idle(panel)
    assert proposed == ["5_ Abd_Pelvis 1.0 labels.nii.gz"]
    assert [path.name for path in tmp_path.iterdir()] == ["labels.nii.gz"]


def test_the_slices_of_a_segmentation_can_be_plotted(scans):
    panel = application.open_module(SEGMENTER).panel
    assert not panel.ui.plotButton.enabled
    apply(panel)
    assert "likeliest slice " in panel.ui.summaryLabel.text
    panel.ui.plotButton.click()
    chart = panel.parameters.outputSegmentation.GetNodeReference(SLICES_ROLE).GetNodeReference(CHART_ROLE)
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSelectionNode").GetActivePlotChartID() == chart.GetID()
    panel.ui.slicesCheckBox.click()
    panel.parameters.outputSegmentation = None
    apply(panel)
    assert not panel.ui.plotButton.enabled and "likeliest" not in panel.ui.summaryLabel.text
