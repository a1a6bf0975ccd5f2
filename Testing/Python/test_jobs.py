"""The job protocol with real children: results, progress, errors, crashes, stops, and that nothing is ever left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
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


def pids(path: Path, count: int = 1) -> list[int]:
    """The process numbers that a task has left in `path`, once there are `count`."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if path.exists() and len(lines := path.read_text().split("\n")) > count:
            return [int(line) for line in lines[:-1]]
        time.sleep(0.01)
    raise AssertionError("the task has not started")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan whose foster parent does not collect it stays as a zombie: it is over all the same.
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def gone_within(numbers: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(alive, numbers)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(alive, numbers))


def test_results_come_back_whole(temp):
    volume = ct(notes=["a slice was interpolated"])
    output = start("whole", volume, RunOptions(liver_model="other", threads=2)).wait(timeout=60)
    np.testing.assert_array_equal(output.labels, volume.array > 0)
    assert output.labels.dtype == np.uint8 and output.labels.flags.writeable
    assert output.probabilities["liver"].dtype == np.float16 and (output.probabilities["liver"] == 0.5).all()
    assert output.result.summary.liver_ml == pytest.approx((volume.array > 0).sum() * 0.7 * 0.7 * 2.5 / 1000)
    assert output.result.summary.notes == ["a slice was interpolated"]
    assert output.result.lesions[0].centroid_ras == (1.0, 2.0, 3.0)
    assert output.result.models == [{"id": "other"}]


def test_a_run_without_labels(temp):
    output = start("slices_only").wait(timeout=60)
    assert output.labels is None and output.probabilities == {} and output.result.slices[0].probability == 0.5


def test_a_view_with_negative_strides_travels_unchanged(temp):
    volume = CTVolume(ct().array.transpose(1, 2, 0)[::-1, :, ::-1], AFFINE, "turned")
    np.testing.assert_array_equal(start("whole", volume).wait(timeout=60).labels, volume.array > 0)


def test_progress_comes_in_order_and_never_falls(temp):
    seen = []
    job = start("whole", on_event=seen.append)
    job.wait(timeout=60)
    assert [event["message"] for event in seen[:-1]] == [f"step {step}" for step in range(5)]
    assert [event["stage"] for event in seen[:-1]] == ["liver"] * 3 + ["tumor"] * 2
    assert seen[-1]["event"] == "result" and job.events == seen
    assert (job.stage, job.fraction, job.remaining_s) == ("tumor", 1.0, 0.0)

    job = start("backwards")
    job.wait(timeout=60)
    assert [event["fraction"] for event in job.events if event["event"] == "progress"] == [0.1, 0.6, 0.6, 1.0, 1.0, 1.0]


def test_poll_does_not_wait_and_wait_serves(temp):
    job = start("whole")
    begin = time.monotonic()
    assert job.poll() is False  # a Python takes longer than that to start
    assert time.monotonic() - begin < 0.05
    with pytest.raises(WorkerError, match="not over"):
        job.output()
    served = []
    output = job.wait(timeout=60, serve=lambda: served.append(job.poll()))
    assert len(served) > 2 and job.poll() is True and job.output() is output


def test_wait_with_a_timeout_lets_the_run_go_on(temp, tmp_path):
    job = start("polite", ct([str(tmp_path / "pids")]))
    pids(tmp_path / "pids")
    with pytest.raises(TimeoutError):
        job.wait(timeout=0.1)
    before = job.fraction
    time.sleep(0.2)
    assert not job.poll() and job.fraction > before
    job.cancel()
    with pytest.raises(Cancelled):
        job.wait(timeout=10)


def test_library_chatter_does_not_reach_the_protocol(temp):
    job = start("chatty")
    assert job.wait(timeout=60).result.name == "case"
    assert [event["event"] for event in job.events] == ["progress"] * 5 + ["result"]


def test_names_in_any_script(temp):
    name = "Пациент №7 — 肝臓 “a/b”\n🙂"
    assert start("whole", ct(name=name)).wait(timeout=60).result.name == name
    with pytest.raises(InputError, match="Пациент №7 — 肝臓 .*\n.* is not a CT — “Prüfung”"):
        start("refuses", ct(name=name)).wait(timeout=60)


def test_an_unexpected_exception_gives_its_text_and_keeps_the_traceback_for_the_log(temp):
    with pytest.raises(WorkerError, match="ZeroDivisionError: the very text") as caught:
        start("fails").wait(timeout=60)
    assert "Traceback" not in str(caught.value)
    assert "Traceback" in caught.value.__notes__[0] and "job_tasks.py" in caught.value.__notes__[0]


def test_running_out_of_memory_is_said(temp):
    with pytest.raises(WorkerError, match="ran out of memory"):
        start("hungry").wait(timeout=60)


@posix
def test_a_crash_is_one_clear_sentence_with_the_last_words(temp):
    with pytest.raises(WorkerError, match=r"ended without a result \(signal SIGSEGV\); its last words: about to fall"):
        start("crashes").wait(timeout=60)


@posix
def test_killed_from_outside(temp, tmp_path):
    job = start("polite", ct([str(tmp_path / "pids")]))
    os.kill(pids(tmp_path / "pids")[0], signal.SIGKILL)
    with pytest.raises(WorkerError, match="killed from outside, most often because memory ran out"):
        job.wait(timeout=10)


def test_a_python_that_cannot_start(temp):
    with pytest.raises(WorkerError, match="/no/such/python cannot be started: No such file"):
        start("whole", python=["/no/such/python"])
    with pytest.raises(WorkerError, match="exit code 3"):
        start("whole", python=[sys.executable, "-c", "raise SystemExit(3)"]).wait(timeout=60)


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
        start("clogged").wait(timeout=60)


