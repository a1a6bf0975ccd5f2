"""Cancel at any moment: no process, no temporary file, and the scene as it was."""

import tempfile
import time

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import slicer
from LiverTumorLib.jobs.process import ChildJob
from mrml_scene import add_ct, scene_state
from panel_tools import add_phantom, spin, use_task
from slicer_standin import application

NAME = "LiverSegmentationMobileUNet"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A temporary folder of the test's own; other programs may use the usual one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def cancel_when(panel, files, comes) -> None:
    """Start a run, stop it when `comes()` is true, and compare what is there with what was."""
    before = scene_state(slicer.mrmlScene)
    panel.ui.applyButton.click()
    run = panel.run._run
    spin(lambda: comes() or not panel.run.running)
    assert panel.run.running, "it was over before it was stopped"
    panel.ui.applyButton.click()
    spin(lambda: not panel.run.running)
    assert panel.ui.statusLabel.text == "Stopped; the scene is as it was."
    assert scene_state(slicer.mrmlScene) == before
    if isinstance(run.job, ChildJob):  # else it was stopped before there was one
        assert run.job._process.poll() is not None
    assert list(files.iterdir()) == []


def test_cancel_at_any_moment(app, files, monkeypatch):
    use_task(monkeypatch, "segment", "mrml_tasks:endless")
    add_ct(slicer.mrmlScene)
    panel = application.open_module(NAME).panel
    for moment_s in (0.0, *np.random.default_rng(4).uniform(0, 1.5, 3)):
        end = time.monotonic() + moment_s
        cancel_when(panel, files, lambda end=end: time.monotonic() >= end)


@pytest.mark.slow
def test_cancel_at_ten_moments_of_a_real_run(app, files):
    add_phantom()
    panel = application.open_module(NAME).panel
    for percent in np.random.default_rng(10).uniform(0, 80, 10):
        cancel_when(panel, files, lambda percent=percent: panel.ui.progressBar.value >= percent)
