"""What the tests of the panels share: small tasks in place of the networks', a phantom, and waiting with the window
alive."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

import LiverTumorLib
import numpy as np
import slicer
from LiverTumorLib.jobs.process import ChildJob
from LiverTumorLib.jobs.protocol import TASKS
from LiverTumorLib.mrml import ct_to_node
from LiverTumorLib.phantom import make_phantom

PATIENCE_S = 120


@cache
def phantom():
    """A coarse phantom and its truth."""
    return make_phantom(seed=1, shape=(36, 160, 160), spacing_mm=(2.4, 2.4, 7.0))


def add_phantom():
    """The phantom as a volume node."""
    return ct_to_node(phantom()[0], slicer.mrmlScene)


def use_task(monkeypatch, task: str, entry: str) -> None:
    """Run a function of the tests' task files in the child instead of the networks."""
    monkeypatch.setitem(TASKS, task, entry)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), str(Path(LiverTumorLib.__file__).parents[1])])
    )


def spin(until, patience_s: float = PATIENCE_S) -> list[float]:
    """Serve the event loop until something holds; returns the seconds that this thread has computed in each turn of
    it, which do not depend on what else the machine does."""
    start = time.monotonic()
    turns = []
    while not until():
        assert time.monotonic() - start < patience_s, "it did not happen"
        begin = time.thread_time()
        slicer.app.processEvents()
        turns.append(time.thread_time() - begin)
        time.sleep(0.005)
    return turns


def apply(panel) -> list[float]:
    """Click Apply and wait for the end of the run; returns what `spin` does."""
    panel.ui.applyButton.click()
    assert panel.run.running, panel.ui.statusLabel.text
    return spin(lambda: not panel.run.running)


def assert_alive(turns: list[float]) -> None:
    """The window answered while something ran beside it: it was served often, and had little to do each time."""
    assert len(turns) > 20 and np.percentile(turns, 95) < 0.1


def idle(panel) -> None:
    """Wait until the panel has done what it was asked for."""
    spin(lambda: not panel.run.running)


def started_job(run):
    """The child process of a run, once the CT has been handed over to it."""
    end = time.monotonic() + PATIENCE_S
    while not isinstance(run.job, ChildJob):
        assert time.monotonic() < end and not run.poll(), "no child was started"
    return run.job


def worker_of(panel) -> int:
    """Process id of the panel's run."""
    return started_job(panel.run._run)._process.pid