@pytest.mark.parametrize("task", ["polite", "busy", pytest.param("deaf", marks=posix), "family"])
def test_a_stop_leaves_no_process_and_no_file_after_two_seconds(temp, tmp_path, task):
    note = tmp_path / "pids"
    job = start(task, ct([str(note)]))
    numbers = pids(note, 2 if task == "family" else 1)
    assert len(list(temp.iterdir())) == 1
    begin = time.monotonic()
    job.cancel()
    job.cancel()
    assert time.monotonic() - begin < 0.1, "a stop must not hold up the window"
    with pytest.raises(Cancelled):
        job.wait(timeout=5)
    assert gone_within(numbers, 2 - (time.monotonic() - begin))
    assert list(temp.iterdir()) == []
    assert time.monotonic() - begin < 2


@posix
def test_a_stop_reaches_through_a_launcher(temp, tmp_path):
    note = tmp_path / "pids"
    launcher = [sys.executable, "-c", "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"]
    assert start("whole", python=launcher).wait(timeout=60).result.name == "case"
    job = start("deaf", ct([str(note)]), python=launcher)
    numbers = [*pids(note), job._process.pid]
    begin = time.monotonic()
    job.cancel()
    assert gone_within(numbers, 2) and time.monotonic() - begin < 2


@pytest.mark.parametrize("task", ["polite", "busy"])
def test_a_stop_before_the_child_is_up(temp, tmp_path, task):
    job = start(task)
    job.cancel()
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        job.wait(timeout=5)
    assert time.monotonic() - begin < 2


def test_a_failing_event_receiver_stops_the_run(temp):
    calls = []

    def receiver(event):
        calls.append(event)
        if len(calls) == 1:
            raise LookupError("window is gone")

    job = start("polite", on_event=receiver)
    with pytest.raises(LookupError):
        job.wait(timeout=10)
    assert job.poll()
    with pytest.raises(Cancelled):
        job.output()


PARENT = """
import sys, time, tempfile, numpy as np
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.jobs import start_job
from LiverTumorLib.pipelines.options import RunOptions
tempfile.tempdir = sys.argv[2]
volume = CTVolume(np.zeros((3, 4, 5), np.int16), np.eye(4), "x", (sys.argv[1],))
job = start_job("segment", volume, RunOptions(), entry="job_tasks:" + sys.argv[3])
if sys.argv[4] == "wait":
    job.wait()
time.sleep(float(sys.argv[4]))
"""


@posix
@pytest.mark.parametrize("task", ["polite", "busy"])
@pytest.mark.parametrize("end", ["killed", "returns", "interrupted"])
def test_no_child_outlives_its_parent(temp, tmp_path, task, end):
    note = tmp_path / "pids"
    mode = {"killed": "600", "returns": "1.5", "interrupted": "wait"}[end]
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(note), str(temp), task, mode], stderr=subprocess.PIPE, text=True)
    numbers = pids(note)
    if end == "killed":
        parent.kill()
    elif end == "interrupted":
        parent.send_signal(signal.SIGINT)
    errors = parent.communicate(timeout=10)[1]
    assert ("Cancelled: The run was stopped." in errors) == (end == "interrupted")
    assert gone_within(numbers, 2)
    assert list(temp.iterdir()) == []


def test_two_jobs_at_once(temp, tmp_path):
    slow = start("polite", ct([str(tmp_path / "pids")]))
    quick = [start("whole", ct(name=f"case {number}")) for number in range(2)]
    assert [job.wait(timeout=60).result.name for job in quick] == ["case 0", "case 1"]
    pids(tmp_path / "pids")
    assert not slow.poll()
    slow.cancel()
    with pytest.raises(Cancelled):
        slow.wait(timeout=5)


@posix
def test_a_large_array_is_mapped_not_read(temp):
    array = np.zeros((512, 512, 512), np.int16)
    array[0] = 7
    output = start("memory", CTVolume(array, np.eye(4), "large")).wait(timeout=120)
    assert output.result.summary.liver_ml == 7
    assert output.result.seconds["peak_mb"] < 200  # the array alone is 256 MB


def test_the_child_finds_the_library_and_no_foreign_thread_count(temp, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    (tmp_path / "numpy.py").write_text("raise SystemError('the current folder was imported from')")
    monkeypatch.chdir(tmp_path)
    notes = start("environment").wait(timeout=60).result.summary.notes
    assert not [note for note in notes if note.endswith("_NUM_THREADS")] and notes[0] != str(tmp_path)


@posix
def test_the_job_folder_is_private(temp, tmp_path):
    job = start("polite", ct([str(tmp_path / "pids")]))
    (folder,) = temp.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    job.cancel()
    with pytest.raises(Cancelled):
        job.wait(timeout=5)


def test_the_worker_by_hand_without_a_pipe_for_stdin(tmp_path, monkeypatch):
    """On a cluster stdin is /dev/null: that is no stop, and the folder stays as it belongs to whoever made it."""
    from LiverTumorLib.jobs import load_output, worker_command, worker_environment, write_job

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    command = worker_command(write_job(tmp_path, "segment", ct(), RunOptions(), entry="job_tasks:whole"))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=worker_environment(), timeout=60)
    state = JobState()
    state.feed(done.stdout)
    assert done.returncode == 0 and state.error is None
    assert load_output(state.result_folder).result.name == "case"

    newer = json.loads((tmp_path / "job.json").read_text()) | {"schema": 99}
    (tmp_path / "job.json").write_text(json.dumps(newer))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=worker_environment(), timeout=60)
    state.feed(done.stdout)
    assert done.returncode == UsageError.exit_code and isinstance(state.error, UsageError) and "schema 99" in str(state.error)


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
