"""Small scans, and what one process finds in them: what the tests of clusters compare with."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from LiverTumorLib.batch.folder import write_volume
from LiverTumorLib.cli import main
from LiverTumorLib.files import read_labels
from LiverTumorLib.phantom import make_phantom

NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def scans(tmp_path_factory) -> Path:
    """Three small scans of one phantom, which differ in a voxel of air."""
    folder = tmp_path_factory.mktemp("scans")
    volume, _ = make_phantom(1, (16, 64, 64))
    for number, name in enumerate(NAMES):
        array = volume.array.copy()
        array[0, 0, 0] = -900 - number
        write_volume(folder / f"{name}.nii.gz", array, volume.ijk_to_ras)
    return folder


@pytest.fixture(scope="module")
def alone(scans, tmp_path_factory) -> Path:
    """The results of a batch without a cluster."""
    out = tmp_path_factory.mktemp("alone")
    assert main(["segment", str(scans), "--out", str(out), "--no-picture", "--quiet", "--threads", "1"]) == 0
    return out


def assert_same_results(out: Path, alone: Path) -> None:
    for name in NAMES:
        assert np.array_equal(
            read_labels(out / name / f"{name}.seg.nrrd")[0], read_labels(alone / name / f"{name}.seg.nrrd")[0]
        )
        assert (out / name / "lesions.csv").read_bytes() == (alone / name / "lesions.csv").read_bytes()


def table(path: Path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def statuses(out: Path) -> dict[str, str]:
    return {row["case"]: row["status"] for row in table(out / "cases.csv")}
