"""Two small dates of one patient as nodes, with lesions whose pairs are known."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import slicer
from followup_phantoms import ball
from LiverTumorLib.followup import follow, make_study
from LiverTumorLib.mrml import ct_from_node, ct_to_node, labels_from_segmentation, labels_to_segmentation
from LiverTumorLib.mrml.follow_up import DateNodes, Kept, keep
from LiverTumorLib.mrml.lesions import lesions_of
from LiverTumorLib.mrml.segment_contents import contents_of
from LiverTumorLib.mrml.study_facts import date_of, give_date

PRIOR = [((-20, 0, 0), 14), ((25, 10, 10), 9)]
CURRENT = [((-20, 0, 0), 20), ((25, 10, 10), 9), ((0, -30, -15), 7)]  # the last is new
SHIFT = (8.0, -5.0, 10.0)


def add_date(name: str, lesions, day: str, shift=(0.0, 0.0, 0.0)) -> DateNodes:
    volume, labels = ball(70, center=shift, lesions=[(np.add(place, shift), radius) for place, radius in lesions])
    array = np.where(labels > 0, 60, -100) + 60 * (labels == 2)
    ct = ct_to_node(replace(volume, name=name, array=array.astype(np.int16)), slicer.mrmlScene)
    give_date(ct, day)
    return DateNodes(ct, labels_to_segmentation(labels, ct))


def add_two() -> list[DateNodes]:
    """Spring and summer in Slicer's scene."""
    return [add_date("Spring", PRIOR, "2026-03-01"), add_date("Summer", CURRENT, "2026-06-09", SHIFT)]


def add_comparison(dates: list[DateNodes]):
    """What a run on spring and summer leaves in the scene, without the run."""
    contents = tuple(contents_of(date.segmentation) for date in dates)
    return keep(dates[1].ct, dates, Kept(_compared(), None, (), contents))


@cache
def _compared():
    from mrml_scene import new_scene

    before = slicer.mrmlScene
    new_scene()
    dates = add_two()
    studies = [
        make_study(ct_from_node(date.ct), labels_from_segmentation(date.segmentation, date.ct), date=date_of(date.ct))
        for date in dates
    ]
    slicer.mrmlScene = before
    return follow(studies)


def delete_largest(segmentation) -> None:
    """Take the largest lesion away, as the Segment Editor does."""
    segmentation.GetSegmentation().RemoveSegment(lesions_of(segmentation)[0].identifier)


def add_to_hierarchy(ct, patient: str, day: str, series: str = "") -> None:
    """Put a CT under a patient and a study, as Slicer's DICOM module does."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(ct.GetScene())
    names = slicer.vtkMRMLSubjectHierarchyConstants
    level = names.GetSubjectHierarchyLevelAttributeName()
    above = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), patient)
    hierarchy.SetItemAttribute(above, names.GetDICOMPatientIDAttributeName(), patient)
    hierarchy.SetItemAttribute(above, level, names.GetDICOMLevelPatient())
    study = hierarchy.CreateStudyItem(above, "study")
    hierarchy.SetItemAttribute(study, names.GetDICOMStudyDateAttributeName(), day)
    hierarchy.SetItemAttribute(study, level, names.GetDICOMLevelStudy())
    hierarchy.SetItemUID(hierarchy.CreateItem(study, ct), names.GetDICOMUIDName(), series)
