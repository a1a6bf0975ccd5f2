"""The panel of CompressionTrainer with a tiny workflow in it, as the tests of its panel open it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")
pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from panel_tools import spin
from tiny_training import TINY, write_data

NAME = "CompressionTrainer"
PATIENCE_S = 1200
WORKFLOW = """
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


@pytest.fixture(scope="module", name="folder")
def folder_fixture(tmp_path_factory) -> Path:
    """Data, a configuration and its network; the run goes into `out`."""
    folder = tmp_path_factory.mktemp("trainer")
    write_inputs(folder)
    return folder


def write_inputs(folder: Path, workflow: str = WORKFLOW, data: str = "data") -> None:
    """Write what a run needs into a folder, the labeled CT into one of the name `data` in it."""
    (folder / data).mkdir()
    write_data(folder / data)
    (folder / "tiny.toml").write_text(TINY.format(task="slice", region="body"))
    (folder / "workflow.toml").write_text(workflow)


def choose(panel, folder: Path, out: Path | None = None, data: str = "data") -> None:
    """Choose data, configuration and output folder as a user does; by default that of the training."""
    panel.ui.dataPath.currentPath = str(folder / data)
    panel.ui.splitBox.setCurrentIndex(2)
    panel.ui.splitPath.currentPath = str(folder / data / "split.json")
    panel.ui.configurationBox.setCurrentIndex(panel.ui.configurationBox.count - 1)
    panel.ui.configurationPath.currentPath = str(folder / "workflow.toml")
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
