"""4D scans in both panels, with Slicer's own sequence nodes and their logic: the frame shown, or all frames, one child
after the other."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import slicer
from LiverTumorLib.errors import Cancelled, InputError
from LiverTumorLib.mrml import frames_of, labels_from_segmentation, labels_to_segmentation
from LiverTumorLib.mrml.case_nodes import LESIONS_ROLE
from LiverTumorLib.mrml.evidence import evidence_of
from LiverTumorLib.mrml.sequences import SEQUENCE_ROLE
from LiverTumorLib.mrml.tables import records_of
from LiverTumorLib.mrml.worklist import worklist
from mrml_scene import GRIDS, add_ct, add_transform, make_ct
from panel_tools import apply, spin, use_task
from slicer_standin import application

from LiverSegmentationMobileUNet import LiverSegmentationMobileUNetLogic

SEGMENTATION, CLASSIFIER = "LiverSegmentationMobileUNet", "LiverTumorClassifier"
SIDES = (1, 2, 3)  # the dense part of the frames' CTs, in voxels along i and j


def add_sequence(frames: int = len(SIDES)):
    """A CT whose lesion grows, as a sequence; returns the volume node that shows its first frame."""
    scene = slicer.mrmlScene
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Perfusion")
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    ct = add_ct(scene, GRIDS["axial"])
    for number in range(frames):
        array = make_ct().array.copy()
        array[3:5, 4:7, 5:8] = 50
        array[3:5, 4 : 4 + SIDES[number], 5 : 5 + SIDES[number]] = 150
        slicer.util.updateVolumeFromArray(ct, array)
        sequence.SetDataNodeAtValue(ct, str(2 * number))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Perfusion browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.AddProxyNode(ct, sequence, False)
    return ct


def lesion_voxels(number: int) -> int:
    return 2 * SIDES[number] ** 2


def show_frame(ct, number: int) -> None:
    frames_of(ct).browser.SetSelectedItemNumber(number)


@pytest.fixture
def ct(app, monkeypatch):
    """A sequence, segmented and classified by thresholds."""
    use_task(monkeypatch, "segment", "mrml_tasks:segment")
    use_task(monkeypatch, "classify", "mrml_tasks:classify_tumor")
    return add_sequence()


def test_the_frame_that_is_shown(ct):
    show_frame(ct, 1)
    panel = application.open_module(SEGMENTATION).panel
    assert panel.ui.framesCheckBox.enabled and "all 3 frames" in panel.ui.framesCheckBox.toolTip
    apply(panel)
    labels = labels_from_segmentation(panel.parameters.outputSegmentation, ct)
    assert np.count_nonzero(labels == 2) == lesion_voxels(1)
    assert panel.parameters.outputSegmentation.GetNodeReference(SEQUENCE_ROLE) is None


def test_all_frames_are_segmented_and_browsed(ct):
    add_transform(slicer.mrmlScene, np.diag([1.0, 1.0, 1.0, 1.0]) + np.eye(4, k=3) * 40, ct)
    show_frame(ct, 1)
    panel = application.open_module(SEGMENTATION).panel
    panel.ui.framesCheckBox.click()
    panel.ui.keepCheckBox.click()  # which is for one frame
    apply(panel)
    segmentation = panel.parameters.outputSegmentation
    volumes = []
    for number in (1, 0, 2):  # at first it shows what the CT shows
        show_frame(ct, number)
        labels = labels_from_segmentation(segmentation, ct)
        assert np.count_nonzero(labels == 2) == lesion_voxels(number)
        volumes.append(float(panel.ui.lesionTable.item(0, 1).text()))
        assert volumes[-1] == pytest.approx(lesion_voxels(number) * 0.75 * 0.75 * 5 / 1000, abs=0.006)
        assert f"tumor {volumes[-1]:.1f} ml" in panel.ui.summaryLabel.text
    assert (
        segmentation.GetName() == "Abdomen segmentation"
        and segmentation.GetParentTransformNode() is ct.GetParentTransformNode()
    )


def test_what_is_said_of_a_lesion_in_a_frame_stays_with_it(ct):
    """The frames' lesions have the same names; one that is rejected is hidden in its frame only."""
    panel = application.open_module(SEGMENTATION).panel
    panel.ui.framesCheckBox.click()
    apply(panel)
    segmentation = panel.parameters.outputSegmentation
    display, settled = segmentation.GetDisplayNode(), panel.results._worklist._settled
    panel.ui.lesionTable.selectRow(0)
    panel.ui.rejectButton.click()
    assert "0 lesions" in panel.ui.summaryLabel.text
    for number, rejected in ((1, False), (0, True), (2, False)):
        show_frame(ct, number)
        spin(lambda: not settled.active)
        assert display.GetSegmentVisibility("Lesion 1") is not rejected
        assert [row.judgment.is_rejected for row in worklist(segmentation)] == [rejected]
        assert lesion_rows(segmentation)[0]["status"] == ("rejected" if rejected else "")
        assert ("0 lesions" in panel.ui.summaryLabel.text) is rejected


