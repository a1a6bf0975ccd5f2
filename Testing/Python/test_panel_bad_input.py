"""Bad input of both panels with runs: a message that says what to do, and a panel that works again afterwards."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import slicer
from LiverTumorLib.models.catalogue import SHIPPED
from mrml_scene import add_ct
from panel_tools import apply, idle, spin, use_task, worker_of
from slicer_standin import application

TASKS = {"LiverSegmentationMobileUNet": "segment", "LiverTumorClassifier": "classify"}
MODELS = {
    "LiverSegmentationMobileUNet": ("liver-roi", "liverModelBox"),
    "LiverTumorClassifier": ("tumor-slice", "sliceModelBox"),
}


@pytest.fixture(params=TASKS)
def name(request, app, monkeypatch):
    """Each of the modules, whose work is done by thresholds in a real child."""
    use_task(monkeypatch, TASKS[request.param], f"mrml_tasks:{TASKS[request.param]}")
    return request.param


@pytest.fixture
def panel(name):
    """The opened panel with a CT."""
    add_ct(slicer.mrmlScene)
    return application.open_module(name).panel


@pytest.fixture
def endless(name, monkeypatch):
    """A panel in whose run nothing happens anymore."""
    with monkeypatch.context() as patch:
        use_task(patch, TASKS[name], "mrml_tasks:endless")
        add_ct(slicer.mrmlScene)
        panel = application.open_module(name).panel
        panel.ui.applyButton.click()
    spin(lambda: panel.ui.progressBar.value > 0)
    return panel


def told(panel) -> str:
    """What the user reads, when nothing runs anymore."""
    spin(lambda: not panel.run.running)
    assert panel.ui.applyButton.text == "Apply"
    return panel.ui.statusLabel.text


def works(panel) -> None:
    """Another CT, and results of it."""
    panel.parameters.inputVolume = add_ct(slicer.mrmlScene, name="Another")
    apply(panel)
    table = panel.ui.lesionTable if hasattr(panel.ui, "lesionTable") else panel.ui.sliceTable
    assert table.rowCount > 0, panel.ui.statusLabel.text


def test_no_volume_in_an_empty_scene(name):
    panel = application.open_module(name).panel
    assert not panel.ui.applyButton.enabled and "Choose a CT volume first; load one" in panel.ui.applyButton.toolTip
    works(panel)


def test_a_label_volume_is_not_offered(name):
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Drawn")
    panel = application.open_module(name).panel
    assert panel.ui.inputSelector.nodeCount() == 0 and not panel.ui.applyButton.enabled
    works(panel)


def test_a_volume_without_voxels(name):
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Nothing")
    panel = application.open_module(name).panel
    panel.ui.applyButton.click()
    assert told(panel) == "Nothing has no voxels; load it again."
    works(panel)


def test_mr(panel):
    quantity = slicer.vtkCodedEntry()
    quantity.SetValueSchemeMeaning("110852", "DCM", "MR signal intensity")
    panel.parameters.inputVolume.SetVoxelValueQuantity(quantity)
    panel.ui.applyButton.click()
    assert told(panel) == "Abdomen holds MR signal intensity, not CT values in Hounsfield units; choose the CT."
    works(panel)


def test_a_ct_deleted_while_it_is_analyzed(panel):
    panel.ui.applyButton.click()
    slicer.mrmlScene.RemoveNode(panel.parameters.inputVolume)
    assert told(panel) == "Abdomen was removed while it was analyzed, so its results were dropped; load it again."
    assert not panel.ui.applyButton.enabled and "Choose a CT volume" in panel.ui.applyButton.toolTip
    works(panel)


def test_a_scene_closed_meanwhile(endless):
    slicer.mrmlScene.Clear()
    assert not endless.run.running and not endless.ui.applyButton.enabled
    works(endless)


def test_a_worker_killed_from_outside(endless, caplog):
    os.killpg(worker_of(endless), signal.SIGKILL)
    assert "ended without a result (it was killed from outside, most often because memory ran out)" in told(endless)
    assert any(
        record.levelno == logging.ERROR and "ended without a result" in record.message for record in caplog.records
    )
    works(endless)


def test_no_permission_to_write_temporary_files(panel, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "file"))  # also for root, who may write anywhere
        panel.ui.applyButton.click()
        assert told(panel).startswith("No temporary folder can be made for the run: ")
    works(panel)


def test_no_permission_to_write_results(app, tmp_path, monkeypatch):
    """Of the segmentation, which alone writes files."""
    import qt

    use_task(monkeypatch, "segment", "mrml_tasks:segment")
    add_ct(slicer.mrmlScene)
    panel = application.open_module("LiverSegmentationMobileUNet").panel
    apply(panel)
    (tmp_path / "file").write_text("")
    for button, file in (
        (panel.ui.csvButton, "l.csv"),
        (panel.ui.labelsButton, "l.nii.gz"),
        (panel.ui.labelsButton, "l.seg.nrrd"),
    ):
        path = tmp_path / "file" / file
        monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_, path=path: str(path), raising=False)
        button.click()
        idle(panel)
        assert f"{path} cannot be written" in panel.ui.statusLabel.text
    assert os.listdir(tmp_path) == ["file"]
    works(panel)


def test_an_installation_that_is_refused(panel, monkeypatch):
    import slicer.packaging

    with monkeypatch.context() as patch:
        patch.setattr(slicer.packaging, "pip_check", lambda requirements: False)  # and the user says no
        panel.ui.applyButton.click()
    assert told(panel).startswith("The packages the analysis needs are not installed: User declined")
    works(panel)


def test_no_internet_for_an_installation(panel, monkeypatch):
    import slicer.packaging

    def fail(requirements, **settings):
        raise subprocess.CalledProcessError(1, ["pip", "install", *map(str, requirements)])

    with monkeypatch.context() as patch:
        patch.setattr(slicer.packaging, "pip_ensure", fail)
        panel.ui.applyButton.click()
    assert "(ai-edge-litert) could not be installed. Without internet: fetch them on another computer" in told(panel)
    assert "slicer.packaging.pip_install(['--no-index', '--find-links', r'FOLDER', 'ai-edge-litert'])" in told(panel)
    works(panel)


def broken_manifest(bundle):
    (bundle / "manifest.json").write_text("{")
    return "manifest.json cannot be read"


def damaged_weights(bundle):
    (bundle / "model.tflite").write_bytes(b"TFL3")
    return "is damaged (its size or checksum is not the manifest's); install the model again."


def missing_weights(bundle):
    (bundle / "model.tflite").unlink()
    return "lacks its file model.tflite; install the model again."


@pytest.mark.parametrize("spoil", [broken_manifest, damaged_weights, missing_weights])
def test_a_broken_bundle_of_the_user(app, tmp_path, monkeypatch, spoil, module="LiverTumorClassifier"):
    """Told by the real task; with the bundle out of the way the panel works on with the shipped one."""
    identifier, box = MODELS[module]
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path))
    shutil.copytree(SHIPPED / identifier, tmp_path / identifier)
    reason = spoil(tmp_path / identifier)
    add_ct(slicer.mrmlScene)
    panel = application.open_module(module).panel
    if spoil is broken_manifest:
        assert reason in getattr(panel.ui, box).toolTip
    panel.ui.applyButton.click()
    assert reason in told(panel)
    shutil.rmtree(tmp_path / identifier)
    use_task(monkeypatch, TASKS[module], f"mrml_tasks:{TASKS[module]}")
    works(panel)


def test_a_broken_bundle_stops_a_segmentation_too(app, tmp_path, monkeypatch):
    test_a_broken_bundle_of_the_user(app, tmp_path, monkeypatch, damaged_weights, "LiverSegmentationMobileUNet")


def test_one_module_path_alone_says_what_it_needs(app, monkeypatch):
    """The library lies in the folder of another module."""
    for module in [module for module in sys.modules if module.partition(".")[0] == "LiverTumorLib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "LiverTumorClassifier" not in path])
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if "__editable__" not in str(finder)])
    widget = application.open_module("LiverSegmentationMobileUNet")
    label = widget.layout.itemAt(0).widget()
    assert label.text.startswith("This module needs the folder LiverTumorClassifier beside it")
    assert "Additional module paths" in label.text
    application.leave_module("LiverSegmentationMobileUNet")
