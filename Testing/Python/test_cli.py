"""The command line as a user types it: every test starts it as a program of its own."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import LiverTumorLib
import numpy as np
import pytest
from LiverTumorLib import __version__, errors
from LiverTumorLib.files import read_labels
from LiverTumorLib.models.bundle import write_bundle
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.models.manifest import InputSpec, Manifest

HERE = Path(__file__).parent
AFFINE = np.array([[-0.8, 0, 0, 12], [0, -0.8, 0, 14], [0, 0, 3.0, -200], [0, 0, 0, 1]])
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty current folder, models of the test's own, and a temporary folder in which nothing may be left but logs."""
    for name in ("temp", "models", "work"):
        (tmp_path / name).mkdir()
    for id, task in (("liver-roi", "liver"), ("liver-tumor", "tumor"), ("tumor-slice", "slice")):
        manifest = Manifest(id, "1.0", f"The {task} model", task, InputSpec((64, 64), 4.0), 0.5, {}, "test")
        write_bundle(tmp_path / "models" / id, manifest, {"model.tflite": id.encode() * 1000, "card.md": f"# {id}: Kärtchen\n".encode()})
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temp"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(Path(LiverTumorLib.__file__).parents[1])]))
    monkeypatch.chdir(tmp_path / "work")
    yield tmp_path / "work"
    assert [path.name for path in (tmp_path / "temp").iterdir() if path.suffix != ".log"] == []


def command(*arguments: str, tasks: bool = True) -> list[str]:
    start = [str(HERE / "cli_with_tasks.py")] if tasks else ["-m", "LiverTumorLib.cli"]
    picture = ["--no-picture"] if tasks and arguments[0] in ("segment", "classify") and "--picture" not in arguments else []
    return [sys.executable, *start, *(argument for argument in arguments if argument != "--picture"), *picture]


def run(*arguments: str, tasks: bool = True, check: int | None = 0, **more) -> subprocess.CompletedProcess:
    """Run the program and see that it ended with the exit code `check`, and that no traceback reached the user."""
    done = subprocess.run(command(*arguments, tasks=tasks), capture_output=True, encoding="utf-8", timeout=120, **more)
    assert "Traceback" not in done.stdout + done.stderr
    assert check is None or done.returncode == check, done.stdout + done.stderr
    return done


def write_ct(path: str | Path, shape=(6, 20, 24), value: int = 60) -> np.ndarray:
    """A small CT: air, a body of `value` HU, and in it a bright spot; answers with the labels that the task gives it."""
    import nibabel

    array = np.full(shape, -1000, np.int16)
    array[:, 3:-3, 4:-4] = value
    array[2:4, 8:12, 9:12] = 150
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array.T, AFFINE), path)
    return (array > 0).astype(np.uint8) + (array > 100)


def rows(path: str) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def snapshot(folder: str) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def test_version_and_help(work):
    assert run("--version").stdout == f"livertumor {__version__}\n"
    assert {"segment", "classify", "models", "demo"} <= set(run("--help").stdout.split())
    assert "--min-lesion-ml" in run("segment", "--help").stdout
    assert "--min-lesion-ml" not in run("classify", "--help").stdout
    assert "--nonsense" in run("segment", "a.nii", "--out", "o", "--nonsense", check=errors.UsageError.exit_code).stderr
    assert (
        "threshold is 3.0; it must lie between 0 and 1"
        in run("segment", "a.nii", "--out", "o", "--liver-threshold", "3", check=errors.UsageError.exit_code).stderr
    )


def test_segment_writes_everything(work):
    labels = write_ct("Müller 1.nii.gz")
    done = run("segment", "Müller 1.nii.gz", "--out", "out", "--nifti", "--keep-probabilities", "--threads", "1")
    folder = Path("out/Müller 1")
    assert sorted(path.name for path in folder.iterdir()) == [
        "Müller 1.labels.nii.gz",
        "Müller 1.liver-probability.nii.gz",
        "Müller 1.seg.nrrd",
        "lesions.csv",
        "slices.csv",
        "summary.json",
    ]
    for name in ("Müller 1.labels.nii.gz", "Müller 1.seg.nrrd"):
        array, matrix = read_labels(folder / name)
        np.testing.assert_array_equal(array, labels)
        np.testing.assert_allclose(matrix, AFFINE, atol=1e-5)
    assert len(rows(folder / "slices.csv")) == 6 and len(rows(folder / "lesions.csv")) == 1
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["origin"]["input"]["path"] == str(work / "Müller 1.nii.gz")
    assert [model["id"] for model in summary["origin"]["models"]] == ["liver-roi", "liver-tumor", "tumor-slice"]
    assert summary["origin"]["version"] == __version__ and summary["origin"]["options"]["keep_probabilities"] is True
    (row,) = rows("out/cases.csv")
    liver_ml = (labels > 0).sum() * 0.8 * 0.8 * 3 / 1000
    assert row["case"] == "Müller 1" and row["status"] == "done" and row["lesions"] == "1"
    assert float(row["liver volume incl. tumor (ml)"]) == pytest.approx(liver_ml, rel=1e-4)
    assert "Müller 1: liver 3 ml; 1 lesion" in done.stdout
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["reading", "liver", "tumor", "writing"], (
        "plain lines, no terminal"
    )


