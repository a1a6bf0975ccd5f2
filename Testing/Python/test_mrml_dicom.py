"""DICOM SEG by Slicer's own plugin, which is not in slicer-core: what it is given, what it reads from the nodes, what
it may answer.

Slicer 5.12's DICOMSegmentationPlugin itself, with the dcmqi package, was run on such nodes while this was written.
"""

import sys
import types

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

import slicer
import vtk
from LiverTumorLib.errors import InputError, OutputError
from LiverTumorLib.mrml import labels_to_segmentation
from LiverTumorLib.mrml.export import dicom_problem, export_dicom
from mrml_scene import add_ct, make_ct, make_labels, new_scene

LABELS = make_labels(make_ct())


class Exportable:
    directory = ""


class Plugin:
    """Answers as Slicer's does: no exportable where a referenced file is not in the database, and the text of what went
    wrong."""

    database: set[str] = set()
    failure = ""
    exported: list = []

    def examineForExport(self, item):
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        self.node = hierarchy.GetItemDataNode(item)
        known = set(hierarchy.GetItemAttribute(item, "DICOM.ReferencedInstanceUIDs").split()) <= self.database
        return [Exportable()] if known else []

    def export(self, exportables):
        self.exported.append((self.node, exportables[0].directory))
        return self.failure


@pytest.fixture
def nodes(monkeypatch):
    """A segmentation and its CT in a subject hierarchy; the plugin where Slicer has it."""
    plugin = type("DICOMSegmentationPluginClass", (Plugin,), {"database": {"1.2.3", "1.2.4"}, "exported": []})
    monkeypatch.setitem(
        sys.modules, "DICOMSegmentationPlugin", types.SimpleNamespace(DICOMSegmentationPluginClass=plugin)
    )
    scene = new_scene()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    ct = add_ct(scene)
    ct.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    hierarchy.CreateItem(hierarchy.GetSceneItemID(), ct)
    return labels_to_segmentation(LABELS, ct), ct, plugin


def test_the_plugin_gets_the_segmentation_its_references_and_the_folder(nodes, tmp_path):
    segmentation, ct, plugin = nodes
    export_dicom(segmentation, ct, tmp_path)
    assert plugin.exported == [(segmentation, str(tmp_path))]


def test_what_the_plugin_reads_of_a_segment(nodes):
    """An array of VTK's usual name, codes, and that a program drew it, without which the file would say "MANUAL"."""
    segmentation, ct, _ = nodes
    labels_to_segmentation(LABELS, ct, segmentation)  # a second run writes over it
    terminologies = slicer.vtkSlicerTerminologiesModuleLogic()
    for name, code in (("Liver", "10200004"), ("Lesion", "4147007")):
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


def test_what_stands_in_the_way_is_said(nodes, tmp_path):
    segmentation, ct, plugin = nodes
    plugin.failure = "Segmentation object export failed."
    with pytest.raises(OutputError, match="Slicer could not write the DICOM SEG: Segmentation object export failed."):
        export_dicom(segmentation, ct, tmp_path)
    plugin.database = {"1.2.3"}
    with pytest.raises(
        InputError, match="The DICOM files of Abdomen are not in Slicer's DICOM database; import them again."
    ):
        export_dicom(segmentation, ct, tmp_path)
    ct.RemoveAttribute("DICOM.instanceUIDs")
    assert "was not loaded from DICOM" in dicom_problem(ct) and "was not loaded from DICOM" in dicom_problem(None)
    with pytest.raises(InputError, match="was not loaded from DICOM"):
        export_dicom(segmentation, ct, tmp_path)
