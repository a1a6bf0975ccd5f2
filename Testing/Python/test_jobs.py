"""The job protocol with real children: results, progress, errors, crashes, stops, and that nothing is ever left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import LiverTumorLib
import numpy as np
import pytest
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.errors import Cancelled, InputError, OutputError, UsageError, WorkerError
from LiverTumorLib.jobs import JobState, start_job
from LiverTumorLib.jobs.remaining import RemainingTime
from LiverTumorLib.pipelines.options import RunOptions

AFFINE = np.array([[-0.7, 0, 0, 10], [0, -0.7, 0, 20], [0, 0, 2.5, -300], [0, 0, 0, 1]])
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and process groups")


@pytest.fixture
def temp(tmp_path, monkeypatch) -> Path:
    """A temporary folder of the test's own; afterwards nothing of any job may be left in it."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("JOB_TEST_TEMP", str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), str(Path(LiverTumorLib.__file__).parents[1])]))
    yield folder
    assert list(folder.iterdir()) == []


def ct(notes=(), name="case", shape=(3, 8, 9)) -> CTVolume:
    array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape) - 20
    return CTVolume(array, AFFINE, name, tuple(notes))


def start(entry: str, volume: CTVolume | None = None, options: RunOptions | None = None, **more):
    return start_job("segment", volume or ct(), options or RunOptions(), entry=f"job_tasks:{entry}", **more)


# How long a test waits for what has to come sooner or later. On a busy machine that may be late, so it is no measure of anything.
PATIENCE_S = 60