def test_classify_writes_slices_only(work):
    write_ct("a.nii")
    run("classify", "a.nii", "--out", "out")
    assert sorted(path.name for path in Path("out/a").iterdir()) == ["slices.csv", "summary.json"]
    summary = json.loads(Path("out/a/summary.json").read_text())
    assert [model["id"] for model in summary["origin"]["models"]] == ["tumor-slice"]
    assert rows("out/cases.csv")[0]["liver volume incl. tumor (ml)"] == ""


def test_options_reach_the_run(work):
    write_ct("a.nii")
    flags = (
        "--no-tumor --no-slices --no-roi --margin-mm 7 --min-lesion-ml 0.5 --liver-threshold .4 --tumor-threshold .3 --slice-threshold .2"
    )
    run("segment", "a.nii", "--out", "out", *flags.split(), "--liver-model", os.environ["LIVERTUMOR_MODELS"] + "/liver-roi")
    origin = json.loads(Path("out/a/summary.json").read_text())["origin"]
    expected = {"tumor": False, "slices": False, "roi": False, "roi_margin_mm": 7, "min_lesion_ml": 0.5}
    expected |= {"liver_threshold": 0.4, "tumor_threshold": 0.3, "slice_threshold": 0.2}
    assert origin["options"].items() >= expected.items()
    assert [model["id"] for model in origin["models"]] == ["liver-roi"]


def test_quiet_prints_nothing_when_all_is_well(work):
    write_ct("a.nii")
    done = run("segment", "a.nii", "--out", "out", "--quiet")
    assert done.stdout == done.stderr == ""


@posix
def test_on_a_terminal_one_line_is_rewritten(work):
    import pty

    write_ct("a.nii")
    controller, terminal = pty.openpty()
    subprocess.run(command("segment", "a.nii", "--out", "out"), stderr=terminal, stdout=subprocess.DEVNULL, timeout=60)
    os.close(terminal)
    text = os.read(controller, 100_000).decode()
    os.close(controller)
    assert "\n" not in text and re.search(r"\ra: Finding tumor  50 %", text)
    assert text.split("\r")[-1] == "" and text.split("\r")[-2].isspace(), "the line is taken away at the end"


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
    assert [(row["case"], row["status"]) for row in rows("out/cases.csv")] == [("a", "done"), ("b", "done"), ("c", "done")]


@pytest.mark.parametrize("change", ["options", "input", "model", "a result is missing", "somebody else's"])
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
    elif change == "a result is missing":
        Path("out/a/lesions.csv").unlink()
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
    assert "cases.csv is not a table of this version" in run("segment", "a.nii", "--out", "out", check=errors.OutputError.exit_code).stderr
    assert os.listdir("out") == ["cases.csv"] and Path("out/cases.csv").read_text() == "patient,weight\n"


@pytest.mark.parametrize(
    "content", ["", "[]", "null", '{"schema": 1}', '{"schema": 1, "case": {"name": "a"}}', '{"schema": 1, "case": []}']
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
    assert "damaged" in table["d"]["reason"] and "does not exist" in table["missing"]["reason"]
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


def test_an_output_folder_that_cannot_be_written(work):
    write_ct("a.nii")
    Path("file").write_text("x")
    for out in ["file", "file/below", *(["/proc/nowhere"] if Path("/proc").is_dir() else [])]:
        done = run("segment", "a.nii", "--out", out, check=errors.OutputError.exit_code)
        assert "cannot be written" in done.stderr and len(done.stderr.splitlines()) == 1
    assert Path("file").read_text() == "x"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_full_disk_leaves_nothing_half_written(work):
    """Writes to a file system of 64 kB."""
    Path("out").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "out"], capture_output=True).returncode:
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
    """Start the program, send it a signal once `ready`; answers with it, its stderr, and the seconds it took to end."""
    program = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
    deadline = time.monotonic() + 60
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ready()
    time.sleep(1)  # into the child's work
    begin = time.monotonic()
    program.send_signal(number)
    stderr = program.communicate(timeout=20)[1]
    return program, stderr, time.monotonic() - begin


def descendants_of_test() -> list[str]:
    """Command lines of workers whose job lies in this test's temporary folder."""
    listing = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if os.environ["TMPDIR"] in line and "LiverTumorLib.jobs.worker" in line]


