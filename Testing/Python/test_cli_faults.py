"""What a machine in trouble does to a run: nothing is lost, the user reads one sentence, and the next run continues."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_tools import command, posix, rows, run, write_ct
from job_tools import PATIENCE_S, comes
from LiverTumorLib import errors
from test_cli_resume import workers_in

FULL = Path("/dev/full")
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux' devices, limits and mounts")


def shell(words: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["sh", "-c", words], capture_output=True, encoding="utf-8", errors="replace", timeout=PATIENCE_S, **more
    )


def line(*arguments: str) -> str:
    return " ".join(f"'{word}'" for word in command(*arguments))


@contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)], capture_output=True
    ).returncode:
        pytest.skip("no permission to mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@linux
@pytest.mark.parametrize("where", [">/dev/full", "2>/dev/full", ">&- 2>&- <&-", "| true"])
def test_cases_are_done_where_nobody_can_be_told(work, where):
    write_ct("a.nii")
    done = shell(f"{line('segment', 'a.nii', '--out', 'out')} {where}")
    assert rows("out/cases.csv")[0]["status"] == "done" and os.listdir(os.environ["TMPDIR"]) == []
    if where == ">/dev/full":
        assert done.returncode == errors.OutputError.exit_code
        assert "livertumor: Standard output cannot be written (no space is left where it goes)" in done.stderr
    else:
        assert done.returncode == 0 and "unexpected" not in done.stderr


@linux
def test_an_error_that_cannot_be_told_keeps_its_exit_code(work):
    done = shell(f"{line('segment', 'missing.nii', '--out', 'out')} 2>/dev/full")
    assert done.returncode == errors.InputError.exit_code


@linux
def test_a_temporary_folder_without_room_is_named_and_takes_no_volumes(work):
    write_ct("a.nii", shape=(40, 200, 200))
    with small_disk(Path("disk"), 4) as disk:
        environment = os.environ | {"TMPDIR": str(disk.absolute())}
        done = run("segment", "a.nii", "--out", "out", check=errors.OutputError.exit_code, env=environment)
        assert (
            f"cannot be written to the temporary folder {disk.absolute()}: " in done.stderr
            and "set TMPDIR to another folder" in done.stderr
        )
        assert os.listdir(disk) == []
    with small_disk(Path("disk"), 64) as disk:
        environment = os.environ | {"TMPDIR": str(disk.absolute())}
        assert "a: liver" in run("segment", "a.nii", "--out", "out", env=environment).stdout


@linux
@pytest.mark.parametrize("kilobytes", [4, 8, 12, 20, 28])
def test_wherever_the_disk_fills_up_nothing_half_written_is_left(work, kilobytes):
    write_ct("a.nii")
    with small_disk(Path("disk"), kilobytes):
        done = run("segment", "a.nii", "--out", "disk/out", "--nifti", check=None)
        whole = os.path.exists("disk/out/a/summary.json")
        assert done.returncode == (0 if whole else errors.OutputError.exit_code), done.stderr
        assert whole or ("no space left" in done.stderr and "unfinished" not in done.stderr)
        assert [name for name in os.listdir("disk/out") if name.startswith(".")] == []
        assert whole or not os.path.exists("disk/out/a") or os.listdir("disk/out/a") == []
        subprocess.run(["mount", "-o", "remount,size=1m", "disk"], check=True)
        assert "a: " in run("segment", "a.nii", "--out", "disk/out", "--nifti").stdout


@posix
def test_an_output_folder_that_vanishes_meanwhile_is_made_again(work):
    write_ct("a slow.nii")
    write_ct("b.nii")
    program = subprocess.Popen(
        command("segment", "a slow.nii", "b.nii", "--out", "out", "--threads", "1"),
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    [worker] = first_worker()
    shutil.rmtree("out")
    os.kill(worker, signal.SIGKILL)
    stderr = program.communicate(timeout=PATIENCE_S)[1]
    assert (
        program.returncode == errors.SomeCasesFailed.exit_code
        and "killed from outside" in stderr
        and "unexpected" not in stderr
    )
    assert {row["case"]: row["status"] for row in rows("out/cases.csv")} == {"a slow": "failed", "b": "done"}


@posix
def test_two_runs_in_one_folder_do_every_case(work):
    for name in "abc":
        write_ct(f"in/{name}.nii")
    both = [
        subprocess.Popen(command("segment", "in", "--out", "out"), stderr=subprocess.PIPE, encoding="utf-8")
        for _ in range(2)
    ]
    told = [program.communicate(timeout=PATIENCE_S)[1] for program in both]
    assert "unexpected" not in "".join(told)
    assert {row["case"]: row["status"] for row in rows("out/cases.csv")} == dict.fromkeys("abc", "done")
    assert run("segment", "in", "--out", "out").stdout.count("already done") == 3


@linux
@pytest.mark.parametrize("variables", [{"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {}])
def test_names_in_any_script_in_a_c_locale(work, variables):
    write_ct("名前.nii")
    write_ct(os.fsdecode(b"in\xff/b.nii"))
    environment = os.environ | variables | {"LC_ALL": "C"}
    run("segment", "名前.nii", os.fsdecode(b"in\xff"), "--out", "out", env=environment)
    assert [row["status"] for row in rows("out/cases.csv")] == ["done", "done"]


@linux
@pytest.mark.parametrize("limit", ["-v 300000", "-f 8", "-n 8"])
def test_limits_of_the_shell_end_in_a_sentence(work, limit):
    write_ct("a.nii", shape=(40, 200, 200))
    done = shell(f"ulimit {limit}; exec {line('segment', 'a.nii', '--out', 'out')}")
    assert "Traceback" not in done.stderr and "unexpected" not in done.stderr
    assert done.returncode == 0 or "livertumor: " in done.stderr
    run("segment", "a.nii", "--out", "out")


@linux
def test_without_proc(work):
    write_ct("a.nii")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"mount -t tmpfs none /proc && exec {line('segment', 'a.nii', '--out', 'out')}"],
        capture_output=True,
    )
    if b"unshare" in done.stderr or b"mount:" in done.stderr:
        pytest.skip("no permission to mount")
    assert done.returncode == 0, done.stderr


@posix
@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("stage", ["reading", "liver", "writing"])
def test_a_program_killed_at_any_stage_loses_nothing_that_was_done(work, stage):
    """Killed when it tells of the stage; its child ends and takes its folder along or, where it was done already, the
    next run does."""
    write_ct("a.nii")
    write_ct("b.nii")
    program = subprocess.Popen(
        command("segment", "a.nii", "b.nii", "--out", "out", "--threads", "1"),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        encoding="utf-8",
    )
    for told in program.stderr:
        if told == f"[2/2] b: {stage}\n":
            program.kill()
            break
    program.wait()
    program.stderr.close()
    temp = Path(os.environ["TMPDIR"])
    assert comes(lambda: not workers_in(temp))
    done = run("segment", "a.nii", "b.nii", "--out", "out")
    assert "a: already done" in done.stdout and [row["status"] for row in rows("out/cases.csv")] == ["done", "done"]
    assert sorted(path.name for path in Path("out").iterdir() if not never_locked(path)) == ["a", "b", "cases.csv"]
    assert [path for path in temp.iterdir() if not never_locked(path)] == []


def never_locked(folder: Path) -> bool:
    """A folder whose maker was killed before it was locked: empty, and cleared away by a start a minute later."""
    return (
        folder.is_dir()
        and folder.name.startswith((".", "livertumor-job-"))
        and {path.name for path in folder.iterdir()} <= {".lock"}
    )


def first_worker() -> list[int]:
    temp = Path(os.environ["TMPDIR"])
    assert comes(lambda: workers_in(temp))
    return workers_in(temp)
