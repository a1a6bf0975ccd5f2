"""The benchmark, with a tiny setting: it runs, and what it writes hangs together. Nothing is asserted about how fast
anything is."""

import csv
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from LiverTumorLib.models.catalogue import list_bundles

BENCHMARK = Path(__file__).parents[1] / "Benchmark" / "benchmark.py"


@pytest.mark.skipif(sys.platform == "win32", reason="the benchmark is for POSIX systems")
@pytest.mark.skipif(len(list_bundles()) < 3, reason="the shipped models are not there")
def test_everything_is_measured_and_written(tmp_path):
    tiny = ["--out", "out", "--rounds", "1", "--shape", "40", "96", "96", "--slices", "1", "--threads", "1"]
    tiny += ["--long", "60", "--batch", "2"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), *tiny], capture_output=True, text=True, cwd=tmp_path, timeout=600
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out/benchmark.json").read_text())
    assert {"processor", "cores", "flags", "load_before", "started", "versions", "models", "settings"} <= set(report)
    figures = {(row["what"], row["measure"]): row for row in report["rows"]}
    assert len(figures) == len(report["rows"])
    assert all(row["rounds"] == 1 and row["min"] == row["median"] == row["max"] for row in report["rows"])

    def value(what: str, measure: str) -> float:
        return figures[what, measure]["median"]

    whole = "command, .nii.gz to all results"
    assert 0 < value(whole, "first_word_s") < value(whole, "wall_s") and value(whole, "cpu_s") > 0
    for scan in ("scan from .nii.gz", "scan from memory", "scan from memory, peer"):
        stages = [value(scan, f"stage {stage}") for stage in ("liver", "tumor", "slices", "measure")]
        assert 0 < sum(stages) < value(scan, "run_s") < value(scan, "wall_s")
        assert 0 < value(scan, "read_s") < value(scan, "wall_s")
        assert value(scan, "liver_voxels") > 100, "without a liver the second stage is not measured"
        if sys.platform == "linux":
            assert value(scan, "tree_peak_mb") > value(scan, "process_peak_mb") > 50  # the program and its worker
    assert 0 < value(whole, "share in the networks") < 100
    assert value("command, 60 slices", "cpu_s") > 0 and value("batch of 2", "scans a minute") > 0
    assert value("cold start to one slice's probability", "wall_s") > 0
    assert value("all slices classified", "liver known") > 0 and value("all slices classified", "liver found too") > 0
    ratio = value("scan from memory", "run_s") / value("scan from memory, peer", "run_s")
    assert value("scan", "run_s, ours / peer") == pytest.approx(ratio)
    for network in ("liver", "tumor", "slice"):
        name = f"network {network}, 1 threads"
        ours = value(name, "LiteRT with XNNPACK per slice")
        assert ours > 0 and value(name, "LiteRT with XNNPACK computing") > 0
        engines = ["LiteRT without XNNPACK"]
        engines += ["ONNX Runtime"] if find_spec("onnxruntime") else []
        for engine in engines:
            assert value(name, f"ours / {engine}") == pytest.approx(ours / value(name, f"{engine} per slice"))
            assert value(name, f"largest difference, {engine}") < 0.5, "two engines, one network"
        if find_spec("tf_keras"):
            assert value(name, "ours / Keras predict") > 0
        floor = value(f"network {network}", "multiply-adds per slice") / value(
            "matrix product, one core", "multiply-adds a second"
        )
        assert value(f"network {network}", "arithmetic floor per slice") == pytest.approx(floor)

    rows = list(csv.DictReader((tmp_path / "out/benchmark.csv").open()))
    assert [(row["what"], row["measure"]) for row in rows] == list(figures)
    assert all(name in done.stdout for name, _ in figures)
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [
        ".csv",
        ".gz",
        ".gz",
        ".json",
        ".md",
        ".npz",
    ]
    head, _, *lines = (tmp_path / "out/benchmark.md").read_text().splitlines()
    assert head == "| what | measured | asked | reached |" and len(lines) == 15
    measured = [line for line in lines if "not measured" not in line]
    assert len(measured) >= 12 and all(line.endswith(("| yes |", "| no |")) for line in measured)