@posix
@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_cleanly_and_the_next_run_goes_on(work, number):
    write_ct("in/a.nii")
    write_ct("in/b slow.nii")
    write_ct("in/c.nii")
    took = []
    while len(took) < 3 and min(took, default=2.0) >= 2:  # any single time may be a busy machine's
        out = f"out {len(took)}"
        program, stderr, seconds = interrupted(
            "segment", "in", "--out", out, number=number, ready=lambda out=out: bool(descendants_of_test()) and Path(out, "a").exists()
        )
        assert program.returncode == errors.Cancelled.exit_code
        assert "livertumor: Stopped; 1 of 3 cases are done, the same command goes on with the rest." in stderr
        assert "Traceback" not in stderr
        assert descendants_of_test() == []
        assert sorted(os.listdir(out)) == ["a", "cases.csv"] and os.listdir(os.environ["TMPDIR"]) == []
        took.append(seconds)
    assert min(took) < 2, took
    os.remove("in/b slow.nii")
    assert "a: already done" in run("segment", "in", "--out", out).stdout


def test_models(work):
    listing = run("models").stdout.splitlines()
    assert listing[0].split() == ["id", "title", "task", "size", "version", "where"]
    assert {line.split()[0] for line in listing[1:]} >= {"liver-roi", "liver-tumor", "tumor-slice"}
    assert "# liver-roi: Kärtchen" in run("models", "show", "liver-roi").stdout
    assert "'nothing' is not installed" in run("models", "show", "nothing", check=errors.ModelError.exit_code).stderr
    assert run("models", "verify").stdout.count("all files are as its manifest says") >= 3


def test_a_damaged_model_is_refused_before_any_work(work):
    write_ct("a.nii")
    (Path(os.environ["LIVERTUMOR_MODELS"]) / "liver-tumor" / "model.tflite").write_bytes(b"tampered with")
    done = run("segment", "a.nii", "--out", "out", check=errors.ModelError.exit_code)
    assert "liver-tumor" in done.stderr and "checksum" in done.stderr
    assert not Path("out").exists()
    run("segment", "a.nii", "--out", "out", "--no-tumor")
    done = run("models", "verify", check=errors.ModelError.exit_code)
    assert "1 of " in done.stderr and "checksum" in done.stdout


def test_something_unexpected_is_one_sentence_and_a_log(work):
    code = "import LiverTumorLib.cli.models as models; from LiverTumorLib.cli import main\n"
    code += "models.show_list = lambda arguments: 1 / 0\nexit(main(['models']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == errors.LiverTumorError.exit_code and len(done.stderr.splitlines()) == 1
    log = re.fullmatch(r"livertumor: Something unexpected .*ZeroDivisionError.*; details are in (\S+\.log)\.\n", done.stderr).group(1)
    assert "Traceback" in Path(log).read_text()


@posix
def test_a_reader_that_goes_away_is_no_crash(work):
    shell = " ".join(map(repr, command("models"))) + " | true"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


def test_starting_is_light(work):
    """`--help` and `models` must answer at once: nothing heavy is loaded for them."""
    code = "import sys; from LiverTumorLib.cli import main\ntry: main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"scipy", "nibabel", "SimpleITK", "pydicom", "matplotlib", "sklearn", "ai_edge_litert", "tensorflow"}


@pytest.mark.skipif(find_spec("LiverTumorLib.report") is None, reason="LiverTumorLib.report is not there yet")
def test_the_picture_is_drawn(work):
    write_ct("a.nii", shape=(30, 64, 64))
    for task in ("segment", "classify"):
        run(task, "a.nii", "--out", f"out-{task}", "--picture")
        assert Path(f"out-{task}/a/report.png").read_bytes().startswith(b"\x89PNG")


shipped = pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped models yet")


@shipped
def test_demo_runs_the_main_job(work, monkeypatch):
    monkeypatch.delenv("LIVERTUMOR_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(work))
    done = run("demo", "--out", "out", tasks=False)
    dice = re.search(r"Dice .*: liver (\S+), tumor (\S+) \(installation check, not accuracy\)", done.stdout)
    assert float(dice.group(1)) > 0.85 and 0 < float(dice.group(2)) <= 1
    files = {path.name for path in Path("out/phantom-ct").iterdir()}
    assert files == {"phantom-ct.seg.nrrd", "lesions.csv", "slices.csv", "summary.json", "report.png"}
    assert {"phantom-ct.nii.gz", "phantom-truth.nii.gz", "cases.csv"} <= set(os.listdir("out"))
    again = run("demo", "--out", "out", tasks=False)
    assert "already done" in again.stdout and dice.group(0) in again.stdout
    run("segment", "out/phantom-ct.nii.gz", "--out", "again", "--no-picture", tasks=False)
    np.testing.assert_array_equal(
        read_labels("again/phantom-ct/phantom-ct.seg.nrrd")[0], read_labels("out/phantom-ct/phantom-ct.seg.nrrd")[0]
    )
