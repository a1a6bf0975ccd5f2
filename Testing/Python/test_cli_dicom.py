"""DICOM on the command line: what is said of damaged and incomplete series, and that one of them stops no others."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from cli_tools import rows, run
from dicom_writer import write_slice
from LiverTumorLib import errors
from test_files_reading import ct_values

HU = ct_values((12, 32, 32))


def write_scan(folder: str, **tags) -> list[Path]:
    Path(folder).mkdir(parents=True)
    for k, plane in enumerate(HU):
        own = {
            "SeriesInstanceUID": "1.2.826.3",
            "SeriesDescription": "Liver of Mr. Smith",
            "PatientID": "777",
            "InstanceNumber": k + 1,
        }
        write_slice(Path(folder) / f"IM{k:03d}", plane, (0, 0, 5 * k), **(own | tags))
    return sorted(Path(folder).iterdir())


@pytest.mark.parametrize("task", ["segment", "classify"])
def test_images_that_could_not_be_used_are_told_with_the_result(work, task):
    for file in write_scan("scan")[9:]:
        dataset = pydicom.dcmread(file)
        del dataset.ImagePositionPatient
        dataset.save_as(file)
    done = run(task, "scan", "--out", "out")
    note = "3 of 12 images of the series could not be used (images without position); the volume may be cut."
    assert note in done.stdout
    assert note in json.loads(Path("out/scan/summary.json").read_text(encoding="utf-8"))["case"]["summary"]["notes"]


def test_a_poisoned_folder_is_one_failed_case(work):
    for file in write_scan("in/cut")[9:]:
        file.write_bytes(file.read_bytes()[:300])
    at = write_scan("in/poisoned", SeriesInstanceUID="1.2.826.4")[0]
    content = at.read_bytes()
    rows_at = content.index(b"\x28\0\x10\0US")
    at.write_bytes(content[: rows_at + 6] + b"\1\0\1" + content[rows_at + 10 :])  # one byte, where two are due
    for file in write_scan("in/bare", SeriesInstanceUID="1.2.826.5"):
        file.write_bytes(file.read_bytes()[144 + int.from_bytes(file.read_bytes()[140:144], "little") :])
    write_scan("in/sound/P1", SeriesInstanceUID="1.2.826.6")
    write_scan("in/sound/P2", SeriesInstanceUID="1.2.826.6", PatientID="888")
    done = run("segment", "in", "--out", "out", check=errors.SomeCasesFailed.exit_code)
    table = {row["case"]: row for row in rows("out/cases.csv")}
    assert {name: row["status"] for name, row in table.items()} == {
        "bare": "done", "cut": "failed", "P1": "done", "P2": "done", "poisoned": "failed",
    }  # fmt: skip
    assert "3 of 12 images" in table["cut"]["reason"] and "IM009 has an incomplete header" in table["cut"]["reason"]
    assert (
        "1 of 12 images" in table["poisoned"]["reason"]
        and "IM000 has a damaged DICOM header" in table["poisoned"]["reason"]
    )
    told = done.stdout + done.stderr + "".join(path.read_text() for path in Path("out").rglob("*.[cj]s*"))
    told = re.sub(r"[0-9a-f]{64}|\b\d{15,}\b|\b\d+\.\d{4,}\b", "", told)  # checksums, times and measures
    assert not [word for word in ("Smith", "1.2.826", "777", "888") if word in told]


def test_two_phases_in_one_series_are_a_choice(work):
    write_scan("scan", AcquisitionNumber="1")
    for k, plane in enumerate(np.where(HU > 20, HU + 40, HU)):
        tags = {
            "SeriesInstanceUID": "1.2.826.3",
            "PatientID": "777",
            "AcquisitionNumber": "2",
            "InstanceNumber": 101 + k,
        }
        write_slice(Path(f"scan/late{k:03d}"), plane, (0, 0, 5 * k + 2.5), **tags)
    done = run("segment", "scan", "--out", "out", check=errors.InputError.exit_code)
    assert "acquisition 1 (12 slices), IM000 is one of them" in done.stderr and "late000 is one of them" in done.stderr
    assert "late005: liver" in run("segment", "scan/late005", "--out", "out").stdout
