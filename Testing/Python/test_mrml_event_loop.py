"""Runs in a program with a real Qt event loop, as in Slicer: it stays alive while one waits, and it finishes runs nobody waits for."""

import os
import sys
import time
import types
from pathlib import Path

import LiverTumorLib
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

import slicer
from LiverTumorLib.errors import Cancelled
from LiverTumorLib.jobs.protocol import TASKS
from mrml_scene import add_ct, new_scene

from LiverSegmentationMobileUNet import LiverSegmentationMobileUNetLogic

QtCore = pytest.importorskip("PySide6.QtCore", reason="PySide6 is not installed")

PATIENCE_S = 60


class PythonQtTimer(QtCore.QTimer):
    """Qt's timer with the `connect` of Slicer's PythonQt."""

    def connect(self, signal: str, receiver) -> None:
        assert signal == "timeout()"
        self.timeout.connect(receiver)


@pytest.fixture
def app(monkeypatch):
    """The application, which Slicer has as `slicer.app`, and small tasks in place of the networks'."""
    application = QtCore.QCoreApplication.instance() or QtCore.QCoreApplication([])
    qt = types.ModuleType("qt")
    qt.QTimer = PythonQtTimer
    monkeypatch.setitem(sys.modules, "qt", qt)
    monkeypatch.setattr(slicer, "app", application, raising=False)
    monkeypatch.setitem(TASKS, "segment", "mrml_tasks:segment")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), str(Path(LiverTumorLib.__file__).parents[1])]))
    return application


@pytest.fixture
def ct():
    return add_ct(new_scene())


def _spin(app, until) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not until() and time.monotonic() < deadline:
        app.processEvents()
        time.sleep(0.01)
    assert until()


def test_the_window_stays_alive_while_one_waits(app, ct):
    ticks = []
    clock = QtCore.QTimer()
    clock.timeout.connect(lambda: ticks.append(time.monotonic()))
    clock.start(20)
    nodes = LiverSegmentationMobileUNetLogic().process(ct)
    clock.stop()
    assert nodes.segmentationNode is not None
    assert len(ticks) > 5


def test_a_button_stops_a_run_that_is_waited_for(app, ct, monkeypatch):
    monkeypatch.setitem(TASKS, "segment", "mrml_tasks:endless")
    runs = []
    monkeypatch.setattr("LiverTumorLib.mrml.CaseRun", lambda *arguments: runs.append(CaseRun(*arguments)) or runs[-1])
    from LiverTumorLib.mrml.runs import CaseRun

    QtCore.QTimer.singleShot(500, lambda: runs[0].cancel())  # in the event loop that `wait` serves
    with pytest.raises(Cancelled):
        LiverSegmentationMobileUNetLogic().process(ct)
    assert ct.GetScene().GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_a_run_nobody_waits_for_is_finished_by_the_event_loop(app, ct):
    ended = []
    run = LiverSegmentationMobileUNetLogic().process(ct, wait=False, finishedCallback=ended.append)
    assert not ended and ct.GetScene().GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    _spin(app, lambda: ended)
    assert ended == [run] and run.result().segmentationNode is not None


def test_waiting_for_a_run_of_the_event_loop_ends_it_once(app, ct):
    ended = []
    run = LiverSegmentationMobileUNetLogic().process(ct, wait=False, finishedCallback=ended.append)
    nodes = run.wait(timeout=PATIENCE_S)
    for _ in range(20):
        app.processEvents()
        time.sleep(0.02)
    assert ended == [run] and run.result() is nodes
    assert ct.GetScene().GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
