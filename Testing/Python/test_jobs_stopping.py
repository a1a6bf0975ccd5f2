"""Stops of jobs with real children: by the user, by the end of the parent, by nobody listening; nothing is ever left
behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_tools import PATIENCE_S, ct, gone, keeps_its_promise, pids, posix, start
from LiverTumorLib.errors import Cancelled, UsageError
from LiverTumorLib.jobs import JobState
from LiverTumorLib.records.options import RunOptions


def seconds_to_stop(task: str, temp: Path, tmp_path: Path, python: list[str] | None = None) -> float:
    """Start a task and stop it; returns the seconds from the stop until neither a process nor a file is left."""
    note = tmp_path / f"pids {time.monotonic_ns()}"
    job = start(task, ct([str(note)]), python=python)
    numbers = [*pids(note, 2 if task == "family" else 1), job._process.pid]
    assert len(list(temp.iterdir())) == 1
    begin = time.monotonic()
    job.cancel()
    assert gone(numbers)
    with pytest.raises(Cancelled):
        job.wait(timeout=PATIENCE_S)
    assert list(temp.iterdir()) == []
    return time.monotonic() - begin


@pytest.mark.parametrize("task", ["polite", "busy", pytest.param("deaf", marks=posix), "family"])
def test_a_stop_leaves_no_process_and_no_file_after_two_seconds(temp, tmp_path, task):
    keeps_its_promise(2, lambda: seconds_to_stop(task, temp, tmp_path))


@posix
def test_a_stop_reaches_through_a_launcher(temp, tmp_path):
    launcher = [
        sys.executable,
        "-c",
        "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))",
    ]
    assert start("whole", python=launcher).wait(timeout=PATIENCE_S).result.name == "case"
    keeps_its_promise(2, lambda: seconds_to_stop("deaf", temp, tmp_path, launcher))


@pytest.mark.parametrize("task", ["polite", "busy"])
def test_a_stop_before_the_child_is_up(temp, task):
    def attempt() -> float:
        job = start(task)
        job.cancel()
        begin = time.monotonic()
        with pytest.raises(Cancelled):
            job.wait(timeout=PATIENCE_S)
        return time.monotonic() - begin

    keeps_its_promise(2, attempt)


def test_a_stop_does_not_hold_up_the_window(temp, tmp_path):
    def attempt() -> float:
        note = tmp_path / f"pids {time.monotonic_ns()}"
        job = start("busy", ct([str(note)]))
        pids(note)
        begin = time.monotonic()
        job.cancel()
        job.cancel()
        took = time.monotonic() - begin
        with pytest.raises(Cancelled):
            job.wait(timeout=PATIENCE_S)
        return took

    keeps_its_promise(0.1, attempt)


def test_a_failing_event_receiver_stops_the_run(temp):
    calls = []

    def receiver(event):
        calls.append(event)
        if len(calls) == 1:
            raise LookupError("window is gone")

    job = start("polite", on_event=receiver)
    with pytest.raises(LookupError):
        job.wait(timeout=PATIENCE_S)
    assert job.poll()
    with pytest.raises(Cancelled):
        job.output()


PARENT = """
import os, sys, time, tempfile, numpy as np
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.jobs import start_job
from LiverTumorLib.records.options import RunOptions
note, tempfile.tempdir, task, end = sys.argv[1:]
volume = CTVolume(np.zeros((3, 4, 5), np.int16), np.eye(4), "x", (note,))
job = start_job("segment", volume, RunOptions(), entry="job_tasks:" + task)
if end == "interrupted":
    job.wait()
while end == "killed" or not (os.path.exists(note) and os.path.getsize(note)):
    time.sleep(0.05)
"""


@posix
@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("task", ["polite", "busy"])
@pytest.mark.parametrize("end", ["killed", "returns", "interrupted"])
def test_no_child_outlives_its_parent(temp, tmp_path, task, end):
    def attempt() -> float:
        note = tmp_path / f"pids {time.monotonic_ns()}"
        arguments = [sys.executable, "-c", PARENT, str(note), str(temp), task, end]
        parent = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
        numbers = pids(note)
        if end == "killed":
            parent.kill()
        elif end == "interrupted":
            parent.send_signal(signal.SIGINT)
        errors = parent.communicate(timeout=PATIENCE_S)[1]
        begin = time.monotonic()
        assert ("Cancelled: The run was stopped." in errors) == (end == "interrupted")
        assert end == "interrupted" or not errors
        assert gone(numbers)
        assert list(temp.iterdir()) == []
        return time.monotonic() - begin

    keeps_its_promise(2, attempt)


def test_the_worker_by_hand_without_a_pipe_for_stdin(tmp_path, monkeypatch):
    """On a cluster stdin is /dev/null: that is not a stop, and the folder stays as it belongs to whoever made it."""
    from LiverTumorLib.jobs import load_output, worker_command, worker_environment, write_job

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    command = worker_command(write_job(tmp_path, "segment", ct(), RunOptions(), entry="job_tasks:whole"))
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=worker_environment(), timeout=PATIENCE_S
    )
    state = JobState()
    state.feed(done.stdout)
    assert done.returncode == 0 and state.error is None
    assert load_output(state.result_folder).result.name == "case"

    newer = json.loads((tmp_path / "job.json").read_text()) | {"schema": 99}
    (tmp_path / "job.json").write_text(json.dumps(newer))
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=worker_environment(), timeout=PATIENCE_S
    )
    state.feed(done.stdout)
    assert (
        done.returncode == UsageError.exit_code
        and isinstance(state.error, UsageError)
        and "schema 99" in str(state.error)
    )


@posix
@pytest.mark.parametrize("task", ["polite", "whole"])
def test_a_worker_that_nobody_listens_to_ends_and_removes_its_folder(tmp_path, monkeypatch, task):
    from LiverTumorLib.jobs import worker_command, worker_environment, write_job

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    folder = tmp_path / "job"
    folder.mkdir()
    command = worker_command(write_job(folder, "segment", ct(), RunOptions(), entry=f"job_tasks:{task}"))
    worker = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=worker_environment()
    )
    worker.stdout.close()  # stdin stays open
    assert worker.wait(timeout=PATIENCE_S) == Cancelled.exit_code
    worker.stdin.close()
    assert not folder.exists()
