"""What the next run makes of results that are missing, cut, changed or half moved, and of what killed runs have
left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_tools import command, posix, rows, run, snapshot, write_ct
from job_tools import PATIENCE_S, comes
from LiverTumorLib.errors import OutputError


def names(folder: str) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("damage", ["missing", "cut", "empty summary", "cut summary"])
def test_a_result_that_is_not_whole_is_made_again(work, damage):
    write_ct("a.nii")
    run("segment", "a.nii", "--out", "out")
    before = {path: content for path, (_, content) in snapshot("out/a").items() if path != "out/a/summary.json"}
    spoilt = Path("out/a/summary.json" if "summary" in damage else "out/a/a.seg.nrrd")
    if damage == "missing":
        spoilt.unlink()
    else:
        spoilt.write_bytes(b"" if "empty" in damage else spoilt.read_bytes()[:-60])
    done = run("segment", "a.nii", "--out", "out")
    assert "already done" not in done.stdout
    assert {path: content for path, (_, content) in snapshot("out/a").items() if path != "out/a/summary.json"} == before
    assert "a: already done" in run("segment", "a.nii", "--out", "out").stdout


def test_a_result_that_somebody_has_worked_on_stays_beside_the_new_one(work):
    write_ct("a.nii")
    run("segment", "a.nii", "--out", "out")
    original = Path("out/a/a.seg.nrrd").read_bytes()
    Path("out/a/a.seg.nrrd").write_bytes(original + b"corrected by hand")
    done = run("segment", "a.nii", "--out", "out")
    assert "a.seg.nrrd in " in done.stdout and "is not what was written there" in done.stdout
    assert Path("out/a/changed-1-a.seg.nrrd").read_bytes() == original + b"corrected by hand"
    assert Path("out/a/a.seg.nrrd").read_bytes() == original
    assert "a: already done" in run("segment", "a.nii", "--out", "out").stdout
    Path("out/a/a.seg.nrrd").write_bytes(original + b"!")
    run("segment", "a.nii", "--out", "out", "--overwrite")
    assert Path("out/a/changed-1-a.seg.nrrd").is_file() and not Path("out/a/changed-2-a.seg.nrrd").exists()


@posix
@pytest.mark.parametrize("moved", [1, 3])
def test_a_run_killed_while_its_files_move_is_done_again(work, moved):
    """The program is killed at the rename of its second or last file."""
    write_ct("a.nii")
    kill = f"""
import os, sys
from LiverTumorLib.batch import folder
from LiverTumorLib.cli import main
from LiverTumorLib.jobs.protocol import TASKS
TASKS.update(segment="job_tasks:segment")
replace, count = os.replace, 0
def until_killed(source, target):
    global count
    if "/files/" in str(source) and (count := count + 1) > {moved}:
        os.kill(os.getpid(), 9)
    replace(source, target)
folder.os = type("os", (), dict(vars(os), replace=staticmethod(until_killed)))
sys.exit(main(sys.argv[1:]))
"""
    words = command("segment", "a.nii", "--out", "out", "--nifti", tasks=False)
    killed = subprocess.run([words[0], "-c", kill, *words[3:], "--no-picture"], capture_output=True, timeout=PATIENCE_S)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not Path("out/a/summary.json").exists() and ".livertumor-moving" in names("out/a")
    Path("out/a/notes.txt").write_text("mine")
    run("segment", "a.nii", "--out", "out")  # without --nifti: its label map goes
    assert names("out/a") == ["a.seg.nrrd", "lesions.csv", "notes.txt", "slices.csv", "summary.json"]
    assert names("out") == ["a", "cases.csv"], "the killed run's hidden folder is gone"


@posix
@pytest.mark.usefixtures("ctrl_c")
def test_a_run_killed_just_before_its_files_move_is_done_again(work):
    """What it had begun to write is no result of another run's."""
    write_ct("a.nii")
    die = "import os, sys; from LiverTumorLib.atomic import atomic_path\nwith atomic_path(sys.argv[1]): os._exit(9)"
    assert subprocess.run([sys.executable, "-c", die, "out/a/.livertumor-moving"]).returncode == 9
    assert len(names("out/a")) == 1
    run("segment", "a.nii", "--out", "out")
    assert "a: already done" in run("segment", "a.nii", "--out", "out").stdout


