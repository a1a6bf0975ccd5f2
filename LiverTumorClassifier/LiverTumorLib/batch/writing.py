"""The files of a case, written by the child that has analyzed it, where the volumes are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..records.options import CaseOutput
from .folder import write_files


def write_case(output: CaseOutput, *, folder: str, name: str, nifti: bool, picture: bool, truth: str | None) -> None:
    """Write all but the summary of a case; the writer of a job (`jobs.Writer`).

    Args:
        output: with the CT as its `volume`.
        folder: takes the files.
        name: of the case.
        nifti: also write a NIfTI label map.
        picture: write the one-page picture.
        truth: a .npy of labels on the CT's grid, to be drawn into the picture.

    Raises:
        OutputError: a file cannot be written.
        RequirementError: a package that a file needs is not installed.
    """
    assert output.volume is not None, "a job whose child reads the CT has one"
    write_files(Path(folder), name, output, output.volume.ijk_to_ras, nifti=nifti)
    if picture:
        from ..report import case_picture

        drawn = None if truth is None else np.load(truth, allow_pickle=False)
        case_picture(Path(folder) / "report.png", output.volume, output, truth=drawn)
