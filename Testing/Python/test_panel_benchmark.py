"""The benchmark of the panels, with a tiny setting: it runs, and cancels leave nothing. Nothing is asserted about how
fast anything is."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

BENCHMARK = Path(__file__).parents[1] / "Benchmark" / "panel.py"


@pytest.mark.slow
def test_everything_is_measured_and_written(tmp_path):
    tiny = [
        "--out",
        "out",
        "--rounds",
        "1",
        "--cancels",
        "2",
        "--phantom",
        "40",
        "128",
        "128",
        "--large",
        "40",
        "128",
        "128",
    ]
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), *tiny], capture_output=True, text=True, cwd=tmp_path, timeout=900
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out/panel.json").read_text())
    figures = {(row["what"], row["measure"]): row["median"] for row in report["rows"]}
    assert {what for what, _ in figures} == {"phantom", "large scan", "live mode", "cancel"}
    for left in ("processes left", "temporary files left", "nodes changed"):
        assert figures.pop(("cancel", left)) == 0
    assert figures.pop(("cancel", "ended before it was stopped")) < 1
    assert all(value > 0 for value in figures.values()), figures
    rows = list(csv.DictReader((tmp_path / "out/panel.csv").open()))
    assert [(row["what"], row["measure"]) for row in rows] == [(row["what"], row["measure"]) for row in report["rows"]]
    assert all(measure in done.stdout for _, measure in figures)
