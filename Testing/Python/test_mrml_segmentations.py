"""Labels become segments that Slicer's users know, and come back on exactly the CT's grid."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

import slicer
import vtk
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_labels
from LiverTumorLib.mrml import labels_from_segmentation, labels_to_segmentation
from LiverTumorLib.records.segments import SEGMENTS
from mrml_scene import GRIDS, add_ct, add_transform, make_ct, make_labels, new_scene
from vtk.util.numpy_support import vtk_to_numpy

LABELS = make_labels(make_ct())


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture
def ct(scene):
    return add_ct(scene, GRIDS["oblique"])


def segments_of(node) -> dict:
    segmentation = node.GetSegmentation()
    return {identifier: segmentation.GetSegment(identifier) for identifier in segmentation.GetSegmentIDs()}


def add_segment(node, identifier: str, box: tuple[slice, slice, slice], label: int = 1, matrix=None) -> None:
    """Another segment, in the layer of Slicer's making, as a user would draw it."""
    labels = np.zeros(LABELS.shape, np.uint8)
    labels[box] = 1
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*LABELS.shape[::-1])
    image.GetPointData().SetScalars(vtk.util.numpy_support.numpy_to_vtk(labels.ravel() * label, deep=True))
    to_ras = vtk.vtkMatrix4x4()
    to_ras.DeepCopy((GRIDS["oblique"] if matrix is None else matrix).ravel().tolist())
    image.SetGeometryFromImageToWorldMatrix(to_ras)
    segment = slicer.vtkSegment()
    segment.SetName(identifier)
    segment.SetLabelValue(label)
    segment.AddRepresentation("Binary labelmap", image)
    node.GetSegmentation().AddSegment(segment, identifier)


@pytest.mark.parametrize("grid", GRIDS)
def test_labels_survive_the_round_trip_on_any_grid(scene, grid):
    ct = add_ct(scene, GRIDS[grid])
    node = labels_to_segmentation(LABELS, ct)
    np.testing.assert_array_equal(labels_from_segmentation(node, ct), LABELS)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_saved_segmentation_has_the_labels_and_the_grid(scene, grid, tmp_path):
    """Through Slicer's own file writer and our reader: each voxel is where it was in the CT."""
    ct = add_ct(scene, GRIDS[grid])
    node = labels_to_segmentation(LABELS, ct)
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(tmp_path / "saved.seg.nrrd"))
    assert storage.WriteData(node) == 1
    labels, matrix = read_labels(tmp_path / "saved.seg.nrrd")
    kji = np.argwhere(LABELS)
    ras = kji[:, ::-1] @ GRIDS[grid][:3, :3].T + GRIDS[grid][:3, 3]
    ijk = (ras - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T
    found = np.rint(ijk).astype(int)
    np.testing.assert_allclose(ijk, found, atol=1e-3)
    np.testing.assert_array_equal(labels[tuple(found.T[::-1])], LABELS[tuple(kji.T)])
    assert np.count_nonzero(labels) == len(kji)


def test_names_colors_and_terminology(ct):
    node = labels_to_segmentation(LABELS, ct)
    assert node.GetName() == "Abdomen segmentation"
    segments = segments_of(node)
    assert [segment.GetName() for segment in segments.values()] == ["Liver", "Lesion 1"]
    for expected, segment in zip(SEGMENTS, segments.values(), strict=True):
        np.testing.assert_allclose(segment.GetColor(), np.array(expected.rgb) / 255)
        assert segment.GetLabelValue() == expected.label
        assert segment.GetTerminology() == expected.terminology
    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    entry = slicer.vtkSlicerTerminologyEntry()
    assert logic.DeserializeTerminologyEntry(segments["Liver"].GetTerminology(), entry)
    assert (entry.GetTypeObject().GetCodingSchemeDesignator(), entry.GetTypeObject().GetCodeValue()) == (
        "SCT",
        "10200004",
    )
    assert logic.DeserializeTerminologyEntry(segments["Lesion 1"].GetTerminology(), entry)
    assert entry.GetTypeObject().GetCodeValue() == "4147007"
    assert entry.GetRegionObject().GetCodeMeaning() == "Liver"


def test_the_segments_share_one_layer_of_the_size_of_the_liver(ct):
    node = labels_to_segmentation(LABELS, ct)
    assert node.GetSegmentation().GetNumberOfLayers() == 1
    image = segments_of(node)["Liver"].GetRepresentation("Binary labelmap")
    used = np.argwhere(LABELS)
    assert image.GetDimensions() == tuple((np.ptp(used, axis=0) + 1)[::-1])


def test_reference_geometry_is_the_ct(ct):
    node = labels_to_segmentation(LABELS, ct)
    assert node.GetNodeReference(slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()) is ct
    geometry = slicer.vtkOrientedImageData()
    text = node.GetSegmentation().GetConversionParameter("Reference image geometry")
    assert slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, geometry, False)
    assert geometry.GetDimensions() == LABELS.shape[::-1]
    matrix = vtk.vtkMatrix4x4()
    geometry.GetImageToWorldMatrix(matrix)
    np.testing.assert_allclose(np.array(matrix.GetData()).reshape(4, 4), GRIDS["oblique"], atol=1e-6)


