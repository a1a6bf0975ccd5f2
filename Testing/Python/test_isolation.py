"""Files on which a reader crashes, swells or never ends: one failed case, one sentence with the file's name, and the
rest continues."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_tools import LIBRARIES, rows, run, write_ct
from job_tools import PATIENCE_S, posix
from labeled_data import make_ct, make_labels, save
from LiverTumorLib import errors
from LiverTumorLib.jobs import Source, read_apart, start_job
from LiverTumorLib.jobs.events import crash_error
from LiverTumorLib.records.options import RunOptions

# As a native reader would: no file is known on which one still crashes, and another version may know some.
CRASH = """import ctypes
from LiverTumorLib.files import reading
whole = reading.read_stored
reading.read_stored = lambda path, *more: ctypes.string_at(0) if path.name == "poison.nii" else whole(path, *more)
"""


@pytest.fixture
def poison(tmp_path, monkeypatch):
    """In every child a reader crashes on files named poison.nii."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(CRASH)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), *LIBRARIES, os.environ.get("PYTHONPATH", "")])
    )


def test_a_volume_is_read_in_a_child(temp, tmp_path):
    labels = write_ct(tmp_path / "ct.nii.gz")
    volume = read_apart(tmp_path / "ct.nii.gz")
    assert volume.name == "ct" and volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array > 0, labels > 0)
    with pytest.raises(errors.InputError, match="missing.nii does not exist"):
        read_apart(tmp_path / "missing.nii")


@posix
def test_a_crash_while_reading_names_the_file(temp, tmp_path):
    job = start_job("read", Source((str(tmp_path / "ct.mha"),), "job_tasks:crashing_reader"), RunOptions())
    with pytest.raises(
        errors.InputError,
        match=r"ct\.mha cannot be read \(.*signal SIGSEGV\); it is damaged, so copy or export it again",
    ):
        job.wait(timeout=PATIENCE_S)


def test_a_poisoned_file_costs_its_own_case_only_and_is_not_tried_for_ever(work, poison):
    write_ct("in/a.nii")
    write_ct("in/poison.nii")
    write_ct("in/c.nii")
    again = "It was not tried again; remove "
    for start, change in enumerate(
        (None, None, lambda: os.utime("in/poison.nii", (0, 0)), lambda: os.remove("out/unreadable.json"))
    ):
        if change:
            change()
        done = run("segment", "in", "--out", "out", check=errors.SomeCasesFailed.exit_code)
        table = {row["case"]: row for row in rows("out/cases.csv")}
        assert {name: row["status"] for name, row in table.items()} == {"a": "done", "poison": "failed", "c": "done"}
        assert "poison.nii" in table["poison"]["reason"] and "Details are in" not in table["poison"]["reason"]
        assert (again in table["poison"]["reason"]) == (start == 1)
    assert "c: already done" in done.stdout and sorted(os.listdir("out")) == ["a", "c", "cases.csv", "unreadable.json"]
    reason = "Reading fell."
    listed = json.loads(Path("out/unreadable.json").read_text())
    Path("out/unreadable.json").write_text(json.dumps({"inputs": [{**listed["inputs"][0], "reason": reason}]}))
    done = run("classify", "in/poison.nii", "--out", "out", check=errors.InputError.exit_code)
    assert f"{reason} {again}" in done.stderr, "not even for another task"
    run("classify", "in/poison.nii", "--out", "other", check=errors.InputError.exit_code)
    os.remove("in/poison.nii")
    write_ct("in/b.nii")
    assert "b: liver" in run("segment", "in", "--out", "out").stdout


@pytest.mark.parametrize(
    "content", ["", "[]", '{"inputs": [{"attempt": 1, "reason": "x"}]}', '{"inputs": [1]}', "null"]
)
def test_a_broken_list_of_poisoned_files_hinders_nobody(work, content):
    write_ct("a.nii")
    Path("out").mkdir()
    Path("out/unreadable.json").write_text(content)
    assert "a: liver" in run("segment", "a.nii", "--out", "out").stdout


@posix
@pytest.mark.parametrize(
    ("number", "own"),
    [(signal.SIGSEGV, True), (signal.SIGABRT, True), (signal.SIGKILL, False), (signal.SIGTERM, False)],
)
def test_only_a_reader_that_falls_by_itself_says_something_of_the_file(number, own):
    assert type(crash_error(-number, "", "a.mha")) is (errors.ReaderError if own else errors.InputError)


def test_prepare_goes_on_after_a_poisoned_file_and_does_not_try_it_again(temp, tmp_path, poison):
    from CompressionTrainerLib.data.check import check_folder
    from CompressionTrainerLib.data.splits import LabeledCase

    cases = []
    for name in "abc":
        save(tmp_path / f"{name}.nii", make_ct())
        save(tmp_path / f"{name}_seg.nii", make_labels())
        cases.append(LabeledCase(name, name, tmp_path / f"{name}.nii", tmp_path / f"{name}_seg.nii"))
    save(tmp_path / "poison.nii", make_ct())
    cases[1] = LabeledCase("b", "b", tmp_path / "poison.nii", tmp_path / "b_seg.nii")
    facts, problems = check_folder(cases, tmp_path / "keep", lambda *_: None)
    assert sorted(facts) == ["a", "c"]
    [problem] = [problem for problem in problems if problem.blocking]
    assert problem.case == "b" and problem.file.name == "poison.nii" and "poison.nii" in problem.what
    kept = json.loads((tmp_path / "keep" / "b.json").read_text())
    kept["problems"][0]["what"] = "as kept"
    (tmp_path / "keep" / "b.json").write_text(json.dumps(kept))
    seen = []
    _, problems = check_folder(cases, tmp_path / "keep", lambda *event: seen.append(event))
    assert seen == [] and "as kept" in [problem.what for problem in problems]


def bounded_child(tmp_path: Path, statement: str) -> subprocess.CompletedProcess:
    """Run a statement within the bounds of a file of 1 kB."""
    (tmp_path / "small.nii").write_bytes(bytes(1000))
    code = "import sys\nfrom pathlib import Path\nfrom LiverTumorLib.jobs import source\nsource.CPU_BASE_S = 1\n"
    code += f"with source.bounded(Path(sys.argv[1])):\n    {statement}\n"
    command = [sys.executable, "-c", code, str(tmp_path / "small.nii")]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


@pytest.mark.skipif(sys.platform != "linux", reason="macOS and Windows do not bound the address space")
def test_memory_is_bounded_while_reading(tmp_path):
    done = bounded_child(tmp_path, "bytearray(5 << 30)")
    assert "ReaderError" in done.stderr and "small.nii cannot be read in the memory there is" in done.stderr


@posix
def test_computing_time_is_bounded_while_reading(tmp_path):
    assert bounded_child(tmp_path, "while True: pass").returncode == -signal.SIGXCPU


@posix
def test_the_bounds_end_with_the_reading(tmp_path):
    import resource

    from LiverTumorLib.jobs.source import bounded

    before = resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_CPU)
    with bounded(tmp_path):
        assert (resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_CPU)) != before
    assert (resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_CPU)) == before
