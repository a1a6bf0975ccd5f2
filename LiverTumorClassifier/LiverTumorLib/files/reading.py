"""The one door for CT files: any supported format becomes a checked CTVolume."""

from __future__ import annotations

import os
from pathlib import Path

from ..ct.volume import CTVolume
from ..errors import InputError
from .dicom import read_dicom
from .intensity import check_ct
from .itk import read_itk
from .nifti import read_nifti
from .opening import announce

NIFTI_ENDINGS = (".nii", ".nii.gz")
ITK_ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd")


def read_ct(path: str | Path, series: str | None = None) -> CTVolume:
    """Read a CT from NIfTI, NRRD, MetaImage, a DICOM folder (sub-folders too) or one file of a DICOM series.

    Args:
        path: file or folder.
        series: which DICOM series of a folder: its SeriesInstanceUID, number or description.

    Returns:
        The volume in HU, int16 where all values are whole numbers and float32 otherwise; `notes` tells choices and repairs.

    Raises:
        InputError: missing, unreadable, or no CT volume; the message says which and what to do.
        RequirementError: a package that the format needs is not installed.
    """
    path = check_path(path)
    announce(path)
    lower = path.name.lower()
    if path.is_dir():
        volume = read_dicom(path, case_name(path), series)
    elif lower.endswith(NIFTI_ENDINGS):
        volume = read_nifti(path, case_name(path))
    elif lower.endswith(ITK_ENDINGS):
        volume = read_itk(path, case_name(path))
    else:
        volume = read_dicom(path, case_name(path), series)
    return check_ct(volume)


def case_name(path: Path) -> str:
    """A case's name from its file name, without the ending."""
    for ending in (*NIFTI_ENDINGS[::-1], *ITK_ENDINGS, ".dcm"):
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.name


def check_path(path: str | Path) -> Path:
    """The path as an absolute one, when there is something readable.

    Raises:
        InputError: it does not exist, may not be read, or is empty.
    """
    path = Path(os.path.abspath(Path(path).expanduser()))
    try:
        if not path.exists():
            raise InputError(f"{path} does not exist; check the name.")
        if path.is_dir():
            os.listdir(path)
        else:
            with open(path, "rb") as file:
                if not file.read(1):
                    raise InputError(f"{path} is an empty file; copy or export it again.")
    except PermissionError as error:
        raise InputError(f"{path} may not be read; ask for permission to read it.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be opened ({error}).") from error
    return path
