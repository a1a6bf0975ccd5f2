"""Slicer's DICOM database: where the images of a CT lie, and where results go."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError, OutputError
from .translation import _


def dicom_problem(ct_node) -> str:
    """Why results on this CT cannot become DICOM objects; "" where they can."""
    if ct_node is None or not ct_node.GetAttribute("DICOM.instanceUIDs"):
        return _("The CT was not loaded from DICOM, so there is no study that its results could belong to.")
    return ""


def image_files(ct_node) -> list[str]:
    """The DICOM file of each slice of a CT, in the order of its slices.

    Raises:
        InputError: the CT is not from DICOM, its files are not in the database anymore, or not one a slice.
    """
    if problem := dicom_problem(ct_node):
        raise InputError(problem)
    name = ct_node.GetName()
    # Slicer's plugin writes them in the order of the slices.
    files = [_database().fileForInstance(uid) for uid in ct_node.GetAttribute("DICOM.instanceUIDs").split()]
    if not all(file and Path(file).is_file() for file in files):
        raise InputError(
            _("The DICOM files of {name} are not in Slicer's DICOM database; import them again.").format(name=name)
        )
    if len(files) != ct_node.GetImageData().GetDimensions()[2]:
        raise InputError(
            _("{name} has another number of slices than DICOM images, so nothing can refer to them.").format(name=name)
        )
    return files


def add_to_database(folder: Path) -> None:
    """Copy all DICOM files of a folder into the database.

    Raises:
        InputError: no database is open. OutputError: Slicer could not do it.
    """
    _database()
    from DICOMLib import DICOMUtils

    if not DICOMUtils.importDicom(str(folder), copyFiles=True):
        raise OutputError(_("Slicer could not store the results in its DICOM database; its log says why."))


def check_database() -> None:
    """Raises InputError where no database is open."""
    _database()


def _database():
    import slicer

    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        raise InputError(_("Slicer has no DICOM database open; open the DICOM module once, which makes one."))
    return database