def lesion_rows(segmentation) -> list[dict]:
    return records_of(segmentation.GetNodeReference(LESIONS_ROLE))


def test_a_table_of_all_frames(ct):
    nodes = LiverSegmentationMobileUNetLogic().process(ct, allFrames=True)
    assert slicer.util.arrayFromTableColumn(nodes.frameTable, "lesion_count").tolist() == [1, 1, 1]
    names = [nodes.frameTable.GetCellText(row, 0) for row in range(3)]
    assert names == ["time 0 s", "time 2 s", "time 4 s"]
    assert np.ptp(slicer.util.arrayFromTableColumn(nodes.frameTable, "tumor_ml")) > 0
    assert [frame.summary.tumor_ml for frame in nodes.frames] == slicer.util.arrayFromTableColumn(
        nodes.frameTable, "tumor_ml"
    ).tolist()


def test_corrections_of_a_frame_stay_with_it_and_a_second_run_takes_their_place(ct):
    logic = LiverSegmentationMobileUNetLogic()
    segmentation = logic.process(ct, allFrames=True).segmentationNode
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    corrected = labels_from_segmentation(segmentation, ct)
    corrected[6, 3:5, 3:5] = 2
    labels_to_segmentation(corrected, ct, segmentation)
    logic.updateTables(ct, segmentation)
    show_frame(ct, 1)
    assert np.count_nonzero(labels_from_segmentation(segmentation, ct) == 2) == lesion_voxels(1)
    show_frame(ct, 0)
    np.testing.assert_array_equal(labels_from_segmentation(segmentation, ct), corrected)
    assert logic.process(ct, segmentation, allFrames=True).segmentationNode is segmentation
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    for number in (0, 1, 2):
        show_frame(ct, number)
        assert np.count_nonzero(labels_from_segmentation(segmentation, ct) == 2) == lesion_voxels(number)


def test_all_frames_are_classified_and_browsed(ct):
    panel = application.open_module(CLASSIFIER).panel
    panel.ui.framesCheckBox.click()
    apply(panel)
    table = panel.parameters.outputTable
    for number in (0, 1, 2):
        show_frame(ct, number)
        assert slicer.util.arrayFromTableColumn(table, "probability").max() == pytest.approx(
            0.1 * lesion_voxels(number) / 2
        )
        assert f"p = {0.1 * lesion_voxels(number) / 2:.3f}" in panel.ui.summaryLabel.text


def test_live_mode_and_the_overlay_end_with_the_frame_they_were_made_of(ct):
    """With the real network, which finds no liver in so small a CT."""
    panel = application.open_module(CLASSIFIER).panel
    panel.ui.evidenceButton.click()
    spin(lambda: not panel.run.running)
    panel.ui.liveButton.click()
    spin(lambda: panel.live.latency_s is not None)
    assert panel.ui.evidenceButton.checked and panel.live.on
    show_frame(ct, 1)
    assert evidence_of(ct) is None and not panel.ui.evidenceButton.checked
    assert not panel.live.on and panel.ui.liveLabel.text == "Live mode ended, as the CT has changed; start it again."


def test_cancel_between_and_in_frames_leaves_the_scene_as_it_was(ct, monkeypatch):
    use_task(monkeypatch, "segment", "mrml_tasks:stops_at_third")
    panel = application.open_module(SEGMENTATION).panel
    panel.ui.framesCheckBox.click()
    before = slicer.mrmlScene.GetNumberOfNodes()
    panel.ui.applyButton.click()
    spin(lambda: panel.ui.statusLabel.text.startswith("Frame 3 of 3"))
    assert panel.ui.progressBar.value >= 66
    panel.ui.applyButton.click()
    spin(lambda: not panel.run.running)
    assert "Stopped" in panel.ui.statusLabel.text
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_sequence_that_changes_meanwhile_and_one_that_is_none(ct):
    logic = LiverSegmentationMobileUNetLogic()
    run = logic.process(ct, allFrames=True, wait=False)
    slicer.mrmlScene.RemoveNode(frames_of(ct).browser)
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(InputError, match="was changed while it was analyzed"):
        run.wait()
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    with pytest.raises(InputError, match="not part of a sequence"):
        logic.process(ct, allFrames=True)
    panel = application.open_module(SEGMENTATION).panel
    assert not panel.ui.framesCheckBox.enabled
    panel.parameters.allFrames = True  # from another scene
    apply(panel)
    assert panel.ui.lesionTable.rowCount == 1


def test_one_frame_is_no_choice(app):
    ct = add_sequence(frames=1)
    assert frames_of(ct) is None and frames_of(None) is None


def test_a_stopped_run_raises_where_it_is_waited_for(ct, monkeypatch):
    use_task(monkeypatch, "segment", "mrml_tasks:endless")
    run = LiverSegmentationMobileUNetLogic().process(ct, allFrames=True, wait=False)
    run.cancel()
    with pytest.raises(Cancelled):
        run.wait()
