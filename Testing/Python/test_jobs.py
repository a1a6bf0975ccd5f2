"""The job protocol with real children: results, progress, errors, crashes, and that nothing is ever left behind."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from job_tools import AFFINE, PATIENCE_S, comes, ct, keeps_its_promise, pids, posix, start
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.errors import Cancelled, InputError, OutputError, UsageError, WorkerError
from LiverTumorLib.jobs import JobState, start_job
from LiverTumorLib.jobs.remaining import RemainingTime
from LiverTumorLib.records.options import RunOptions


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
    served = []
    output = job.wait(timeout=PATIENCE_S, serve=lambda: served.append(job.poll()))
    assert len(served) > 2 and job.poll() is True and job.output() is output


def test_poll_does_not_wait(temp, tmp_path):
    job = start("busy", ct([str(tmp_path / "pids")]))
    pids(tmp_path / "pids")

    def poll() -> float:
        begin = time.monotonic()
        assert job.poll() is False
        return time.monotonic() - begin

    keeps_its_promise(0.05, poll)
    job.cancel()
    with pytest.raises(Cancelled):
        job.wait(timeout=PATIENCE_S)


def test_wait_with_a_timeout_lets_the_run_go_on(temp, tmp_path):
    job = start("polite", ct([str(tmp_path / "pids")]))
    pids(tmp_path / "pids")
    with pytest.raises(TimeoutError):
        job.wait(timeout=0.1)
    with pytest.raises(WorkerError, match="not over"):
        job.output()
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
    with pytest.raises(OutputError, match="cannot be written to the temporary folder .*: No space left on device"):
        start("whole")


def test_results_that_cannot_be_written_are_an_output_error(temp):
    with pytest.raises(OutputError, match="results cannot be written"):
        start("clogged").wait(timeout=PATIENCE_S)


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


def test_bytes_may_come_in_any_portions():
    lines = (
        b'launcher says hi\n{"event": "progress", "stage": "s", "fraction": 0.5, "message": "m", "remaining_s": null}\n'
    )
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
