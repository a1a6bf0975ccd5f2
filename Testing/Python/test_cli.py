"""The command line as a user types it: every test starts it as a program of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from cli_tools import AFFINE, command, posix, rows, run, write_ct
from job_tools import PATIENCE_S
from LiverTumorLib import __version__, errors
from LiverTumorLib.files import read_labels
from LiverTumorLib.models.catalogue import SHIPPED


def test_version_and_help(work):
    assert run("--version").stdout == f"livertumor {__version__}\n"
    assert {"segment", "classify", "models", "demo"} <= set(run("--help").stdout.split())
    assert run(tasks=False, check=errors.UsageError.exit_code).stderr == run("--help").stdout
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
    assert done.stdout.startswith("Weights of liver-roi, liver-tumor, tumor-slice: test\n")
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["reading", "liver", "tumor", "writing"], (
        "plain lines, no terminal"
    )


def test_classify_writes_slices_only(work):
    write_ct("a.nii")
    assert run("classify", "a.nii", "--out", "out").stdout.startswith("Weights of tumor-slice: test\n")
    assert sorted(path.name for path in Path("out/a").iterdir()) == ["slices.csv", "summary.json"]
    summary = json.loads(Path("out/a/summary.json").read_text())
    assert [model["id"] for model in summary["origin"]["models"]] == ["tumor-slice"]
    assert rows("out/cases.csv")[0]["liver volume incl. tumor (ml)"] == ""


def test_options_reach_the_run(work):
    write_ct("a.nii")
    flags = (
        "--no-tumor --no-slices --no-roi --margin-mm 7 --min-lesion-ml 0.5 --liver-threshold .4 --tumor-threshold .3 "
        "--slice-threshold .2"
    )
    run(
        "segment",
        "a.nii",
        "--out",
        "out",
        *flags.split(),
        "--liver-model",
        os.environ["LIVERTUMOR_MODELS"] + "/liver-roi",
    )
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
    words = command("segment", "a.nii", "--out", "out")
    subprocess.run(words, stderr=terminal, stdout=subprocess.DEVNULL, timeout=PATIENCE_S)
    os.close(terminal)
    text = os.read(controller, 100_000).decode()
    os.close(controller)
    assert "\n" not in text and re.search(r"\ra: Finding tumor  50 %", text)
    assert text.split("\r")[-1] == "" and text.split("\r")[-2].isspace(), "the line is taken away at the end"


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == errors.LiverTumorError.exit_code and len(done.stderr.splitlines()) == 1
    log = re.fullmatch(
        r"livertumor: Something unexpected .*ZeroDivisionError.*; details are in (\S+\.log)\.\n", done.stderr
    ).group(1)
    assert "Traceback" in Path(log).read_text()


@posix
def test_a_reader_that_goes_away_is_no_crash(work):
    shell = " ".join(map(repr, command("models"))) + " | true"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.stderr == ""


def test_starting_is_light(work):
    """`--help` and `models` must answer at once: nothing heavy is loaded for them."""
    code = (
        "import sys; from LiverTumorLib.cli import main\ntry: main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    )
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {
        "scipy",
        "nibabel",
        "SimpleITK",
        "pydicom",
        "matplotlib",
        "sklearn",
        "ai_edge_litert",
        "tensorflow",
    }


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
