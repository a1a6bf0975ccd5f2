"""Makes small DICOM CT series that belong to a study, and what a run would find in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_writer import write_series
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.files import read_ct
from LiverTumorLib.pipelines.lesions import measure
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import LIVER, TUMOR, CaseResult

LIVER_HU, TUMOR_HU = 60, 130
MODELS = [
    {"id": "liver-roi", "task": "liver", "version": "0.5.0", "sha256": "a1" * 32},
    {"id": "liver-tumor", "task": "tumor", "version": "0.3.0", "sha256": "b2" * 32},
    {"id": "tumor-slice", "task": "slice", "version": "0.2.0", "sha256": "c3" * 32},
]
ORIGIN = {
    "task": "segment",
    "input": {"path": "/of/no/account"},
    "options": {"roi": True},
    "models": MODELS,
    "extras": {},
    "version": "1",
}
STUDY = {
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.1",
    "FrameOfReferenceUID": "1.2.826.0.1.3680043.8.498.2",
    "SeriesNumber": "4",
    "PatientBirthDate": "19600102",
    "PatientSex": "F",
    "StudyDate": "20250304",
    "StudyTime": "101112",
    "AcquisitionDate": "20250304",
    "AcquisitionTime": "101213",
    "AccessionNumber": "A77",
    "StudyID": "S1",
    "StudyDescription": "CT abdomen",
    "ReferringPhysicianName": "",
    "Manufacturer": "Scanner",
    "InstanceNumber": "1",
    "AcquisitionNumber": "1",
    "KVP": "120",
    "PositionReferenceIndicator": "",
}


def phantom_hu(shape: tuple[int, int, int] = (12, 40, 48)) -> np.ndarray:
    """A block of liver with a large and a small slanted lesion, (k, j, i), in air."""
    k, j, i = np.indices(shape)
    hu = np.full(shape, -1000)
    hu[(np.abs(j - 20) < 16) & (np.abs(i - 22) < 19) & (np.abs(k - 5.5) < 5)] = LIVER_HU
    hu[((k - 4) / 2.2) ** 2 + ((j - 16) / 5) ** 2 + ((i - j / 2 - 10) / 4) ** 2 <= 1] = TUMOR_HU
    hu[((k - 8) / 1.5) ** 2 + ((j - 28) / 3) ** 2 + ((i - 30) / 2) ** 2 <= 1] = TUMOR_HU + 20
    return hu


def write_study(folder: Path, hu: np.ndarray | None = None, **tags) -> Path:
    """Write a series with everything that its study needs; `tags` and other arguments of `write_series` change it."""
    write_series(folder, phantom_hu() if hu is None else hu, **(STUDY | tags))
    return folder


def found_in(folder: Path) -> tuple[CTVolume, CaseOutput]:
    """The volume of a series, and the output of a run that knew where liver and lesions are."""
    volume = read_ct(folder)
    labels = np.where(volume.array > TUMOR_HU - 30, TUMOR, np.where(volume.array > LIVER_HU - 30, LIVER, 0)).astype(
        np.uint8
    )
    lesions, summary = measure(labels, volume, np.where(labels == TUMOR, 0.9, 0.1).astype(np.float16))
    return volume, CaseOutput(CaseResult(folder.name, summary, lesions, models=MODELS), labels)