def test_empty_labels_give_an_empty_liver(ct):
    node = labels_to_segmentation(np.zeros_like(LABELS), ct)
    assert list(segments_of(node)) == ["Liver"]
    assert not labels_from_segmentation(node, ct).any()


def test_a_second_run_replaces_the_first(scene, ct):
    node = labels_to_segmentation(LABELS, ct)
    number = scene.GetNumberOfNodes()
    liver = segments_of(node)["Liver"]
    liver.SetColor(0, 0, 1)
    liver.SetName("My liver")
    other = np.roll(LABELS, 1, axis=0)
    assert labels_to_segmentation(other, ct, node) is node
    assert scene.GetNumberOfNodes() == number
    assert list(segments_of(node)) == ["Liver", "Lesion 1"]
    np.testing.assert_array_equal(labels_from_segmentation(node, ct), other)
    assert segments_of(node)["Liver"].GetName() == "My liver"
    assert segments_of(node)["Liver"].GetColor() == (0, 0, 1)


def test_a_segmentation_that_was_deleted_is_made_again(scene, ct):
    node = labels_to_segmentation(LABELS, ct)
    scene.RemoveNode(node)
    again = labels_to_segmentation(LABELS, ct, node)
    assert again is not node
    assert again.GetScene() is scene


def test_other_segments_of_a_given_segmentation_stay(scene, ct):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    box = (slice(0, 4), slice(0, 5), slice(0, 6))
    add_segment(node, "Spleen", box, label=2)
    labels_to_segmentation(LABELS, ct, node)
    labels_to_segmentation(np.roll(LABELS, 2, axis=2), ct, node)
    assert node.GetName() == "Mine"
    spleen = segments_of(node)["Spleen"].GetRepresentation("Binary labelmap")
    voxels = vtk_to_numpy(spleen.GetPointData().GetScalars())
    assert np.count_nonzero(voxels == segments_of(node)["Spleen"].GetLabelValue()) == 4 * 5 * 6


def test_a_surface_that_is_shown_follows(scene, ct):
    logic = slicer.vtkSlicerSegmentationsModuleLogic()  # without it slicer-core makes no surfaces
    logic.SetMRMLScene(scene)
    node = labels_to_segmentation(LABELS, ct)
    assert node.CreateClosedSurfaceRepresentation()
    before = segments_of(node)["Lesion 1"].GetRepresentation("Closed surface").GetBounds()
    labels_to_segmentation(np.roll(LABELS, 2, axis=0), ct, node)
    after = segments_of(node)["Lesion 1"].GetRepresentation("Closed surface").GetBounds()
    assert np.abs(np.subtract(after, before)).max() > 2


def test_labels_of_another_size_are_refused(ct):
    with pytest.raises(InputError, match="Abdomen has changed its size"):
        labels_to_segmentation(LABELS[1:], ct)


