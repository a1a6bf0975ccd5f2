"""The panel of CompressionTrainer in real Qt, over real MRML, with real clicks and a real training of a tiny
network."""

import importlib
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")
pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

import slicer
from LiverTumorLib.errors import Cancelled, OutputError
from LiverTumorLib.models.catalogue import get_bundle
from panel_tools import assert_alive, spin
from slicer_standin import application
from tiny_training import write_data
from trainer_panel import NAME, PATIENCE_S, choose, finish, folder_fixture, stages, start  # noqa: F401  a fixture


def children_of(pid: int) -> set[int]:
    """A process and all that it has started, as far as these still run."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = dict(map(int, line.split()) for line in listed.splitlines())
    found = {pid} & parents.keys()
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


@pytest.fixture(scope="module")
def trained(folder):
    """A training that is killed from outside, started, stopped after its first epoch, started again; what was seen on
    the way."""
    seen = types.SimpleNamespace(states=[], values=[], turns=[])
    with application.running() as app:
        panel = application.open_module(NAME).panel
        choose(panel, folder)
        seen.before = stages(panel)
        start(panel)
        spin(lambda: "In all about" in panel.ui.logText.toPlainText() or not panel.run.running, PATIENCE_S)
        os.killpg(panel.run._run.job._process.pid, signal.SIGKILL)
        finish(panel)
        seen.killed = panel.ui.statusLabel.text

        start(panel)
        seen.button = panel.ui.applyButton.text
        spin(lambda: panel.ui.epochLabel.text.startswith("Epoch 1") or not panel.run.running, PATIENCE_S)
        seen.first_epoch, seen.curves = panel.ui.epochLabel.text, panel.ui.curvesButton.enabled
        job = panel.run._run.job
        processes = children_of(job._process.pid)
        panel.ui.applyButton.click()
        finish(panel)
        seen.left = {pid for pid in processes if children_of(pid)}
        seen.job_folder = job._folder.path
        seen.stopped, seen.folder_text = panel.ui.statusLabel.text, panel.ui.outputLabel.text

        start(panel)

        def ended() -> bool:
            seen.states.append(stages(panel))
            seen.values.append(panel.ui.progressBar.value)
            return not panel.run.running

        seen.turns = spin(ended, PATIENCE_S)
        seen.end, seen.log = panel.ui.statusLabel.text, panel.ui.logText.toPlainText()
        seen.after = stages(panel)
        app.processEvents()
    return seen


def test_a_training_from_its_start_to_its_models(trained, folder):
    assert trained.before == dict.fromkeys(("train", "export", "compare", "benchmark", "report"), "to do")
    assert trained.button == "Cancel"
    assert (
        trained.first_epoch.startswith("Epoch 1 (train): loss ")
        and "validation" in trained.first_epoch
        and trained.curves
    )
    assert trained.end == f"Done; everything is in {folder / 'out'}."
    assert trained.after == dict.fromkeys(trained.before, "finished")
    running = [
        next((stage for stage, state in states.items() if state == "running"), None) for states in trained.states
    ]
    assert [stage for stage in dict.fromkeys(running) if stage] == list(trained.before)
    assert trained.values == sorted(trained.values) and 0 < trained.values[len(trained.values) // 2] <= 100
    assert_alive(trained.turns)


def test_a_stop_leaves_no_process_and_the_next_start_goes_on(trained):
    assert trained.left == set() and not trained.job_folder.exists()
    assert trained.stopped.startswith("Stopped; press Start to continue")
    assert "Start continues it" in trained.folder_text
    assert "to continue" in trained.log  # what the trainer planned for the stage train


def test_a_killed_trainer_is_told(trained):
    assert "killed from outside" in trained.killed


def test_what_came_out_is_shown_installed_and_opened(trained, folder, app, tmp_path, monkeypatch):
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path / "models"))
    panel = application.open_module(NAME).panel
    choose(panel, folder)
    ui = panel.ui
    rows = {ui.variantTable.item(row, 0).text(): row for row in range(ui.variantTable.rowCount)}
    bundle = rows["tiny-slice/model.tflite"]
    headers = [ui.variantTable.horizontalHeaderItem(column).text() for column in range(ui.variantTable.columnCount)]
    shown = dict(
        zip(headers, (ui.variantTable.item(bundle, column).text() for column in range(len(headers))), strict=True)
    )
    size = (folder / "out/models/tiny-slice/model.tflite").stat().st_size
    assert float(shown["MB"]) == pytest.approx(size / 1e6, abs=0.006)
    assert 0 <= float(shown["AUC"]) <= 1 and 0 <= float(shown["acc."]) <= 1 and float(shown["1/s"]) > 0

    selection = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    ui.curvesButton.click()
    chart = slicer.mrmlScene.GetNodeByID(selection.GetActivePlotChartID())
    lines = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    assert [line.GetName() for line in lines][:2] == ["training loss", "validation loss"] and len(lines) == 4
    assert lines[0].GetTableNode().GetNumberOfRows() == 2  # two epochs, the first from before the stop
    ui.paretoButton.click()
    chart = slicer.mrmlScene.GetNodeByID(selection.GetActivePlotChartID())
    assert (chart.GetXAxisTitle(), chart.GetYAxisTitle()) == ("size (MB)", "AUC")
    slicer.modules.compressiontrainer.widgetRepresentation().resize(440, 1300)  # Slicer's panel scrolls
    application.screenshot(NAME, tmp_path / "panel.png")
    assert (tmp_path / "panel.png").stat().st_size > 10_000

    ui.installButton.click()
    assert "Installed: 'tiny-slice'" in ui.statusLabel.text
    assert get_bundle("tiny-slice").folder.parent == tmp_path / "models"
    classifier = application.open_module("LiverTumorClassifier").panel
    assert any(
        "tiny-slice" in classifier.ui.sliceModelBox.itemText(index)
        for index in range(classifier.ui.sliceModelBox.count)
    )

    asked = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text: asked.append(text))
    ui.statusLabel.text = ""
    ui.installButton.click()  # and the user says no
    assert "There is a model 'tiny-slice' already" in asked[0] and ui.statusLabel.text == ""

    import qt

    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or True)
    ui.reportButton.click()
    assert opened == [str(folder / "out/report/report.html")] and "tiny-slice" in Path(opened[0]).read_text(
        encoding="utf-8"
    )


def test_the_logic_finds_all_done(trained, folder, app):
    """The same settings as the panel's, so nothing is left to do."""
    logic = importlib.import_module(NAME).CompressionTrainerLogic()
    told = []
    result = logic.compress(
        folder / "data",
        folder / "out",
        folder / "workflow.toml",
        modelName="tiny-slice",
        split=folder / "data/split.json",
        python=sys.executable,
        progressCallback=lambda *progress: told.append(progress),
    )
    assert result.modelFolder == folder / "out/models/tiny-slice" and result.reportFile.is_file()
    assert ("plan", 0.0, "Nothing is left to do.") in told
    assert {variant.name for variant in result.variants} >= {"tiny-slice/model.tflite"}


