"""Volume nodes become CTs with exactly their voxels and place, and what is not a CT is refused by name."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

import slicer
import vtk
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.errors import InputError
from LiverTumorLib.mrml import ct_from_node, ct_to_node
from mrml_scene import GRIDS, add_ct, add_transform, make_ct, new_scene, scene_state

# A quarter turn and a shift.
MOVE = np.array([[0.0, -1.0, 0, 12.5], [1.0, 0, 0, -3.0], [0, 0, 1.0, 40.0], [0, 0, 0, 1]])


@pytest.fixture
def scene():
    return new_scene()


@pytest.mark.parametrize("grid", GRIDS)
def test_voxels_and_place_survive_the_round_trip(scene, grid):
    volume = make_ct(GRIDS[grid])
    back = ct_from_node(ct_to_node(volume, scene))
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.array.dtype == np.int16
    np.testing.assert_allclose(back.ijk_to_ras, volume.ijk_to_ras, atol=1e-9)
    assert back.name == "Abdomen"


def test_the_node_lies_where_slicer_says(scene):
    """Slicer's own mapping from RAS to voxels finds the brightest voxel."""
    volume = make_ct(GRIDS["oblique"])
    volume.array[6, 3, 10] = 3000
    node = ct_to_node(volume, scene)
    to_ijk = vtk.vtkMatrix4x4()
    node.GetRASToIJKMatrix(to_ijk)
    i, j, k, _ = to_ijk.MultiplyPoint([*volume.ras([10, 3, 6]), 1.0])
    assert node.GetImageData().GetScalarComponentAsDouble(round(i), round(j), round(k), 0) == 3000


def test_a_chain_of_linear_transforms_is_part_of_the_matrix(scene):
    node = add_ct(scene, GRIDS["oblique"])
    inner = add_transform(scene, MOVE, node)
    outer = np.diag([1.0, 1.0, 1.0, 1.0])
    outer[:3, 3] = 1, 2, 3
    add_transform(scene, outer, inner)
    np.testing.assert_allclose(ct_from_node(node).ijk_to_ras, outer @ MOVE @ GRIDS["oblique"], atol=1e-9)


def test_a_hardened_transform_gives_the_same_ct(scene):
    node = add_ct(scene, GRIDS["oblique"])
    add_transform(scene, MOVE, node)
    before = ct_from_node(node)
    assert node.HardenTransform()
    after = ct_from_node(node)
    np.testing.assert_allclose(after.ijk_to_ras, before.ijk_to_ras, atol=1e-9)
    np.testing.assert_array_equal(after.array, before.array)


def test_a_nonlinear_transform_is_refused(scene):
    node = add_ct(scene)
    grid = slicer.vtkOrientedGridTransform()
    displacements = vtk.vtkImageData()
    displacements.SetDimensions(3, 3, 3)
    displacements.AllocateScalars(vtk.VTK_DOUBLE, 3)
    displacements.GetPointData().GetScalars().Fill(2.0)
    grid.SetDisplacementGridData(displacements)
    transform = scene.AddNewNodeByClass("vtkMRMLGridTransformNode", "Warp")
    transform.SetAndObserveTransformToParent(grid)
    node.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(InputError, match=r"Abdomen.*nonlinear transform Warp.*harden"):
        ct_from_node(node)


def test_the_array_is_a_copy(scene):
    node = add_ct(scene)
    volume = ct_from_node(node)
    slicer.util.arrayFromVolume(node)[:] = 0
    assert volume.array.min() < -900


def test_reading_leaves_the_scene_alone(scene):
    node = add_ct(scene)
    before = scene_state(scene)
    ct_from_node(node)
    assert scene_state(scene) == before


def test_float_voxels_stay_float(scene):
    volume = make_ct()
    node = ct_to_node(CTVolume(volume.array + np.float32(0.25), volume.ijk_to_ras, "float"), scene)
    assert ct_from_node(node).array.dtype == np.float32


def test_nothing_selected(scene):
    with pytest.raises(InputError, match="No volume is selected"):
        ct_from_node(None)
    with pytest.raises(InputError, match="No volume is selected"):
        ct_from_node(scene.AddNewNodeByClass("vtkMRMLModelNode", "model"))


def test_label_map_is_refused(scene):
    node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Drawn")
    slicer.util.updateVolumeFromArray(node, np.ones((3, 4, 5), np.uint8))
    with pytest.raises(InputError, match="Drawn is a label map"):
        ct_from_node(node)


def test_color_picture_is_refused(scene):
    node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Photo")
    slicer.util.updateVolumeFromArray(node, np.ones((3, 4, 5, 3), np.uint8))
    with pytest.raises(InputError, match="Photo has several values in each voxel"):
        ct_from_node(node)


def test_volume_without_voxels_is_refused(scene):
    with pytest.raises(InputError, match="Empty has no voxels"):
        ct_from_node(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty"))


def test_constant_volume_is_refused(scene):
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Flat")
    slicer.util.updateVolumeFromArray(node, np.zeros((3, 4, 5), np.int16))
    with pytest.raises(InputError, match="Flat has the same value"):
        ct_from_node(node)


def test_mr_by_its_quantity_is_refused(scene):
    """Slicer's DICOM reader notes the quantity of CT and MR at the volume."""
    node = add_ct(scene, name="Series")
    quantity = slicer.vtkCodedEntry()
    quantity.SetValueSchemeMeaning("110852", "DCM", "MR signal intensity")
    node.SetVoxelValueQuantity(quantity)
    with pytest.raises(InputError, match="Series holds MR signal intensity"):
        ct_from_node(node)
    quantity.SetValueSchemeMeaning("112031", "DCM", "Attenuation Coefficient")
    node.SetVoxelValueQuantity(quantity)
    assert ct_from_node(node).name == "Series"


def test_mr_by_its_dicom_series_is_refused(scene):
    node = add_ct(scene, name="Series")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", "MR")
    with pytest.raises(InputError, match="Series is a MR image"):
        ct_from_node(node)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", "CT")
    assert ct_from_node(node).name == "Series"
