"""Workers that stay for the next job, and several cases at once, with real children."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from cli_tools import posix, write_ct
from cli_tools import work as work
from job_tools import PATIENCE_S
from LiverTumorLib.batch.schedule import at_once
from LiverTumorLib.errors import Cancelled, InputError
from LiverTumorLib.jobs import Source, WarmJob, WarmWorkers, Writer
from LiverTumorLib.jobs.protocol import TASKS
from LiverTumorLib.jobs.source import READ_CT
from LiverTumorLib.records.options import RunOptions


@pytest.fixture
def workers(work, monkeypatch):
    monkeypatch.setitem(TASKS, "segment", "job_tasks:segment")
    warm = WarmWorkers()
    yield warm
    warm.close()


def started(workers: WarmWorkers, path: str, reader: str = READ_CT) -> WarmJob:
    file = Path(path).absolute()
    arguments = (str(file), None) if reader == READ_CT else (str(file),)
    source = Source(arguments, reader, file.stem)
    writer = Writer("job_tasks:note_process", {"folder": str(file.parent)})
    return workers.start("segment", source, RunOptions(), lambda event: None, writer)


def process_of(workers: WarmWorkers, path: str) -> str:
    """Do a case; returns the number of the process that did it."""
    job = started(workers, path)
    while not job.poll():
        job.ends_within(0.02)
    output = job.output()
    assert output.labels is None and output.volume is None, "only the figures come back"
    assert output.result.summary.liver_ml > 0
    return Path(Path(path).stem).read_text()


@posix
def test_one_worker_does_one_case_after_another_until_a_reader_crashes(workers):
    for name in "abc":
        write_ct(f"{name}.nii")
    Path("bad.nii").write_text("no scan")
    first = process_of(workers, "a.nii")
    with pytest.raises(InputError, match=r"bad\.nii"):
        process_of(workers, "bad.nii")
    assert process_of(workers, "b.nii") == first, "what is wrong with a file ends no worker"
    job = started(workers, "a.nii", "job_tasks:crashing_reader")
    while not job.poll():
        job.ends_within(0.02)
    with pytest.raises(InputError, match=r"a\.nii cannot be read"):
        job.output()
    assert process_of(workers, "c.nii") != first


@posix
def test_cases_at_once_are_done_by_as_many_workers_and_stopped_together(workers):
    names = "abcd"
    for name in names:
        write_ct(f"{name}.nii")

    def case(name: str) -> Generator[WarmJob, None, str]:
        job = started(workers, f"{name}.nii")
        yield job
        job.output()
        if name == "d":
            raise ValueError(name)
        return Path(name).read_text()

    done = dict(at_once(2, ((name, case(name)) for name in names)))
    assert set(done) == set(names) and isinstance(done.pop("d"), ValueError)
    assert 1 <= len(set(done.values())) <= 2

    def stopped(name: str) -> Generator[WarmJob, None, str]:
        job = started(workers, f"{name}.nii")
        jobs.append(job)
        yield job
        raise Cancelled("The run was stopped.")

    jobs: list[WarmJob] = []
    with pytest.raises(Cancelled):
        list(at_once(2, ((name, stopped(name)) for name in names)))
    assert len(jobs) == 2 and all(job.ends_within(PATIENCE_S) for job in jobs)
