"""The panel of CompressionTrainer in real Qt, over real MRML, with real clicks and a real training of a tiny
network."""

import importlib
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")
pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

import slicer
from CompressionTrainerLib.workflow.config import CONFIGS
from LiverTumorLib.errors import Cancelled, InputError, OutputError, RequirementError
from LiverTumorLib.jobs import protocol
from LiverTumorLib.models.catalogue import get_bundle
from panel_tools import spin
from slicer_standin import application
from tiny_training import TINY, write_data
from trainer_wheel import write_wheel

NAME = "CompressionTrainer"
PATIENCE_S = 1200
CHAIN = """
name = "tiny"
network = "tiny.toml"
[export]
[compare]
[benchmark]
rounds = 1
slices = 2
threads = [1]
[report]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Data, a configuration and its network; the run goes into `out`."""
    folder = tmp_path_factory.mktemp("trainer")
    (folder / "data").mkdir()
    write_data(folder / "data")
    (folder / "tiny.toml").write_text(TINY.format(task="slice", region="body"))
    (folder / "chain.toml").write_text(CHAIN)
    return folder


def choose(panel, folder: Path, out: Path | None = None) -> None:
    """Choose data, configuration and output folder as a user does; by default that of the training."""
    panel.ui.dataPath.currentPath = str(folder / "data")
    panel.ui.splitBox.setCurrentIndex(2)
    panel.ui.splitPath.currentPath = str(folder / "data" / "split.json")
    panel.ui.configurationBox.setCurrentIndex(panel.ui.configurationBox.count - 1)
    panel.ui.configurationPath.currentPath = str(folder / "chain.toml")
    panel.ui.nameEdit.text = "tiny-slice"
    panel.ui.outputPath.currentPath = str(out or folder / "out")


def stages(panel) -> dict[str, str]:
    table = panel.ui.stageTable
    return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount)}


def start(panel) -> None:
    panel.ui.applyButton.click()
    assert panel.run.running, panel.ui.statusLabel.text


def finish(panel) -> None:
    spin(lambda: not panel.run.running, PATIENCE_S)


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
    seen = types.SimpleNamespace(states=[], values=[], gaps=[])
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

        seen.gaps = spin(ended, PATIENCE_S)
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
    assert np.percentile(trained.gaps, 95) < 0.1  # the window stays alive


def test_a_stop_leaves_no_process_and_the_next_start_goes_on(trained):
    assert trained.left == set() and not trained.job_folder.exists()
    assert trained.stopped.startswith("Stopped; press Start to continue")
    assert "a start continues it" in trained.folder_text
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
        folder / "chain.toml",
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


def test_a_data_folder_and_an_output_folder_are_asked_for(folder, app, tmp_path):
    ui = application.open_module(NAME).panel.ui
    assert not ui.applyButton.enabled and ui.applyButton.toolTip.startswith("Choose the folder with the labeled CT")
    ui.dataPath.currentPath = str(folder / "missing")
    assert "missing is not a folder" in ui.applyButton.toolTip
    ui.dataPath.currentPath = str(folder / "data")
    assert ui.applyButton.toolTip == "Choose a folder to write to."
    ui.outputPath.currentPath = str(tmp_path / "out")
    assert ui.applyButton.enabled
    ui.nameEdit.text = "a/b"
    assert "'a/b' cannot be a model's name" in ui.applyButton.toolTip
    ui.nameEdit.text = ""
    ui.splitBox.setCurrentIndex(1)
    assert "look alike" in ui.splitLabel.text


def test_every_shipped_configuration_can_be_chosen(app):
    panel = application.open_module(NAME).panel
    box, stages_of = panel.ui.configurationBox, {}
    for index in range(box.count - 1):  # the last is a file of the user's
        box.setCurrentIndex(index)
        stages_of[box.itemText(index).partition(":")[0]] = set(stages(panel))
    assert stages_of.keys() == {path.stem for path in CONFIGS.glob("*.toml")}
    assert {"distill", "slim", "prune", "quantize"} <= stages_of["small"]


def test_stages_can_be_left_out(folder, app, tmp_path):
    panel = application.open_module(NAME).panel
    choose(panel, folder, tmp_path / "out")
    import qt

    rows = list(stages(panel))
    panel.ui.stageTable.item(rows.index("benchmark"), 0).setCheckState(qt.Qt.Unchecked)
    assert stages(panel)["benchmark"] == "left out" and panel.parameters.leaveOut == "benchmark"
    assert "[benchmark]" not in panel.choices.request().config and "[compare]" in panel.choices.request().config
    panel.ui.stageTable.item(rows.index("export"), 0).setCheckState(qt.Qt.Unchecked)
    assert panel.ui.applyButton.toolTip == "The stage 'compare' needs what 'export' makes; leave it out too."
    assert not panel.ui.stageTable.item(rows.index("train"), 0).flags() & qt.Qt.ItemIsUserCheckable
    application.leave_module(NAME)
    assert stages(application.open_module(NAME).panel)["benchmark"] == "left out"


def test_a_folder_that_cannot_be_written_is_told(folder, app, tmp_path):
    (tmp_path / "file").write_text("")
    panel = application.open_module(NAME).panel
    choose(panel, folder, tmp_path / "file" / "out")
    start(panel)
    finish(panel)
    assert f"{tmp_path / 'file'} is a file; choose another folder" in panel.ui.statusLabel.text
    assert panel.ui.applyButton.text == "Start" and panel.ui.applyButton.enabled


