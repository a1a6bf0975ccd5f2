"""What a user has corrected is not lost without a question, and a run or another threshold can be taken back."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import numpy as np
import slicer
from LiverTumorLib.mrml import labels_from_segmentation
from LiverTumorLib.mrml.case_nodes import LESIONS_ROLE, SLICES_ROLE, SUMMARY_ROLE
from LiverTumorLib.mrml.corrections import is_corrected
from LiverTumorLib.mrml.probabilities import ROLES
from mrml_scene import GRIDS, add_ct
from panel_tools import apply, idle, spin, use_task
from slicer_standin import application
from vtk.util.numpy_support import vtk_to_numpy

NAME = "LiverSegmentationMobileUNet"


@pytest.fixture
def panel(app, monkeypatch):
    """A small CT, segmented by thresholds in a real child, with its probability maps kept."""
    use_task(monkeypatch, "segment", "mrml_tasks:segment_with_maps")
    add_ct(slicer.mrmlScene, GRIDS["oblique"])
    panel = application.open_module(NAME).panel
    panel.ui.keepCheckBox.click()
    apply(panel)
    return panel


@pytest.fixture
def asked(monkeypatch):
    """The questions that were asked; answered with yes, or with `asked.answer`."""

    class Asked(list):
        answer = True

    questions = Asked()
    monkeypatch.setattr(
        slicer.util, "confirmOkCancelDisplay", lambda text, *_, **__: questions.append(text) or questions.answer
    )
    return questions


def erase(segmentation, name: str = "Lesion 1") -> None:
    """As by the Segment Editor: some voxels of a segment are taken away in its label map."""
    segment = segmentation.GetSegmentation().GetSegment(name)
    image = segment.GetRepresentation("Binary labelmap")
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    own = np.flatnonzero(voxels == segment.GetLabelValue())
    voxels[own[: len(own) // 2]] = 0
    image.Modified()
    segmentation.GetSegmentation().InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)


def state_of(segmentation, ct) -> dict:
    """All that belongs to a segmentation, as plain values."""
    from LiverTumorLib.mrml.tables import records_of

    segments = segmentation.GetSegmentation()
    looks = {
        each: (segments.GetSegment(each).GetName(), segments.GetSegment(each).GetColor())
        for each in segments.GetSegmentIDs()
    }
    return {
        "labels": labels_from_segmentation(segmentation, ct).tobytes(),
        "segments": list(looks.items()),
        "tables": [
            records_of(segmentation.GetNodeReference(role)) for role in (LESIONS_ROLE, SUMMARY_ROLE, SLICES_ROLE)
        ],
        "maps": [_map_state(segmentation.GetNodeReference(role)) for role in ROLES.values()],
        "attributes": {
            name: segmentation.GetAttribute(name)
            for name in segmentation.GetAttributeNames()
            if name != "LiverTumor.liver"  # which says when the liver was last looked at
        },
    }


def _map_state(node):
    return node and (slicer.util.arrayFromVolume(node).tobytes(), node.GetAttribute("LiverTumor.threshold"))


def set_threshold(panel, value: float) -> None:
    panel.ui.thresholdSlider.value = value
    spin(lambda: not panel.results._settled.active)
    idle(panel)


def test_a_run_does_not_write_over_corrections(panel, asked):
    ct, first = panel.parameters.inputVolume, panel.parameters.outputSegmentation
    assert not is_corrected(first)
    apply(panel)
    assert panel.parameters.outputSegmentation is first, "nothing was corrected"
    first.GetSegmentation().GetSegment("Liver").SetColor(0, 0, 1)
    assert not is_corrected(first), "a color is not lost"
    erase(first)
    corrected = state_of(first, ct)
    apply(panel)
    second = panel.parameters.outputSegmentation
    assert second is not first and state_of(first, ct) == corrected and not asked
    assert first.GetName() in panel.ui.statusLabel.text and "stays as it is" in panel.ui.statusLabel.text
    assert second.GetDisplayNode().GetVisibility() and not first.GetDisplayNode().GetVisibility()
    panel.parameters.outputSegmentation = first
    assert first.GetDisplayNode().GetVisibility() and not second.GetDisplayNode().GetVisibility(), (
        "the chosen one is seen"
    )


def test_corrections_made_while_it_runs_are_kept_too(panel):
    first = panel.parameters.outputSegmentation
    panel.ui.applyButton.click()
    erase(first, "Liver")
    spin(lambda: not panel.run.running)
    assert panel.parameters.outputSegmentation is not first and is_corrected(first)


def test_a_deleted_segment_is_a_correction(panel):
    first = panel.parameters.outputSegmentation
    first.GetSegmentation().RemoveSegment("Lesion 1")
    apply(panel)
    assert panel.parameters.outputSegmentation is not first
    assert first.GetSegmentation().GetSegmentIDs() == ("Liver",)


def test_a_segmentation_that_was_drawn_is_not_written_over(panel):
    """Chosen as the output by hand: only an empty one is taken."""
    drawn = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
    panel.parameters.outputSegmentation = drawn
    apply(panel)
    assert panel.parameters.outputSegmentation is drawn
    drawn.RemoveAttribute("LiverTumor.written")  # as if it came from a file
    apply(panel)
    assert panel.parameters.outputSegmentation is not drawn


def test_the_threshold_asks_before_it_loses_corrections(panel, asked):
    ct, segmentation = panel.parameters.inputVolume, panel.parameters.outputSegmentation
    erase(segmentation)
    before = state_of(segmentation, ct)
    asked.answer = False
    set_threshold(panel, 0.9)
    assert len(asked) == 1 and "what you have corrected" in asked[0]
    assert state_of(segmentation, ct) == before and panel.ui.thresholdSlider.value == 0.5
    asked.answer = True
    set_threshold(panel, 0.9)
    assert len(asked) == 2 and state_of(segmentation, ct) != before
    set_threshold(panel, 0.8)
    assert len(asked) == 2, "nothing was corrected since"
    panel.ui.undoButton.click()
    panel.ui.undoButton.click()
    assert state_of(segmentation, ct) == before and panel.ui.thresholdSlider.value == 0.5
    assert not panel.ui.undoButton.enabled


@pytest.mark.parametrize("keep", [True, False], ids=["maps kept again", "maps taken away"])
def test_a_run_is_undone(panel, keep, monkeypatch, asked):
    """Segments, tables, maps and their threshold are what they were, also where the second run found something else."""
    ct, segmentation = panel.parameters.inputVolume, panel.parameters.outputSegmentation
    assert not panel.ui.undoButton.enabled, "the first run has nothing to go back to"
    assert segmentation.CreateClosedSurfaceRepresentation()
    set_threshold(panel, 0.7)
    before, nodes = state_of(segmentation, ct), slicer.mrmlScene.GetNumberOfNodes()
    use_task(monkeypatch, "segment", "mrml_tasks:segment_otherwise")
    if not keep:
        panel.ui.keepCheckBox.click()
    apply(panel)
    assert panel.parameters.outputSegmentation is segmentation and state_of(segmentation, ct) != before
    panel.ui.undoButton.click()
    assert state_of(segmentation, ct) == before and slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert segmentation.GetSegmentation().ContainsRepresentation("Closed surface")
    assert not is_corrected(segmentation) and panel.ui.thresholdSlider.value == 0.7 and not asked
    set_threshold(panel, 0.9)  # on the maps that are back
    erase(segmentation, "Liver")
    asked.answer = False
    panel.ui.undoButton.click()
    assert len(asked) == 1 and is_corrected(segmentation), "what was corrected since would be lost"


def test_without_slicers_converters_nothing_is_kept(tmp_path):
    """The history would keep empty segments without a word: slicer-core where no segmentations logic was made."""
    code = """
import mrml_scene
from LiverTumorLib.mrml import can_undo, labels_from_segmentation, labels_to_segmentation, undo
from LiverTumorLib.mrml.history import undoable
volume = mrml_scene.make_ct()
ct = mrml_scene.ct_to_node(volume, mrml_scene.new_scene())
segmentation = labels_to_segmentation(mrml_scene.make_labels(volume), ct)
with undoable(segmentation, (), ()):
    pass
assert not can_undo(segmentation)
undo(segmentation)
assert labels_from_segmentation(segmentation, ct).any()
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=600)