def test_the_data_are_checked_before_anything_is_trained(folder, app, tmp_path):
    """The phantoms without their tumor: notes in the table, and the reason why they cannot be divided."""
    import nibabel

    data = tmp_path / "data"
    data.mkdir()
    write_data(data)
    (data / "split.json").unlink()
    for path in data.glob("segmentation-*"):
        image = nibabel.load(path)
        labels = image.get_fdata() > 0
        nibabel.save(nibabel.Nifti1Image(labels.astype("uint8"), image.affine), path)
    panel = application.open_module(NAME).panel
    choose(panel, folder, tmp_path / "out")
    panel.ui.dataPath.currentPath = str(data)
    panel.ui.splitBox.setCurrentIndex(0)
    assert stages(panel)["prepare"] == "to do"
    panel.ui.checkButton.click()
    assert panel.run.running, panel.ui.statusLabel.text
    finish(panel)
    table = [
        [panel.ui.checkTable.item(row, column).text() for column in (0, 2)]
        for row in range(panel.ui.checkTable.rowCount)
    ]
    assert {kind for kind, _ in table} == {"note"} and sum(
        "no tumor (2) is labeled" in what for _, what in table
    ) == 3, table
    assert panel.ui.statusLabel.text.startswith("prepare: ") and panel.ui.applyButton.enabled
    assert not (tmp_path / "out/train").exists()


def test_a_training_outlives_the_scene_but_not_its_module(folder, app, tmp_path):
    panel = application.open_module(NAME).panel
    choose(panel, folder, tmp_path / "out")
    start(panel)
    process = panel.run._run.job._process
    slicer.mrmlScene.Clear()
    assert panel.parameters.outputFolder == "" and panel.run.running and panel.ui.applyButton.text == "Cancel"
    assert process.poll() is None
    slicer.util.reloadScriptedModule(NAME)
    spin(lambda: process.poll() is not None)
    panel = application.open_module(NAME).panel
    assert panel.ui.applyButton.text == "Start" and not panel.run.running
    assert not slicer.util.getNodesByClass("vtkMRMLTableNode")
    slicer.mrmlScene.RemoveNode(panel.parameters.parameterNode)
    assert panel.parameters.parameterNode.GetScene() is slicer.mrmlScene


def test_a_run_of_the_console_can_be_stopped(folder, app, tmp_path):
    logic = importlib.import_module(NAME).CompressionTrainerLogic()
    run = logic.compress(
        folder / "data", tmp_path / "out", folder / "workflow.toml", split=folder / "data/split.json", wait=False
    )
    run.cancel()
    with pytest.raises(Cancelled):
        run.wait(timeout=20)


def test_a_model_is_not_replaced_silently(trained, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path))
    logic = importlib.import_module(NAME).CompressionTrainerLogic()
    bundle = logic.installModel(folder / "out/models/tiny-slice")
    bundle.verify()
    with pytest.raises(OutputError, match="'tiny-slice' is installed already"):
        logic.installModel(folder / "out/models/tiny-slice")
    assert logic.installModel(folder / "out/models/tiny-slice", overwrite=True).folder == bundle.folder
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-slice"]
