"""Many cases on the command line: what is done already, what exists, what fails, what is interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_tools import AFFINE, command, posix, rows, run, snapshot, write_ct
from job_tools import PATIENCE_S, comes, keeps_its_promise
from LiverTumorLib import errors
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.files import read_ct
from LiverTumorLib.models.bundle import write_bundle
from LiverTumorLib.models.manifest import Manifest


def test_finished_cases_are_not_done_again(work):
    write_ct("in/a.nii")
    write_ct("in/b.nii")
    run("segment", "in", "--out", "out")
    before = snapshot("out")
    write_ct("in/c.nii")
    done = run("segment", "in", "--out", "out", "--threads", "2")
    after = snapshot("out")
    assert "a: already done" in done.stdout and "b: already done" in done.stdout and "c: liver" in done.stdout
    assert {path for path in after if after[path] != before.get(path)} == {
        f"out/{name}" for name in ("cases.csv", "c/c.seg.nrrd", "c/lesions.csv", "c/slices.csv", "c/summary.json")
    }
    assert [(row["case"], row["status"]) for row in rows("out/cases.csv")] == [
        ("a", "done"),
        ("b", "done"),
        ("c", "done"),
    ]


@pytest.mark.parametrize("change", ["options", "input", "model", "somebody else's"])
def test_what_exists_is_never_replaced_silently(work, change):
    write_ct("a.nii")
    if change == "somebody else's":
        Path("out/a").mkdir(parents=True)
        Path("out/a/notes.txt").write_text("mine")
    else:
        run("segment", "a.nii", "--out", "out", "--nifti")
        Path("out/a/notes.txt").write_text("mine")
    more = ["--nifti"]
    if change == "options":
        more = ["--min-lesion-ml", "2"]
    elif change == "input":
        write_ct("a.nii", value=70)
    elif change == "model":
        folder = Path(os.environ["LIVERTUMOR_MODELS"]) / "liver-roi"
        manifest = Manifest("liver-roi", "1.1", "Newer", "liver", InputSpec((64, 64), 4.0), 0.5, {}, "test")
        write_bundle(folder, manifest, {"model.tflite": b"newer"})
    before = snapshot("out/a")
    done = run("segment", "a.nii", "--out", "out", *more, check=errors.OutputError.exit_code)
    assert "out/a already holds" in done.stderr and "--overwrite" in done.stderr
    assert snapshot("out/a") == before

    run("segment", "a.nii", "--out", "out", *more, "--overwrite")
    after = snapshot("out/a")
    assert after["out/a/notes.txt"][1] == b"mine", "what no run has made stays"
    assert ("out/a/a.labels.nii.gz" in after) == ("--nifti" in more), "what this run has not made again goes"
    assert "already done" in run("segment", "a.nii", "--out", "out", *more).stdout


def test_a_foreign_table_is_not_replaced(work):
    write_ct("a.nii")
    Path("out").mkdir()
    Path("out/cases.csv").write_text("patient,weight\n")
    assert (
        "cases.csv is not a table of this version"
        in run("segment", "a.nii", "--out", "out", check=errors.OutputError.exit_code).stderr
    )
    assert os.listdir("out") == ["cases.csv"] and Path("out/cases.csv").read_text() == "patient,weight\n"


@pytest.mark.parametrize(
    "content",
    ["of my own", "[]", "null", '{"schema": 1}', '{"schema": 1, "case": {"name": "a"}}', '{"schema": 1, "case": []}'],
)
def test_a_foreign_summary_is_left_alone_and_hinders_nobody(work, content):
    write_ct("a.nii")
    write_ct("b.nii")
    Path("out/a").mkdir(parents=True)
    Path("out/a/summary.json").write_text(content)
    done = run("segment", "a.nii", "b.nii", "--out", "out", check=errors.SomeCasesFailed.exit_code)
    assert "out/a already holds" in done.stderr
    assert Path("out/a/summary.json").read_text() == content and Path("out/b/summary.json").is_file()


def test_one_bad_case_does_not_stop_the_rest(work):
    write_ct("in/a.nii")
    write_ct("in/b crash.nii")
    write_ct("in/c strange.nii")
    Path("in/d.nii.gz").write_bytes(Path("in/a.nii").read_bytes()[:1000])
    Path("in/segmentation-a.nii").write_bytes(b"")
    write_ct("in/z.nii")
    done = run("segment", "in", "missing.nii", "--out", "out", check=errors.SomeCasesFailed.exit_code)
    assert "Skipped " in done.stdout and "segmentation-a.nii" in done.stdout
    table = {row["case"]: row for row in rows("out/cases.csv")}
    assert {name: row["status"] for name, row in table.items()} == {
        **{"a": "done", "z": "done"},
        **dict.fromkeys(["b crash", "c strange", "d", "missing"], "failed"),
    }
    assert "signal SIGABRT" in table["b crash"]["reason"] and "last words" in table["b crash"]["reason"]
    assert "incomplete" in table["d"]["reason"] and "does not exist" in table["missing"]["reason"]
    final = done.stderr[done.stderr.index("4 of 6 cases have no result:") :]
    assert all(f"\n  {name}: {table[name]['reason']}" in final for name in ("b crash", "c strange", "d", "missing"))
    log = re.search(r"KeyError: 'unforeseen'.*Details are in (\S+\.log)\.", table["c strange"]["reason"]).group(1)
    assert "job_tasks.py" in Path(log).read_text() and "Traceback" in Path(log).read_text()
    assert sorted(os.listdir("out")) == ["a", "cases.csv", "z"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("missing.nii", errors.InputError),
        ("crash.nii", errors.WorkerError),
        ("segmentation-1.nii", errors.UsageError),
        ("empty", errors.InputError),
    ],
)
def test_a_single_bad_input_gives_its_own_exit_code(work, name, error):
    if name == "empty":
        Path(name).mkdir()
    elif name != "missing.nii":
        write_ct(name)
    done = run("segment", name, "--out", "out", check=error.exit_code)
    assert done.stderr.splitlines()[-1].startswith("livertumor: ")


def test_the_voxels_of_a_detached_header_are_looked_at_too(work):
    import SimpleITK as sitk

    write_ct("tmp/a.nii")
    sitk.WriteImage(sitk.ReadImage("tmp/a.nii"), "a.nhdr")
    assert "a: already done" not in run("classify", "a.nhdr", "--out", "out").stdout
    assert "a: already done" in run("classify", "a.nhdr", "--out", "out").stdout
    Path("a.raw").write_bytes(bytes(len(Path("a.raw").read_bytes())))
    done = run("classify", "a.nhdr", "--out", "out", check=None)
    assert "a: already done" not in done.stdout and done.returncode


def test_results_do_not_go_among_the_inputs_own_files(work):
    from dicom_writer import write_series

    write_ct("tmp/a.nii")
    write_series(Path("data/ct"), read_ct("tmp/a.nii").array)
    before = snapshot("data")
    done = run("classify", "data/ct", "--out", "data", check=errors.OutputError.exit_code)
    assert "would lie among the input's own files" in done.stderr
    assert before.items() <= snapshot("data").items()
    run("classify", "data/ct", "--out", "data/ct/results")
    assert "ct: already done" in run("classify", "data/ct", "--out", "data/ct/results").stdout


def test_a_table_that_cannot_be_written_does_not_stop_the_cases(work):
    write_ct("in/a.nii")
    write_ct("in/b.nii")
    Path("out/cases.csv").mkdir(parents=True)
    done = run("classify", "in", "--out", "out", "--overwrite", check=errors.OutputError.exit_code)
    assert (
        "cases.csv cannot be written" in done.stderr
        and Path("out/a/summary.json").exists()
        and Path("out/b/summary.json").exists()
    )


def test_the_table_keeps_what_another_run_has_done(work):
    write_ct("one/a.nii")
    write_ct("two/a.nii", value=70)
    run("classify", "one/a.nii", "--out", "out")
    run("classify", "two/a.nii", "--out", "out", check=errors.OutputError.exit_code)
    [row] = rows("out/cases.csv")
    assert row["status"] == "done" and Path(row["input"]).parent.name == "one"


def test_an_output_folder_that_cannot_be_written(work):
    write_ct("a.nii")
    Path("file").write_text("x")
    for out in ["file", "file/below", *(["/proc/nowhere"] if Path("/proc").is_dir() else [])]:
        done = run("segment", "a.nii", "--out", out, check=errors.OutputError.exit_code)
        assert "cannot be written" in done.stderr and len(done.stderr.splitlines()) == 1
    assert Path("file").read_text() == "x"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_full_disk_leaves_nothing_half_written(work):
    """Writes to a file system of 128 kB."""
    Path("out").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", "out"], capture_output=True).returncode:
        pytest.skip("no permission to mount")
    try:
        write_ct("a.nii")
        import nibabel

        noise = np.random.default_rng(1).integers(-100, 200, (60, 60, 60)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(noise, AFFINE), "noise.nii")
        done = run("segment", "noise.nii", "a.nii", "--out", "out", "--nifti", check=errors.SomeCasesFailed.exit_code)
        assert "no space" in done.stderr.lower()
        assert sorted(os.listdir("out")) == ["a", "cases.csv"]
    finally:
        subprocess.run(["umount", "out"], check=True)


def interrupted(*arguments: str, number: int, ready: Callable[[], bool]) -> tuple[subprocess.Popen, str, float]:
    """Start the program, send it a signal once `ready`; returns it, its stderr, and the seconds it took to end."""
    program = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
    assert comes(ready)
    time.sleep(1)  # into the child's work
    begin = time.monotonic()
    program.send_signal(number)
    stderr = program.communicate(timeout=PATIENCE_S)[1]
    return program, stderr, time.monotonic() - begin


def descendants_of_test() -> list[str]:
    """Command lines of workers whose job lies in this test's temporary folder."""
    listing = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return [
        line for line in listing.splitlines() if os.environ["TMPDIR"] in line and "LiverTumorLib.jobs.worker" in line
    ]


@posix
@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_cleanly_and_the_next_run_goes_on(work, number):
    write_ct("in/a.nii")
    write_ct("in/b slow.nii")
    write_ct("in/c.nii")
    folders = []

    def attempt() -> float:
        out = f"out {len(folders)}"
        folders.append(out)
        program, stderr, took = interrupted(
            "segment",
            "in",
            "--out",
            out,
            "--threads",
            "1",  # one case at a time
            number=number,
            ready=lambda: Path(out, "cases.csv").exists() and bool(descendants_of_test()),
        )
        assert program.returncode == errors.Cancelled.exit_code
        assert "livertumor: Stopped; 1 of 3 cases are done, the same command continues with the rest." in stderr
        assert "Traceback" not in stderr
        assert descendants_of_test() == []
        assert sorted(os.listdir(out)) == ["a", "cases.csv"] and os.listdir(os.environ["TMPDIR"]) == []
        return took

    keeps_its_promise(2, attempt)
    os.remove("in/b slow.nii")
    assert "a: already done" in run("segment", "in", "--out", folders[-1]).stdout
