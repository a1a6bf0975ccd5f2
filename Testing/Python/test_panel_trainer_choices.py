"""What is chosen in the panel of CompressionTrainer: data, folders, stages, and the Python that trains."""

import importlib
import os
import subprocess
import sys

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")
pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

import slicer
from CompressionTrainerLib.workflow.config import CONFIGS
from LiverTumorLib.errors import InputError, RequirementError
from LiverTumorLib.jobs import protocol
from slicer_standin import application
from trainer_panel import NAME, choose, finish, folder_fixture, stages, start  # noqa: F401  a fixture
from trainer_wheel import write_wheel


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


def test_without_a_data_folder_nothing_is_started(monkeypatch):
    monkeypatch.setattr(protocol, "worker_environment", None)
    with pytest.raises(InputError, match="Choose the folder"):
        importlib.import_module(NAME).CompressionTrainerLogic().compress("", "out")
