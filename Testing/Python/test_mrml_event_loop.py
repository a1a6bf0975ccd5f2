"""Runs in a program with a real Qt event loop, as in Slicer: it stays alive while one waits, and it finishes runs
nobody waits for."""

import time

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import slicer
from LiverTumorLib.errors import Cancelled
from LiverTumorLib.jobs.protocol import TASKS
from mrml_scene import add_ct
from panel_tools import PATIENCE_S, spin, use_task
from PySide6 import QtCore

from LiverSegmentationMobileUNet import LiverSegmentationMobileUNetLogic


@pytest.fixture
def ct(app, monkeypatch):
    """A small CT, and small tasks in place of the networks'."""
    use_task(monkeypatch, "segment", "mrml_tasks:segment")
    return add_ct(slicer.mrmlScene)


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
    monkeypatch.setattr(
        "LiverTumorLib.mrml.start.CaseRun",
        lambda *arguments, **options: runs.append(CaseRun(*arguments, **options)) or runs[-1],
    )
    from LiverTumorLib.mrml.runs import CaseRun

    QtCore.QTimer.singleShot(500, lambda: runs[0].cancel())  # in the event loop that `wait` serves
    with pytest.raises(Cancelled):
        LiverSegmentationMobileUNetLogic().process(ct)
    assert ct.GetScene().GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_a_run_nobody_waits_for_is_finished_by_the_event_loop(app, ct):
    ended = []
    run = LiverSegmentationMobileUNetLogic().process(ct, wait=False, finishedCallback=ended.append)
    assert not ended and ct.GetScene().GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    spin(lambda: ended)
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
