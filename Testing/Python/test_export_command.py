"""`livertumor export` stopped while TensorFlow converts: no process and no file stays. That it goes through,
test_workflow_real.py shows."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import astuple
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.data.training_data import TrainingData
from CompressionTrainerLib.environment.child import PROGRAM, CommandJob
from CompressionTrainerLib.environment.process import child_environment
from job_tools import keeps_its_promise
from LiverTumorLib.errors import LiverTumorError
from LiverTumorLib.jobs.folder import new_job_folder
from tiny_training import TINY, untrained_run, write_data


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    """The command line after `livertumor`, for an untrained Mobile U-Net, without --out."""
    folder = tmp_path_factory.mktemp("export")
    write_data(folder)
    data = TrainingData(folder, folder / "split.json", folder / "cache")
    run = untrained_run(folder / "run", data, TINY.format(task="liver", region="body"))
    given = zip(("--data", "--split", "--cache"), map(str, astuple(data)), strict=True)
    return ["export", str(run), *(word for pair in given for word in pair), "--events"]


def inside_the_converter(pid: int) -> bool:
    """Whether a process hears SIGTERM no more by a handler of its own (see `stopping.stops_at_once`); signals count
    from 1."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
    return not caught >> (signal.SIGTERM - 1) & 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells which signals a process handles")
@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(
    "stop",
    [lambda job: job._process.terminate(), CommandJob.cancel],
    ids=["terminate", "as-workflow-and-panel-stop-it"],
)
def test_a_stop_inside_a_conversion_ends_the_command_and_leaves_no_file(words, tmp_path, monkeypatch, stop):
    out, scratch = tmp_path / "model", tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))  # of the child; this process has chosen its own already

    def attempt() -> float:
        job = CommandJob(
            [*PROGRAM, *words, "--out", str(out)], new_job_folder(), None, child_environment(), tmp_path / "log.txt"
        )
        while job.stage != "convert" or not inside_the_converter(job._process.pid):
            assert not job.poll(), (tmp_path / "log.txt").read_text()
            time.sleep(0.01)
        begin = time.monotonic()
        stop(job)
        assert job.ends_within(900)
        took = time.monotonic() - begin
        with pytest.raises(LiverTumorError):
            job.output()
        with pytest.raises(ProcessLookupError):
            os.killpg(job._process.pid, 0)
        assert [path for folder in (out, Path(words[1]) / "float") for path in folder.rglob("*")] == []
        left = [path.name for path in scratch.rglob("*") if path.is_file()]
        assert all("autograph" in name for name in left), "TensorFlow's own, some kilobytes of code, may stay"
        return took

    keeps_its_promise(2, attempt)