def test_a_python_that_cannot_train_is_told(folder, app, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such library >&2\nexit 3\n")
    panel = application.open_module(NAME).panel
    choose(panel, folder)
    panel.ui.pythonBox.setCurrentIndex(2)
    assert "is not a program" in panel.ui.applyButton.toolTip
    panel.ui.pythonPath.currentPath = str(broken)
    assert "is not a program" in panel.ui.applyButton.toolTip  # it cannot be executed
    broken.chmod(0o755)
    panel.refresh()
    panel.ui.probeButton.click()
    finish(panel)
    assert "no such library" in panel.ui.statusLabel.text
    panel.ui.pythonPath.currentPath = sys._base_executable  # which has none of the packages
    panel.ui.probeButton.click()
    finish(panel)
    assert "lacks numpy" in panel.ui.statusLabel.text and "tensorflow" in panel.ui.statusLabel.text
    panel.ui.pythonPath.currentPath = sys.executable
    panel.ui.probeButton.click()
    finish(panel)
    assert panel.ui.statusLabel.text == "This Python can train." and "tf-keras 2" in panel.ui.pythonLabel.text
    assert not any(
        value in slicer.mrmlScene.GetFirstNodeByName(NAME).GetParameterNamesAsCommaSeparatedList()
        for value in ("ython",)
    )


def test_an_environment_of_its_own_is_made_when_the_user_agrees(app, tmp_path, monkeypatch):
    """A real virtual environment, filled by a real pip from a folder of wheels; it still lacks TensorFlow, which is
    told."""
    from CompressionTrainerLib.environment.choice import own_folder
    from CompressionTrainerLib.mrml.runs import Installation, TrainerRun, python_of

    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path / "LiverTumor" / "models"))
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("tinything==1.0\n")
    write_wheel(tmp_path / "wheels", "tinything", "1.0")
    python = python_of("own")
    asked = []
    with pytest.raises(RequirementError, match="has no Python environment yet"):
        TrainerRun(
            python, None, Installation(requirements, lambda *question: asked.append(question), tmp_path / "wheels")
        ).wait()
    assert asked == [(python, "The trainer has no Python environment yet.")] and not own_folder().exists()
    with pytest.raises(RequirementError, match="lacks numpy, .*tensorflow"):
        TrainerRun(python, None, Installation(requirements, lambda *question: True, tmp_path / "wheels")).wait()
    assert python.ready and python.executable == own_folder() / "bin/python"
    found = subprocess.run(
        [python.executable, "-c", "import tinything; print(tinything.__file__)"], capture_output=True, text=True
    )
    assert found.stdout.startswith(str(own_folder()))

    # Slicer's own Python is filled by the same program, which may not change what is there: numpy, here.
    write_wheel(tmp_path / "wheels", "numpy", "99.0")
    requirements.write_text("tinything\nnumpy>=99\n")
    here = {
        **python.variables,
        "PYTHONPATH": os.pathsep.join([python.variables["PYTHONPATH"], *filter(None, sys.path)]),
    }
    words = ["-m", "CompressionTrainerLib.environment.install", requirements, "--wheels", tmp_path / "wheels"]
    refused = subprocess.run(
        [python.executable, *words], env=here, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert (
        refused.returncode == RequirementError.exit_code
        and "numpy==" in refused.stderr
        and "conflict" in refused.stderr
    )
    assert not list(own_folder().glob("lib/*/site-packages/numpy*"))

    requirements.write_text("not-among-the-wheels\n")
    with pytest.raises(RequirementError, match="could not be installed.*not-among-the-wheels"):
        TrainerRun(python, None, Installation(requirements, lambda *question: True, tmp_path / "wheels")).wait()
    assert not python.ready  # half-made, and so made again the next time


def test_a_training_outlives_the_scene_but_not_its_module(folder, app, tmp_path):
    panel = application.open_module(NAME).panel
    choose(panel, folder, tmp_path / "out")
    start(panel)
    process = panel.run._run.job._process
    slicer.mrmlScene.Clear()
    assert panel.parameters.outputFolder == "" and panel.run.running and panel.ui.applyButton.text == "Cancel"
    assert process.poll() is None
    slicer.util.reloadScriptedModule(NAME)
    spin(lambda: process.poll() is not None, 20)
    panel = application.open_module(NAME).panel
    assert panel.ui.applyButton.text == "Start" and not panel.run.running
    assert not slicer.util.getNodesByClass("vtkMRMLTableNode")
    slicer.mrmlScene.RemoveNode(panel.parameters.parameterNode)
    assert panel.parameters.parameterNode.GetScene() is slicer.mrmlScene


def test_alone_it_says_which_folder_it_needs(app, monkeypatch):
    """As where only this module's folder is among Slicer's module paths."""
    import qt

    for name in [name for name in sys.modules if name.partition(".")[0] in ("LiverTumorLib", "CompressionTrainerLib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "LiverTumorLib", None)
    application.open_module(NAME)
    (label,) = slicer.modules.compressiontrainer.widgetRepresentation().findChildren(qt.QLabel)
    assert "needs the folder LiverTumorClassifier" in label.text
    application.leave_module(NAME)


def test_a_run_of_the_console_can_be_stopped(folder, app, tmp_path):
    logic = importlib.import_module(NAME).CompressionTrainerLogic()
    run = logic.compress(
        folder / "data", tmp_path / "out", folder / "chain.toml", split=folder / "data/split.json", wait=False
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


def test_without_a_data_folder_nothing_is_started(monkeypatch):
    monkeypatch.setattr(protocol, "worker_environment", None)
    with pytest.raises(InputError, match="Choose the folder"):
        importlib.import_module(NAME).CompressionTrainerLogic().compress("", "out")