def comes(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not (come := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(come)


def keeps_its_promise(seconds: float, attempts: Iterator[float]) -> None:
    """One of three attempts (each gives the seconds it took) has to be quick enough; any single one may meet a busy machine."""
    took = []
    for _ in range(3):
        took.append(next(attempts))
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


def test_results_come_back_whole(temp):
    volume = ct(notes=["a slice was interpolated"])
    output = start("whole", volume, RunOptions(liver_model="other", threads=2)).wait(timeout=PATIENCE_S)
    np.testing.assert_array_equal(output.labels, volume.array > 0)
    assert output.labels.dtype == np.uint8 and output.labels.flags.writeable
    assert output.probabilities["liver"].dtype == np.float16 and (output.probabilities["liver"] == 0.5).all()
    assert output.result.summary.liver_ml == pytest.approx((volume.array > 0).sum() * 0.7 * 0.7 * 2.5 / 1000)
    assert output.result.summary.notes == ["a slice was interpolated"]
    assert output.result.lesions[0].centroid_ras == (1.0, 2.0, 3.0)
    assert output.result.models == [{"id": "other"}]


def test_a_run_without_labels(temp):
    output = start("slices_only").wait(timeout=PATIENCE_S)
    assert output.labels is None and output.probabilities == {} and output.result.slices[0].probability == 0.5


def test_a_view_with_negative_strides_travels_unchanged(temp):
    volume = CTVolume(ct().array.transpose(1, 2, 0)[::-1, :, ::-1], AFFINE, "turned")
    np.testing.assert_array_equal(start("whole", volume).wait(timeout=PATIENCE_S).labels, volume.array > 0)


def test_progress_comes_in_order_and_never_falls(temp):
    seen = []
    job = start("whole", on_event=seen.append)
    job.wait(timeout=PATIENCE_S)
    assert [event["message"] for event in seen[:-1]] == [f"step {step}" for step in range(5)]
    assert [event["stage"] for event in seen[:-1]] == ["liver"] * 3 + ["tumor"] * 2
    assert seen[-1]["event"] == "result" and job.events == seen
    assert (job.stage, job.fraction, job.remaining_s) == ("tumor", 1.0, 0.0)

    job = start("backwards")
    job.wait(timeout=PATIENCE_S)
    assert [event["fraction"] for event in job.events if event["event"] == "progress"] == [0.1, 0.6, 0.6, 1.0, 1.0, 1.0]


def test_wait_serves(temp):
    job = start("whole")
    with pytest.raises(WorkerError, match="not over"):  # a Python takes longer than that to start
        job.output()
    served = []
    output = job.wait(timeout=PATIENCE_S, serve=lambda: served.append(job.poll()))
    assert len(served) > 2 and job.poll() is True and job.output() is output


def test_poll_does_not_wait(temp, tmp_path):
    job = start("busy", ct([str(tmp_path / "pids")]))
    pids(tmp_path / "pids")

    def polls() -> Iterator[float]:
        while True:
            begin = time.monotonic()
            assert job.poll() is False
            yield time.monotonic() - begin

    keeps_its_promise(0.05, polls())
    job.cancel()
    with pytest.raises(Cancelled):
        job.wait(timeout=PATIENCE_S)


def test_wait_with_a_timeout_lets_the_run_go_on(temp, tmp_path):
    job = start("polite", ct([str(tmp_path / "pids")]))
    pids(tmp_path / "pids")
    with pytest.raises(TimeoutError):
        job.wait(timeout=0.1)
    before = job.fraction
    assert comes(lambda: not job.poll() and job.fraction > before)
    job.cancel()
    with pytest.raises(Cancelled):
        job.wait(timeout=PATIENCE_S)


def test_library_chatter_does_not_reach_the_protocol(temp):
    job = start("chatty")
    assert job.wait(timeout=PATIENCE_S).result.name == "case"
    assert [event["event"] for event in job.events] == ["progress"] * 5 + ["result"]


def test_names_in_any_script(temp):
    name = "Пациент №7 — 肝臓 “a/b”\n🙂"
    assert start("whole", ct(name=name)).wait(timeout=PATIENCE_S).result.name == name
    with pytest.raises(InputError, match="Пациент №7 — 肝臓 .*\n.* is not a CT — “Prüfung”"):
        start("refuses", ct(name=name)).wait(timeout=PATIENCE_S)


def test_an_unexpected_exception_gives_its_text_and_keeps_the_traceback_for_the_log(temp):
    with pytest.raises(WorkerError, match="ZeroDivisionError: the very text") as caught:
        start("fails").wait(timeout=PATIENCE_S)
    assert "Traceback" not in str(caught.value)
    assert "Traceback" in caught.value.__notes__[0] and "job_tasks.py" in caught.value.__notes__[0]


def test_running_out_of_memory_is_said(temp):
    with pytest.raises(WorkerError, match="ran out of memory"):
        start("hungry").wait(timeout=PATIENCE_S)


@posix
def test_a_crash_is_one_clear_sentence_with_the_last_words(temp):
    with pytest.raises(WorkerError, match=r"ended without a result \(signal SIGSEGV\); its last words: about to fall"):
        start("crashes").wait(timeout=PATIENCE_S)


@posix
def test_killed_from_outside(temp, tmp_path):
    job = start("polite", ct([str(tmp_path / "pids")]))
    os.kill(pids(tmp_path / "pids")[0], signal.SIGKILL)
    with pytest.raises(WorkerError, match="killed from outside, most often because memory ran out"):
        job.wait(timeout=PATIENCE_S)


def test_a_python_that_cannot_start(temp):
    with pytest.raises(WorkerError, match="/no/such/python cannot be started: No such file"):
        start("whole", python=["/no/such/python"])
    with pytest.raises(WorkerError, match="exit code 3"):
        start("whole", python=[sys.executable, "-c", "raise SystemExit(3)"]).wait(timeout=PATIENCE_S)


def test_an_unknown_task_is_refused(temp):
    with pytest.raises(UsageError, match="Unknown task 'paint'; known are segment, classify"):
        start_job("paint", ct(), RunOptions())


def test_a_temporary_folder_that_cannot_be_used(temp, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(temp / "missing"))
    with pytest.raises(OutputError, match="No temporary folder"):
        start("whole")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_and_leaves_nothing(temp, monkeypatch):
    monkeypatch.setattr(np, "save", lambda path, array, **more: Path("/dev/full").write_bytes(bytes(array)))
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        start("whole")


def test_results_that_cannot_be_written_are_an_output_error(temp):
    with pytest.raises(OutputError, match="results cannot be written"):
        start("clogged").wait(timeout=PATIENCE_S)


def stops(task: str, temp: Path, tmp_path: Path, python: list[str] | None = None) -> Iterator[float]:
    """Start a task and stop it, again and again; gives the seconds from the stop until neither a process nor a file is left."""
    while True:
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
        yield time.monotonic() - begin


@pytest.mark.parametrize("task", ["polite", "busy", pytest.param("deaf", marks=posix), "family"])
def test_a_stop_leaves_no_process_and_no_file_after_two_seconds(temp, tmp_path, task):
    keeps_its_promise(2, stops(task, temp, tmp_path))


@posix
def test_a_stop_reaches_through_a_launcher(temp, tmp_path):
    launcher = [sys.executable, "-c", "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"]
    assert start("whole", python=launcher).wait(timeout=PATIENCE_S).result.name == "case"
    keeps_its_promise(2, stops("deaf", temp, tmp_path, launcher))


@pytest.mark.parametrize("task", ["polite", "busy"])
def test_a_stop_before_the_child_is_up(temp, task):
    def attempts() -> Iterator[float]:
        while True:
            job = start(task)
            job.cancel()
            begin = time.monotonic()
            with pytest.raises(Cancelled):
                job.wait(timeout=PATIENCE_S)
            yield time.monotonic() - begin

    keeps_its_promise(2, attempts())


def test_a_stop_does_not_hold_up_the_window(temp, tmp_path):
    def attempts() -> Iterator[float]:
        while True:
            note = tmp_path / f"pids {time.monotonic_ns()}"
            job = start("busy", ct([str(note)]))
            pids(note)
            begin = time.monotonic()
            job.cancel()
            job.cancel()
            took = time.monotonic() - begin
            with pytest.raises(Cancelled):
                job.wait(timeout=PATIENCE_S)
            yield took

    keeps_its_promise(0.1, attempts())


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
from LiverTumorLib.pipelines.options import RunOptions
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
    def attempts() -> Iterator[float]:
        while True:
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
            assert gone(numbers)
            assert list(temp.iterdir()) == []
            yield time.monotonic() - begin

    keeps_its_promise(2, attempts())


def test_two_jobs_at_once(temp, tmp_path):
    slow = start("polite", ct([str(tmp_path / "pids")]))
    quick = [start("whole", ct(name=f"case {number}")) for number in range(2)]
    assert [job.wait(timeout=PATIENCE_S).result.name for job in quick] == ["case 0", "case 1"]
    pids(tmp_path / "pids")
    assert not slow.poll()
    slow.cancel()
    with pytest.raises(Cancelled):
        slow.wait(timeout=PATIENCE_S)


@posix
def test_a_large_array_is_mapped_not_read(temp):
    array = np.zeros((512, 512, 512), np.int16)
    array[0] = 7
    output = start("memory", CTVolume(array, np.eye(4), "large")).wait(timeout=PATIENCE_S)
    assert output.result.summary.liver_ml == 7
    assert output.result.seconds["peak_mb"] < 200  # the array alone is 256 MB


def test_the_child_finds_the_library_and_no_foreign_thread_count(temp, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    (tmp_path / "numpy.py").write_text("raise SystemError('the current folder was imported from')")
    monkeypatch.chdir(tmp_path)
    notes = start("environment").wait(timeout=PATIENCE_S).result.summary.notes
    assert not [note for note in notes if note.endswith("_NUM_THREADS")] and notes[0] != str(tmp_path)


@posix
def test_the_job_folder_is_private(temp, tmp_path):
    job = start("polite", ct([str(tmp_path / "pids")]))
    (folder,) = temp.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    job.cancel()
    with pytest.raises(Cancelled):
        job.wait(timeout=PATIENCE_S)


def test_the_worker_by_hand_without_a_pipe_for_stdin(tmp_path, monkeypatch):
    """On a cluster stdin is /dev/null: that is no stop, and the folder stays as it belongs to whoever made it."""
    from LiverTumorLib.jobs import load_output, worker_command, worker_environment, write_job

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    command = worker_command(write_job(tmp_path, "segment", ct(), RunOptions(), entry="job_tasks:whole"))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=worker_environment(), timeout=PATIENCE_S)
    state = JobState()
    state.feed(done.stdout)
    assert done.returncode == 0 and state.error is None
    assert load_output(state.result_folder).result.name == "case"

    newer = json.loads((tmp_path / "job.json").read_text()) | {"schema": 99}
    (tmp_path / "job.json").write_text(json.dumps(newer))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=worker_environment(), timeout=PATIENCE_S)
    state.feed(done.stdout)
    assert done.returncode == UsageError.exit_code and isinstance(state.error, UsageError) and "schema 99" in str(state.error)


@posix
@pytest.mark.parametrize("task", ["polite", "whole"])
def test_a_worker_that_nobody_listens_to_ends_and_removes_its_folder(tmp_path, monkeypatch, task):
    from LiverTumorLib.jobs import worker_command, worker_environment, write_job

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    folder = tmp_path / "job"
    folder.mkdir()
    command = worker_command(write_job(folder, "segment", ct(), RunOptions(), entry=f"job_tasks:{task}"))
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=worker_environment())
    worker.stdout.close()  # stdin stays open
    assert worker.wait(timeout=PATIENCE_S) == Cancelled.exit_code
    worker.stdin.close()
    assert not folder.exists()


def test_bytes_may_come_in_any_portions():
    lines = b'launcher says hi\n{"event": "progress", "stage": "s", "fraction": 0.5, "message": "m", "remaining_s": null}\n'
    lines += b'{"event": "later"}\n{"event": "error", "kind": "os", "message": "no class of ours"}\n'
    for size in (1, 7, 1000):
        state = JobState()
        events = [event for at in range(0, len(lines), size) for event in state.feed(lines[at : at + size])]
        assert [event["event"] for event in events] == ["progress", "error"]
        assert state.fraction == 0.5 and type(state.error) is WorkerError and str(state.error) == "no class of ours"


def test_remaining_time_is_calm():
    clock = RemainingTime(100.0)
    assert clock.update(100.1, 0.5) is None, "nothing to go by yet"
    steady = [clock.update(100 + second, second / 20) for second in range(1, 20)]
    assert steady == sorted(steady, reverse=True) and steady[0] == 19 and steady[10] == pytest.approx(9, abs=3)
    assert clock.update(200.0, 0.96) <= steady[-1], "a slow patch does not make it jump up"
    assert clock.update(201.0, 1.0) == 0
