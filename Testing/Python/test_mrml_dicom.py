"""What Slicer's own plugin for DICOM SEG, which is not in slicer-core, reads from the nodes where a user exports them.

Slicer 5.12's DICOMSegmentationPlugin itself, with the dcmqi package, was run on such nodes while this was written.
"""

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

import slicer
import vtk
from LiverTumorLib.mrml import labels_to_segmentation
from mrml_scene import add_ct, make_ct, make_labels, new_scene

LABELS = make_labels(make_ct())


@pytest.fixture
def nodes():
    """A segmentation and its CT in a subject hierarchy."""
    scene = new_scene()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    ct = add_ct(scene)
    hierarchy.CreateItem(hierarchy.GetSceneItemID(), ct)
    return labels_to_segmentation(LABELS, ct), ct


def test_what_the_plugin_reads_of_a_segment(nodes):
    """An array of VTK's usual name, codes, and that a program drew it, without which the file would say "MANUAL"."""
    segmentation, ct = nodes
    labels_to_segmentation(LABELS, ct, segmentation)  # a second run writes over it
    terminologies = slicer.vtkSlicerTerminologiesModuleLogic()
    for name, code in (("Liver", "10200004"), ("Lesion 1", "4147007")):
        held = segmentation.GetSegmentation()
        segment = held.GetSegment(held.GetSegmentIdBySegmentName(name))
        scalars = segment.GetRepresentation("Binary labelmap").GetPointData().GetArray("ImageScalars")
        assert scalars.GetValueRange()[1] > 0
        tags = {}
        for tag in ("DICOM.SegmentAlgorithmType", "DICOM.SegmentAlgorithmName", segment.GetTerminologyEntryTagName()):
            value = vtk.reference("")
            assert segment.GetTag(tag, value)
            tags[tag] = str(value)
        assert tags["DICOM.SegmentAlgorithmType"] == "AUTOMATIC" and tags["DICOM.SegmentAlgorithmName"] == "LiverTumor"
        entry = slicer.vtkSlicerTerminologyEntry()
        terminologies.DeserializeTerminologyEntry(tags[segment.GetTerminologyEntryTagName()], entry)
        assert entry.GetTypeObject().GetCodeValue() == code and entry.GetCategoryObject().GetCodeValue()
