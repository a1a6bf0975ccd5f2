"""`livertumor compress` once through with the real TensorFlow, on three tiny phantoms."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.environment.process import child_environment
from CompressionTrainerLib.networks.tflite_file import float_tensors, kernels, sparsity
from LiverTumorLib.models.bundle import load_bundle
from tiny_training import TINY, write_data

COMMAND = [
    sys.executable,
    "-m",
    "LiverTumorLib.cli",
    "compress",
    "workflow.toml",
    "--data",
    "data",
    "--split",
    "data/split.json",
]
SMALLER = """
[slim]
remove = 0.3
epochs = 1
[prune]
sparsity = 0.3
epochs = 1
fine_tune = 1
[quantize]
epochs = 1
[export]
[evaluate]
[report]
"""
SEGMENTER = f'name = "tiny-liver"\nnetwork = "tiny.toml"\n{SMALLER}'
CLASSIFIER = f"""
name = "tiny-slice"
network = "teacher.toml"
[distill]
config = "student.toml"
{SMALLER}
[onnx]
[variants]
[compare]
[benchmark]
rounds = 1
slices = 2
threads = [1]
"""


def text_of(task: str) -> str:
    """The tiny configuration of a task with one epoch."""
    return TINY.format(task=task, region="body").replace("epochs = 2", "epochs = 1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("workflow")
    (folder / "data").mkdir()
    write_data(folder / "data")
    (folder / "tiny.toml").write_text(text_of("liver"))
    (folder / "workflow.toml").write_text(SEGMENTER)
    return folder


def compress(folder: Path, *words: str) -> tuple[list[dict], str]:
    """The events of a workflow, and what it said."""
    line = [*COMMAND, *words, "--events", "--out", "out"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=3600, env=child_environment())
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def check_smaller(out: Path, name: str) -> None:
    """The model is int8 throughout, has lost channels, and still has its zeros; and its manifest and card say so."""
    bundle = load_bundle(out / "models" / name)
    bundle.verify()
    content = bundle.model.read_bytes()
    assert float_tensors(content) == []
    assert bundle.manifest.files["model.tflite"]["quantization"] == "int8, quantization-aware training"
    before, after = bundle.manifest.training["slimming"]["parameters"]
    assert sum(kernel.weights for kernel in kernels(content)) < after < 0.85 * before
    assert 0.295 < sparsity(kernels(content)) < 0.4  # rounding adds some zeros
    assert "Slimmed: channels were taken out" in bundle.card and "Pruned: 30% of the weights" in bundle.card
    with open(out / "evaluate/cases.csv", newline="", encoding="utf-8") as file:
        assert [row["case"] for row in csv.DictReader(file)] == ["volume-2"]  # the val patient, and no other
    assert name in (out / "report/report.html").read_text(encoding="utf-8")


def test_a_segmenter_is_slimmed_pruned_quantized_and_exported_and_then_nothing_is_left_to_do(folder):
    events, text = compress(folder)
    told = [event["message"] for event in events if event["event"] == "progress" and event["stage"] == "export"]
    assert any("Converting to int8" in message for message in told), "its stages tell how far they are"
    assert "train     to do (about" in text and "Everything is in out." in text
    check_smaller(folder / "out", "tiny-liver")
    assert json.loads((folder / "out/stages/train.done.json").read_text())["seconds"] > 1
    assert "Nothing is left to do." in compress(folder)[1]


@pytest.mark.slow
def test_a_classifiers_student_is_made_smaller_in_every_way_and_measured_in_all_formats(folder, tmp_path):
    (tmp_path / "data").symlink_to(folder / "data")
    (tmp_path / "teacher.toml").write_text(text_of("slice").replace("width = 0.35", "width = 0.5"))
    (tmp_path / "student.toml").write_text(text_of("slice"))
    (tmp_path / "workflow.toml").write_text(CLASSIFIER)
    compress(tmp_path)
    out = tmp_path / "out"
    check_smaller(out, "tiny-slice")
    bundle = load_bundle(out / "models/tiny-slice")
    assert bundle.manifest.training["distillation"]["config"]["network"]["width"] == 0.5
    assert "model.onnx" in bundle.manifest.files and "Taught by 'tiny'" in bundle.card
    compared = json.loads((out / "compare/comparison.json").read_text())["models"]
    assert len(compared) == 4 + 2 + 7, "train, distill, slim, prune; the model and its twin; seven formats"
    measured = {row["file"] for row in json.loads((out / "benchmark/benchmark.json").read_text())["rows"]}
    assert len(measured) == len(compared)


def test_steps_are_measured(folder):
    from CompressionTrainerLib.training.config import load_config
    from CompressionTrainerLib.workflow.probe import step_seconds

    assert 0 < step_seconds(load_config(folder / "tiny.toml")) < 60
