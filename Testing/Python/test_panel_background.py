"""What takes a moment on a large scan is computed beside the window, which stays alive, and whatever happens meanwhile
loses nothing."""

import threading
from importlib import import_module

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import slicer
from lesions_scene import erase, labels, volume
from LiverTumorLib.mrml import can_undo, ct_to_node, labels_from_segmentation
from LiverTumorLib.mrml.worklist import worklist
from mrml_scene import GRIDS, add_ct
from panel_tools import PATIENCE_S, apply, idle, spin, use_task
from PySide6 import QtWidgets
from slicer_standin import application
from test_panel_corrections import set_threshold, state_of
from test_panel_worklist import choose, click, column, panel, said  # noqa: F401 fixtures

CHECKED = "LiverTumorLib.files.intensity.check_units"
WRITTEN = "LiverTumorLib.jobs.protocol._save"
MEASURED = "LiverTumorLib.pipelines.lesions._lesion"
PARTED = "LiverTumorLib.ct.region._components"
MAPPED = "LiverTumorLib.mrml.percent.bounding_box"


def replace(monkeypatch, name: str, wrap) -> None:
    module, _dot, function = name.rpartition(".")
    own = getattr(import_module(module), function)
    monkeypatch.setattr(import_module(module), function, wrap(own))


@pytest.fixture
def seen(monkeypatch):
    """By the name of what is slow on a large scan, whether it was done by the thread of the window each time."""
    found: dict[str, list[bool]] = {}

    def watch(name: str) -> None:
        def wrap(own):
            def watched(*arguments, **options):
                is_window = threading.current_thread() is threading.main_thread()
                found.setdefault(name, []).append(is_window)
                return own(*arguments, **options)

            return watched

        replace(monkeypatch, name, wrap)

    for name in (CHECKED, WRITTEN, MEASURED, PARTED, MAPPED):
        watch(name)
    return found


@pytest.fixture
def held(monkeypatch):
    """Measuring waits until the event is set."""
    event = threading.Event()

    def wrap(own):
        def waiting(*arguments, **options):
            assert event.wait(PATIENCE_S), "the window waits for it"
            return own(*arguments, **options)

        return waiting

    replace(monkeypatch, MEASURED, wrap)
    yield event
    event.set()


def test_a_run_hands_over_and_takes_in_beside_the_window(app, monkeypatch, seen):
    use_task(monkeypatch, "segment", "mrml_tasks:segment_with_maps")
    add_ct(slicer.mrmlScene, GRIDS["oblique"])
    panel = application.open_module("LiverSegmentationMobileUNet").panel  # noqa: F811
    panel.ui.keepCheckBox.click()
    apply(panel)
    assert panel.ui.lesionTable.rowCount
    assert set(seen) == {CHECKED, WRITTEN, PARTED, MAPPED} and not any(sum(seen.values(), []))


@pytest.mark.parametrize("step", ["measure", "threshold", "delete", "merge", "split"])
def test_lesions_are_measured_beside_the_window(panel, seen, step):  # noqa: F811
    seen.clear()
    if step == "threshold":
        set_threshold(panel, 0.8)
    else:
        choose(panel, *{"merge": (1, 2), "split": (2,)}.get(step, (0,)))
        click(getattr(panel.ui, f"{step}Button"))
        idle(panel)
    if step != "split":  # that lesion has no waist, which is found beside the window too
        assert {CHECKED, MEASURED} <= set(seen)
    assert seen and not any(sum(seen.values(), []))


def test_files_are_written_beside_the_window(panel, seen, tmp_path, monkeypatch):  # noqa: F811
    import qt

    seen.clear()
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_: str(tmp_path / "lesions.csv"), raising=False)
    click(panel.ui.csvButton)
    idle(panel)
    assert (tmp_path / "lesions.csv").exists() and {CHECKED, MEASURED} <= set(seen)
    assert not any(sum(seen.values(), []))


