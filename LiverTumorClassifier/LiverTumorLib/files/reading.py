"""The one door for CT files: any supported format becomes a checked CTVolume."""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from pathlib import Path

from ..ct.volume import CTVolume
from ..errors import InputError
from .intensity import check_ct
from .kinds import DICOM, META, NIFTI, NRRD, case_name, is_gzip, kind_of
from .opening import announce
from .stored import MOST_PACKED_CT, check_regular

_KINDS = {".nii": NIFTI, ".nii.gz": NIFTI, ".nrrd": NRRD, ".nhdr": NRRD, ".mha": META, ".mhd": META, ".dcm": DICOM}
_READERS = {NIFTI: "nifti", NRRD: "nrrd", META: "metaimage"}  # by kind the module; a file needs one of them


def read_ct(path: str | Path, series: str | None = None) -> CTVolume:
    """Read a CT from NIfTI, NRRD, MetaImage, a DICOM folder (sub-folders too) or one file of a DICOM series.

    Args:
        path: file or folder.
        series: which DICOM series of a folder: its SeriesInstanceUID, number or description.

    Returns:
        The volume in HU, int16 where all values are whole numbers and float32 otherwise; `notes` tells choices and
        repairs.

    Raises:
        InputError: missing, unreadable, or no CT volume; the message says which and what to do.
        RequirementError: a package that the format needs is not installed.
    """
    path = check_path(path)
    announce(path)
    name = case_name(path)
    kind = None if path.is_dir() else kind_of(path)
    if kind in _READERS or (kind is None and _kind_by_name(path) in _READERS):
        return check_ct(read_stored(path, name))
    from .dicom import read_dicom

    volume = read_dicom(path, name, series)
    notes = () if path.is_dir() else _misnamed(path, DICOM)
    return check_ct(replace(volume, name=name, notes=notes + volume.notes))


def read_stored(path: Path, name: str, most_packed: float = MOST_PACKED_CT) -> CTVolume:
    """Read a NIfTI, NRRD or MetaImage file, unchecked. What it holds decides, not its name; a name that says otherwise
    gets a note.

    Raises:
        InputError: it is none of these, or cannot be used.
    """
    kind = kind_of(path)
    if kind not in _READERS:
        meant = _kind_by_name(path)
        what = (
            f"damaged or no {meant} file (its first bytes are those of none); copy or export it again"
            if meant in _READERS
            else _OTHERS
        )
        raise InputError(
            f"{path} is {what}." if kind is None else f"{path} is a {kind} file; use NIfTI, NRRD or MetaImage here."
        )
    module = importlib.import_module(f".{_READERS[kind]}", __package__)
    volume: CTVolume = getattr(module, f"read_{_READERS[kind]}")(path, name, most_packed)
    return CTVolume(volume.array, volume.ijk_to_ras, name, _misnamed(path, kind) + volume.notes)


_OTHERS = "no NIfTI, NRRD or MetaImage file; convert it to one, in Slicer for example"


def _kind_by_name(path: Path) -> str | None:
    return next((kind for ending, kind in _KINDS.items() if path.name.lower().endswith(ending)), None)


def _misnamed(path: Path, kind: str) -> tuple[str, ...]:
    """A note where a file's name says something else than the file is; other programs will not open it."""
    meant = _kind_by_name(path)
    if meant not in (None, kind):
        return (f"The file's name says {meant}, but it is a {kind} file and was read as one; rename it.",)
    if kind == NIFTI and meant and is_gzip(path) != path.name.lower().endswith(".gz"):
        told = (
            "is not compressed, though its name ends in .gz"
            if not is_gzip(path)
            else "is compressed with gzip, though its name does not end in .gz"
        )
        return (f"The file {told}; it was read as it is. Rename it, since other programs will not open it.",)
    return ()


def check_path(path: str | Path) -> Path:
    """The path as an absolute one, when there is something readable.

    Raises:
        InputError: it does not exist, may not be read, is empty, or is a pipe or device.
    """
    path = Path(os.path.abspath(Path(path).expanduser()))
    try:
        if not os.path.lexists(path):
            raise InputError(f"{path} does not exist; check the name.")
        if os.path.islink(path) and not os.path.exists(path):
            raise InputError(f"{path} is a link to a file that does not exist; copy the file itself.")
        if path.is_dir():
            os.listdir(path)
        else:
            check_regular(path)
            with open(path, "rb") as file:
                if not file.read(1):
                    raise InputError(f"{path} is an empty file; copy or export it again.")
    except PermissionError as error:
        raise InputError(f"{path} may not be read; ask for permission to read it.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be opened ({error}).") from error
    return path