def test_where_segments_overlap_the_lesion_counts(ct, scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
    liver, lesion = (slice(1, 8), slice(1, 9), slice(1, 9)), (slice(2, 4), slice(3, 6), slice(3, 12))
    add_segment(node, "Lesion", lesion)
    add_segment(node, "Liver", liver)
    expected = np.zeros_like(LABELS)
    expected[liver] = 1
    expected[lesion] = 2
    np.testing.assert_array_equal(labels_from_segmentation(node, ct), expected)


def test_segments_are_found_by_name_or_meaning(ct, scene):
    box = (slice(2, 5), slice(2, 5), slice(2, 5))
    named = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Named")
    add_segment(named, "Segment_7", box)
    segments_of(named)["Segment_7"].SetName("Liver")
    meant = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Meant")
    add_segment(meant, "Segment_8", box)
    segments_of(meant)["Segment_8"].SetTerminology(
        "DICOM master list~SCT^123037004^Anatomical Structure~SCT^10200004^Leber~^^~list~^^~^^"
    )
    for node in (named, meant):
        labels = labels_from_segmentation(node, ct)
        assert (labels[box] == 1).all()
        assert np.count_nonzero(labels) == 27


def test_further_lesions_count_and_those_of_other_organs_do_not(ct, scene):
    """The user adds segments, with the names and codes that people and programs give."""
    node = labels_to_segmentation(LABELS, ct)
    drawn = {
        name: (slice(6, 7), slice(2, 4), slice(column, column + 2))
        for name, column in (("Tumor", 2), ("metastasis_2", 5), ("S9", 8))
    }
    for name, box in drawn.items():
        add_segment(node, name, box)
    codes = "list~SCT^49755003^Altered~SCT^86049000^Neoplasm, Primary~^^~regions~{}~^^"
    segments_of(node)["S9"].SetTerminology(codes.format("SCT^10200004^Liver"))
    add_segment(node, "S10", (slice(6, 7), slice(7, 9), slice(2, 4)))
    segments_of(node)["S10"].SetTerminology(codes.format("SCT^64033007^Kidney"))
    add_segment(node, "Kidney tumor", (slice(6, 7), slice(7, 9), slice(5, 7)))
    expected = LABELS.copy()
    for box in drawn.values():
        expected[box] = 2
    np.testing.assert_array_equal(labels_from_segmentation(node, ct), expected)


@pytest.mark.parametrize("segment", SEGMENTS, ids=lambda segment: segment.name)
def test_the_codes_are_in_slicers_own_lists(segment):
    """As in SegmentationCategoryTypeModifier-SlicerGeneralAnatomy.json and AnatomicRegion… of Slicer 5.12.3."""
    context, category, kind, _, regions, region, _ = segment.terminology.split("~")
    assert (
        context == "Segmentation category and type - 3D Slicer General Anatomy list"
        and regions == "Anatomic codes - DICOM master list"
    )
    assert (category, kind, region) in (
        ("SCT^123037004^Anatomical Structure", "SCT^10200004^Liver", "^^"),
        ("SCT^49755003^Morphologically Altered Structure", "SCT^4147007^Mass", "SCT^10200004^Liver"),
    )


def test_a_segmentation_without_our_segments_is_refused(ct, scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Kidneys")
    add_segment(node, "Kidney", (slice(2, 5),) * 3)
    with pytest.raises(InputError, match="Kidneys has no segment that is known to be the liver or a lesion; name"):
        labels_from_segmentation(node, ct)


def test_another_grid_is_brought_onto_the_cts(scene):
    """Drawn on a grid of half the spacing: each CT voxel's center decides."""
    ct = add_ct(scene, np.diag([2.0, 2.0, 2.0, 1.0]))
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Fine")
    add_segment(node, "Liver", (slice(0, 5), slice(0, 7), slice(0, 9)), matrix=np.diag([1.0, 1.0, 1.0, 1.0]))
    expected = np.zeros_like(LABELS)
    expected[0:3, 0:4, 0:5] = 1
    np.testing.assert_array_equal(labels_from_segmentation(node, ct), expected)


def test_linear_transforms_between_the_nodes_count(scene, ct):
    shift = np.eye(4)
    shift[:3, 3] = GRIDS["oblique"][:3, 2] * 2  # two slices
    moved = add_transform(scene, shift, ct)
    node = labels_to_segmentation(LABELS, ct)
    assert node.GetParentTransformNode() is moved
    np.testing.assert_array_equal(labels_from_segmentation(node, ct), LABELS)
    node.SetAndObserveTransformNodeID(None)
    expected = np.zeros_like(LABELS)
    expected[:-2] = LABELS[2:]
    np.testing.assert_array_equal(labels_from_segmentation(node, ct), expected)


def test_the_segmentation_is_in_the_cts_study(scene, ct):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient"), "study")
    hierarchy.CreateItem(study, ct)
    node = labels_to_segmentation(LABELS, ct)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def test_no_subject_hierarchy_is_made_where_there_is_none(scene, ct):
    labels_to_segmentation(LABELS, ct)
    assert scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode") is None
