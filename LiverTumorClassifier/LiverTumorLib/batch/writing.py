"""The files of a case, written by the child that has analyzed it, where the volumes are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..ct import CTVolume
from ..errors import InputError, LiverTumorError
from ..records.options import DICOM_PAGES, CaseOutput
from .folder import write_files
from .log import unexpected


def write_case(
    output: CaseOutput,
    *,
    folder: str,
    name: str,
    nifti: bool,
    picture: bool,
    truth: str | None,
    dicom: str | None,
    dicom_page: str,
) -> None:
    """Write all but the summary of a case; the writer of a job (`jobs.Writer`).

    Args:
        output: with the CT as its `volume`.
        folder: takes the files.
        name: of the case.
        nifti: also write a NIfTI label map.
        picture: write the one-page picture.
        truth: a .npy of labels on the CT's grid, to be drawn into the picture.
        dicom: what the results follow from, as JSON, see `make_origin`; also write DICOM objects and the page as a PDF,
            or a note that says why there are none.
        dicom_page: see `DICOM_PAGES`.

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
    if dicom is not None:
        page = None
        if picture:
            from ..report import case_page

            case_page(Path(folder) / "report.pdf", output.volume, output)
            page = Path(folder) / ("report.pdf" if dicom_page == DICOM_PAGES[0] else "report.png")
        output.result.summary.notes += _write_dicom(Path(folder), name, output.volume, output, json.loads(dicom), page)


def _write_dicom(
    folder: Path, name: str, volume: CTVolume, output: CaseOutput, origin: dict, page: Path | None
) -> list[str]:
    """Write the DICOM objects of a case; returns notes on them, or why there are none."""
    from ..dicom import write_dicom

    try:
        return write_dicom(folder, name, volume, output, origin, page)
    except InputError as error:
        return [str(error)]
    except LiverTumorError:
        raise
    except Exception as error:  # of highdicom, on headers that nobody has foreseen: the other results are good
        return [f"No DICOM results were written. {unexpected(error)}"]
