"""What the tests of the job protocol share: small jobs in real children, and waiting for what they do."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import LiverTumorLib
import numpy as np
import pytest
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.jobs import start_job
from LiverTumorLib.records.options import RunOptions

AFFINE = np.array([[-0.7, 0, 0, 10], [0, -0.7, 0, 20], [0, 0, 2.5, -300], [0, 0, 0, 1]])


# How long a test waits for what has to come sooner or later. On a busy machine that may be late, so it is not a measure
# of anything.
PATIENCE_S = 180
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and process groups")


@pytest.fixture
def temp(tmp_path, monkeypatch) -> Iterator[Path]:
    """A temporary folder of the test's own; afterwards nothing of any job may be left in it."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("JOB_TEST_TEMP", str(folder))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), str(Path(LiverTumorLib.__file__).parents[1])])
    )
    yield folder
    assert list(folder.iterdir()) == []


def ct(notes=(), name="case", shape=(3, 8, 9)) -> CTVolume:
    array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape) - 20
    return CTVolume(array, AFFINE, name, tuple(notes))


def start(entry: str, volume: CTVolume | None = None, options: RunOptions | None = None, **more):
    return start_job("segment", volume or ct(), options or RunOptions(), entry=f"job_tasks:{entry}", **more)


def comes(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not (come := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(come)


def keeps_its_promise(seconds: float, attempt: Callable[[], float]) -> None:
    """One of five attempts (each returns the seconds it took) has to be quick enough; any single one may meet a busy
    machine."""
    took = []
    while len(took) < 5:
        took.append(attempt())
        if took[-1] < seconds:
            return
    raise AssertionError(f"promised within {seconds} s, took {took}")


def pids(path: Path, count: int = 1) -> list[int]:
    """The process numbers that a task has left in `path`, once there are `count`."""
    assert comes(lambda: path.exists() and path.read_text().count("\n") >= count), "the task has not started"
    return [int(line) for line in path.read_text().split("\n")[:-1]]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan whose foster parent does not collect it stays as a zombie: it is over all the same.
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def gone(numbers: list[int]) -> bool:
    return comes(lambda: not any(map(alive, numbers)))