def test_what_is_left_when_parent_and_child_are_killed_goes_with_the_next_start(work):
    write_ct("a slow.nii")
    write_ct("b.nii")
    temp = Path(os.environ["TMPDIR"])
    program = subprocess.Popen(
        command("segment", "a slow.nii", "--out", "out"), start_new_session=True, stderr=subprocess.DEVNULL
    )
    assert comes(lambda: list(temp.glob("livertumor-job-*/output")))
    assert comes(lambda: workers_in(temp))
    both = [program.pid, *workers_in(temp)]
    for number in [signal.SIGSTOP, signal.SIGKILL]:  # so that neither sees the other's end
        for process in both:
            os.kill(process, number)
    program.wait()
    assert comes(lambda: not workers_in(temp)) and len(list(temp.iterdir())) == 1
    foreign = temp / "livertumor-job-without-lock"
    foreign.mkdir()
    other = subprocess.Popen(command("segment", "a slow.nii", "--out", "other"), stderr=subprocess.DEVNULL)
    try:
        assert comes(lambda: workers_in(temp)), "a run that lives"
        run("segment", "b.nii", "--out", "out")
        assert len(workers_in(temp)) == 1 and len(list(temp.glob("livertumor-job-*"))) == 2, (
            "what lives, and what has no lock, stays"
        )
    finally:
        other.send_signal(signal.SIGINT)
        other.wait()
    foreign.rmdir()
    assert names("out") == ["b", "cases.csv"]


def workers_in(temp: Path) -> list[int]:
    listing = subprocess.run(["ps", "-eww", "-o", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listing.splitlines() if str(temp) in line and "jobs.worker" in line]


@posix
def test_a_case_named_like_a_formula_is_text_in_the_table_and_harmless_on_a_terminal(work):
    write_ct("in/=cmd()+\x1b[2J\x9b1m.nii")
    write_ct("in/-5.nii")
    Path("in/\x1b]0;bad.nii").write_bytes(b"")
    done = run("segment", "in", "--out", "out", check=None)
    assert not set("\x1b\x9b") & set(done.stdout + done.stderr)
    table = rows("out/cases.csv")
    assert sorted(row["case"][:6] for row in table) == ["'=cmd()"[:6], "-5", "_]0;ba"]
    assert all(not row["input"].startswith("=") for row in table)


@posix
def test_logs_of_errors_are_few_and_short(work):
    temp = Path(os.environ["TMPDIR"])
    for number in range(30):
        (temp / f"livertumor-old{number}.log").write_text("x")
        os.utime(temp / f"livertumor-old{number}.log", (number, number))
    for number in range(3):
        write_ct(f"in/strange {number}.nii")
    run("segment", "in", "--out", "out", check=None)
    [own] = [path for path in temp.iterdir() if "old" not in path.name]
    assert own.read_text().count("KeyError: 'unforeseen'") >= 3 and len(list(temp.iterdir())) == 20


def test_a_long_log_is_cut(temp, monkeypatch):
    from LiverTumorLib.batch import log

    monkeypatch.setattr(log, "_own", None)
    for _ in range(3):
        path = Path(log.write_log(ValueError("x" * 600_000)))
    assert path.stat().st_size == 1 << 20
    path.unlink()


def test_a_newer_summary_is_not_taken_for_this_versions(work):
    write_ct("a.nii")
    run("segment", "a.nii", "--out", "out")
    summary = json.loads(Path("out/a/summary.json").read_text())
    Path("out/a/summary.json").write_text(json.dumps(summary | {"schema": 99}))
    time.sleep(0.01)
    assert "already holds something else" in run("segment", "a.nii", "--out", "out", check=OutputError.exit_code).stderr


@pytest.mark.skipif(os.name == "nt", reason="an open file is the lock there")
def test_a_folder_that_was_never_locked_goes_after_a_minute_and_a_full_one_never(tmp_path):
    from LiverTumorLib.files.held import remove_abandoned

    old, new, full = (tmp_path / f"livertumor-job-{name}" for name in ("old", "new", "full"))
    for folder in (old, new, full):
        folder.mkdir()
    (old / ".lock").touch()
    (full / "data.npy").touch()
    for folder in (old, full):
        os.utime(folder, (0, 0))
    remove_abandoned(tmp_path, "livertumor-job-*")
    assert not old.exists() and new.exists() and full.exists()
