"""What the tests of the command line share: the program started as a user types it, small CTs, and what was written."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from job_tools import PATIENCE_S
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.models.bundle import write_bundle
from LiverTumorLib.models.manifest import Manifest

HERE = Path(__file__).parent
# Those that this process has, which need not be those that a child would find.
LIBRARIES = [
    str(Path(found.origin).parents[1])
    for name in ("LiverTumorLib", "CompressionTrainerLib")
    if (found := find_spec(name))
]


AFFINE = np.array([[-0.8, 0, 0, 12], [0, -0.8, 0, 14], [0, 0, 3.0, -200], [0, 0, 0, 1]])
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty current folder, models of the test's own, and a temporary folder in which nothing may be left but
    logs."""
    for name in ("temp", "models", "work"):
        (tmp_path / name).mkdir()
    for id, task in (("liver-roi", "liver"), ("liver-tumor", "tumor"), ("tumor-slice", "slice")):
        manifest = Manifest(id, "1.0", f"The {task} model", task, InputSpec((64, 64), 4.0), 0.5, {}, "test")
        write_bundle(
            tmp_path / "models" / id,
            manifest,
            {"model.tflite": id.encode() * 1000, "card.md": f"# {id}: Kärtchen\n".encode()},
        )
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temp"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *LIBRARIES]))
    monkeypatch.chdir(tmp_path / "work")
    yield tmp_path / "work"
    assert [path.name for path in (tmp_path / "temp").iterdir() if path.suffix != ".log"] == []


def command(*arguments: str, tasks: bool = True) -> list[str]:
    start = [str(HERE / "cli_with_tasks.py")] if tasks else ["-m", "LiverTumorLib.cli"]
    picture = (
        ["--no-picture"] if tasks and arguments[0] in ("segment", "classify") and "--picture" not in arguments else []
    )
    return [sys.executable, *start, *(argument for argument in arguments if argument != "--picture"), *picture]


def run(*arguments: str, tasks: bool = True, check: int | None = 0, **more) -> subprocess.CompletedProcess:
    """Run the program and see that it ended with the exit code `check`, and that no traceback reached the user."""
    words = command(*arguments, tasks=tasks)
    done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=PATIENCE_S, **more)
    assert "Traceback" not in done.stdout + done.stderr
    assert check is None or done.returncode == check, done.stdout + done.stderr
    return done


def write_ct(path: str | Path, shape=(6, 20, 24), value: int = 60) -> np.ndarray:
    """A small CT: air, a body of `value` HU, and in it a bright spot; returns the labels that the task gives it."""
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
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }
