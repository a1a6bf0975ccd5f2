"""When a CT node was made and of whom: what Slicer's subject hierarchy has from DICOM, and the day that the user has
given."""

from __future__ import annotations

from datetime import datetime

from ..errors import InputError
from ..files.dicom_study import StudyFacts
from .dicom_database import image_files
from .nodes import subject_hierarchy

_DATE = "LiverTumor.date"  # of a CT node, given by the user


def date_of(ct_node) -> str | None:
    """The day of a CT, YYYY-MM-DD: the user's, else that of its study; None where nobody knows."""
    return ct_node.GetAttribute(_DATE) or facts_of(ct_node).date


def give_date(ct_node, text: str) -> bool:
    """Keep the day that the user has given with the CT; an empty text takes it back.

    Returns whether the text is a day (YYYY-MM-DD, or empty); nothing is kept where it is not.
    """
    day = _day(text)
    if text.strip() and day is None:
        return False
    ct_node.SetAttribute(_DATE, day)
    return True


def facts_of(ct_node) -> StudyFacts:
    """What the DICOM header told when the CT was loaded; without it only its name, as a description."""
    import slicer

    hierarchy = subject_hierarchy(ct_node.GetScene())
    item = hierarchy.GetItemByDataNode(ct_node) if hierarchy is not None else 0
    if not item:
        return StudyFacts(description=ct_node.GetName())
    names = slicer.vtkMRMLSubjectHierarchyConstants
    date = hierarchy.GetAttributeFromItemAncestor(
        item, names.GetDICOMStudyDateAttributeName(), names.GetDICOMLevelStudy()
    )
    patient = hierarchy.GetAttributeFromItemAncestor(
        item, names.GetDICOMPatientIDAttributeName(), names.GetDICOMLevelPatient()
    )
    series = hierarchy.GetItemUID(item, names.GetDICOMUIDName())
    return StudyFacts(_day(date), patient, series, ct_node.GetName())


def images_of(ct_node) -> tuple[str, ...]:
    """The DICOM files of a CT's slices; none where Slicer's DICOM database does not have them."""
    try:
        return tuple(image_files(ct_node))
    except InputError:
        return ()


def _day(text: str) -> str | None:
    for form in ("%Y-%m-%d", "%Y%m%d"):
        try:
            return datetime.strptime(text.strip(), form).date().isoformat()
        except ValueError:  # in another form, or no day of any calendar
            continue
    return None
