"""`livertumor compress` once through with the real TensorFlow, on three tiny phantoms."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.chain.child import child_environment
from LiverTumorLib.models.bundle import load_bundle
from tiny_training import TINY, write_data

CHAIN = """
name = "tiny-liver"
network = "tiny.toml"
[export]
[evaluate]
[report]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    (folder / "data").mkdir()
    write_data(folder / "data")
    (folder / "tiny.toml").write_text(TINY.format(task="liver", region="body").replace("epochs = 2", "epochs = 1"))
    (folder / "chain.toml").write_text(CHAIN)
    return folder


def compress(folder: Path, *words: str) -> str:
    line = [sys.executable, "-m", "LiverTumorLib.cli", "compress", "chain.toml", "--data", "data", "--split", "data/split.json", *words]
    done = subprocess.run([*line, "--out", "out"], cwd=folder, capture_output=True, text=True, timeout=3600, env=child_environment())
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_chain_goes_through_and_has_nothing_left_to_do(folder):
    text = compress(folder)
    assert "train     to do (about" in text and "Everything is in out." in text
    out = folder / "out"
    bundle = load_bundle(out / "models/tiny-liver")
    bundle.verify()
    assert bundle.manifest.training["config"]["name"] == "tiny"
    with open(out / "evaluate/cases.csv", newline="", encoding="utf-8") as file:
        assert [row["case"] for row in csv.DictReader(file)] == ["volume-2"]  # the val patient, and no other
    assert "tiny-liver" in (out / "report/report.html").read_text(encoding="utf-8")
    assert json.loads((out / "stages/train.done.json").read_text())["seconds"] > 1
    assert "Nothing is left to do." in compress(folder)


def test_steps_are_measured(folder):
    from CompressionTrainerLib.chain.probe import step_seconds
    from CompressionTrainerLib.training.config import load_config

    assert 0 < step_seconds(load_config(folder / "tiny.toml")) < 60