def test_the_panel_says_what_it_does_and_what_would_collide_is_off(panel, held):  # noqa: F811
    ui = panel.ui
    choose(panel, 1)
    others = (ui.measureButton, ui.acceptButton, ui.rejectButton, ui.deleteButton, ui.splitButton, ui.csvButton)
    others += (ui.undoButton, ui.reportButton, ui.missedButton)
    click(ui.measureButton)
    assert panel.run.computing and ui.statusLabel.text == "Measuring the lesions"
    assert ui.progressBar.isVisible() and ui.applyButton.text == "Cancel"
    assert not any(button.isEnabled() for button in others)
    focused = QtWidgets.QApplication.focusWidget()
    assert not isinstance(focused, QtWidgets.QAbstractSpinBox | QtWidgets.QLineEdit), "which would take the keys"
    panel.results.reject()  # its key
    assert not any(row.judgment.is_said for row in worklist(panel.parameters.outputSegmentation))
    held.set()
    idle(panel)
    assert ui.statusLabel.text == "" and not ui.progressBar.isVisible() and ui.applyButton.text == "Apply"
    choose(panel, 1)
    assert all(button.isEnabled() for button in others[:6])


def test_it_is_stopped(panel, said, held):  # noqa: F811
    ct, segmentation = panel.parameters.inputVolume, panel.parameters.outputSegmentation
    choose(panel, 0)
    before = state_of(segmentation, ct)
    click(panel.ui.deleteButton)
    click(panel.ui.applyButton)
    held.set()
    idle(panel)
    assert panel.ui.statusLabel.text == "Stopped; the scene is as it was." and not said
    assert state_of(segmentation, ct) == before and not can_undo(segmentation)


def test_the_scene_is_closed_meanwhile(panel, said, held):  # noqa: F811
    click(panel.ui.measureButton)
    run = panel.run._run
    slicer.mrmlScene.Clear()
    held.set()
    spin(run.poll)
    assert not said and not panel.run.running
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0


def test_another_ct_is_chosen_meanwhile(panel, said, held):  # noqa: F811
    """What was measured goes where it belongs."""
    ct, segmentation = panel.parameters.inputVolume, panel.parameters.outputSegmentation
    erase(segmentation, "Lesion 2")
    before = state_of(segmentation, ct)["tables"]
    click(panel.ui.measureButton)
    other = ct_to_node(volume(), slicer.mrmlScene)
    panel.parameters.inputVolume = other
    held.set()
    idle(panel)
    assert not said and panel.parameters.inputVolume is other and panel.parameters.outputSegmentation is None
    assert state_of(segmentation, ct)["tables"] != before


@pytest.mark.parametrize("what", ["lesion", "CT", "segmentation"])
def test_something_is_changed_meanwhile(panel, said, held, what):  # noqa: F811
    ct, segmentation = panel.parameters.inputVolume, panel.parameters.outputSegmentation
    before = state_of(segmentation, ct)["tables"]
    click(panel.ui.measureButton)
    if what == "lesion":
        erase(segmentation, "Lesion 2")
    elif what == "CT":
        slicer.util.arrayFromVolume(ct)[:] += 1
        slicer.util.arrayFromVolumeModified(ct)
    else:
        slicer.mrmlScene.RemoveNode(segmentation)
    held.set()
    idle(panel)
    assert said == [panel.ui.statusLabel.text] and "was changed meanwhile; start again" in said[0]
    if what != "segmentation":
        assert state_of(segmentation, ct)["tables"] == before
        click(panel.ui.measureButton)
        idle(panel)
        assert len(said) == 1


def test_the_newest_threshold_counts_and_undo_is_exact(panel, said, held):  # noqa: F811
    """The slider moves on while the threshold before is tried."""
    ct, segmentation = panel.parameters.inputVolume, panel.parameters.outputSegmentation
    panel.parameters.minLesionMl = 0.0
    before = state_of(segmentation, ct)
    panel.ui.thresholdSlider.value = 0.85
    spin(lambda: panel.run.computing)
    assert panel.ui.thresholdSlider.isEnabled()
    for value in (0.3, 0.25):
        panel.ui.thresholdSlider.value = value
        spin(lambda: not panel.results._settled.active)
    held.set()
    spin(lambda: not panel.run.running and not panel.run.has_next)
    assert segmentation.GetAttribute("LiverTumor.threshold") == "0.25" and panel.ui.thresholdSlider.value == 0.25
    assert np.count_nonzero(labels_from_segmentation(segmentation, ct) == 2) > np.count_nonzero(labels() == 2)
    click(panel.ui.undoButton)
    assert segmentation.GetAttribute("LiverTumor.threshold") == "0.85"
    click(panel.ui.undoButton)
    assert state_of(segmentation, ct) == before and not said and not panel.ui.undoButton.isEnabled()
