"""Volume nodes and CTVolume, there and back; what cannot be a CT is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..ct import CTVolume
from ..ct.orientation import axial_to_ras
from ..errors import InputError
from .nodes import is_map, subject_hierarchy
from .translation import _

SOFT_TISSUE = (400.0, 40.0)  # window and level, HU
LIVER_WINDOW = (200.0, 60.0)  # in which the networks see the liver
_WINDOW_BEFORE = "LiverTumor.windowBefore"


@dataclass(frozen=True)
class TakenCT:
    """A CT as it was when it was taken from its node, whose own memory the voxels are.

    Attributes:
        node: vtkMRMLScalarVolumeNode.
        volume: its voxels, which nobody has looked at yet, in the world.
        changed_at: VTK's time of the voxels' last change.
    """

    node: Any
    volume: CTVolume
    changed_at: int

    def checked(self) -> CTVolume:
        """The CT in HU. Touches no node, so that the background may ask. Raises InputError, see `files.check_ct`."""
        from ..files import check_ct

        return check_ct(self.volume)

    def copied(self) -> CTVolume:
        """As `checked`, but its voxels are its own: the node may change as soon as `check_unchanged` has found no
        fault."""
        volume = self.checked()
        return replace(volume, array=volume.array.copy())

    def check_unchanged(self) -> None:
        """Raises InputError where voxels or grid are not what was taken: they changed while they were worked on."""
        image = self.node.GetImageData()
        if (
            image is None
            or image.GetMTime() != self.changed_at
            or not np.array_equal(ijk_to_world(self.node), self.volume.ijk_to_ras)
        ):
            raise InputError(_("{name} was changed meanwhile; start again.").format(name=self.volume.name))


def take_ct(node) -> TakenCT:
    """A scalar volume node's voxels and their place in the patient.

    The matrix is IJK to world RAS: a linear parent transform (also a chain of them) is part of it.

    Args:
        node: vtkMRMLScalarVolumeNode.

    Raises:
        InputError: no volume, no voxels, a label map, a vector volume, MR or other non-CT, or a nonlinear parent
        transform.
    """
    from vtk.util.numpy_support import vtk_to_numpy

    name = _check_kind(node)
    _check_quantity(node, name)
    image = node.GetImageData()
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    return TakenCT(node, CTVolume(array, ijk_to_world(node), name), image.GetMTime())


def ct_from_node(node) -> CTVolume:
    """A scalar volume node's CT in HU, named after the node; the voxels are a copy, so that the node may change while
    they are analyzed.

    Raises:
        InputError: see `take_ct` and `check_ct`.
    """
    return take_ct(node).copied()


def ct_to_node(volume: CTVolume, scene):
    """A new scalar volume node with a CT's voxels and grid, in a soft-tissue window."""
    import slicer

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(volume.name))
    slicer.util.updateVolumeFromArray(node, volume.array)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(volume.ijk_to_ras))
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(*SOFT_TISSUE)
    return node


def toggle_liver_window(node) -> None:
    """Show a CT in the liver window, or again as it was shown before."""
    display = node.GetDisplayNode()
    if display is None:
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
    before = display.GetAttribute(_WINDOW_BEFORE)
    if (display.GetWindow(), display.GetLevel()) == LIVER_WINDOW:
        window, level = map(float, before.split()) if before else SOFT_TISSUE
    else:
        display.SetAttribute(_WINDOW_BEFORE, f"{display.GetWindow()} {display.GetLevel()}")
        window, level = LIVER_WINDOW
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(window, level)


def place_in_slice(node, ras: Sequence[float], axial_index: int) -> tuple[float, float, float]:
    """The place (RAS mm) of an axial slice, 0 the most inferior, that is nearest to another place along the slices.

    Args:
        node: the CT's volume node.
        ras: the other place, in mm.
    """
    size = node.GetImageData().GetDimensions()[::-1]
    to_ras = axial_to_ras(CTVolume(np.broadcast_to(np.int16(0), size), ijk_to_world(node)))
    ijk = np.linalg.solve(to_ras, [*ras, 1.0])
    ijk[2] = axial_index
    return tuple((to_ras @ ijk)[:3].tolist())


def local_ijk_to_ras(node) -> np.ndarray:
    """A volume node's own 4x4 IJKToRAS matrix, parent transforms left out."""
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def ijk_to_world(node) -> np.ndarray:
    """A volume node's 4x4 matrix from voxels to world RAS. Raises InputError under a nonlinear transform."""
    return transform_between(node, None) @ local_ijk_to_ras(node)


def voxel_mm(node) -> tuple[float, float, float]:
    """Size of a volume node's voxels in the world along (k, j, i), in mm. Raises as `ijk_to_world`."""
    i, j, k = np.linalg.norm(ijk_to_world(node)[:3, :3], axis=0).tolist()
    return k, j, i


def voxel_ml(node) -> float:
    """Volume of one of a volume node's voxels in the world, in ml. Raises as `ijk_to_world`."""
    return abs(float(np.linalg.det(ijk_to_world(node)[:3, :3]))) / 1000


def transform_between(node, other) -> np.ndarray:
    """4x4 matrix from the coordinates of one transformable node to those of another; None stands for the world.

    Raises:
        InputError: a transform on the way is not linear.
    """
    import slicer
    import vtk

    for each in (node, other):
        transform = each.GetParentTransformNode() if each is not None else None
        if transform is not None and not transform.IsTransformToWorldLinear():
            raise InputError(
                _(
                    "{name} is under the nonlinear transform {other}; harden that transform on it (Data "
                    "module, right click) or take it off, and try again."
                ).format(name=each.GetName(), other=transform.GetName())
            )
    matrix = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(
        node.GetParentTransformNode(), other.GetParentTransformNode() if other is not None else None, matrix
    )
    return slicer.util.arrayFromVTKMatrix(matrix)


def _check_kind(node) -> str:
    """The node's name, when it is a plain volume with voxels."""
    if node is None or not node.IsA("vtkMRMLVolumeNode"):
        raise InputError(_("No volume is selected; choose the CT to analyze."))
    name = node.GetName() or "The volume"
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        raise InputError(_("{name} is a label map, not a CT; choose the CT it was drawn on.").format(name=name))
    if is_map(node):
        raise InputError(
            _("{name} is a map of probabilities, not a CT; choose the CT it was made of.").format(name=name)
        )
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        raise InputError(_("{name} has no voxels; load it again.").format(name=name))
    if (
        not node.IsA("vtkMRMLScalarVolumeNode")
        or node.IsA("vtkMRMLTensorVolumeNode")
        or image.GetNumberOfScalarComponents() != 1
    ):
        raise InputError(
            _(
                "{name} has several values in each voxel (a color picture or vectors), so it is not a "
                "CT; choose the CT."
            ).format(name=name)
        )
    return name


def _check_quantity(node, name: str) -> None:
    """Refuse what DICOM says is not CT; volumes without such information pass, their values are looked at later."""
    import slicer

    modality = None
    hierarchy = subject_hierarchy(node.GetScene())
    if hierarchy is not None and (item := hierarchy.GetItemByDataNode(node)):
        modality = hierarchy.GetItemAttribute(
            item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
        )
    if modality and modality != "CT":
        raise InputError(_("{name} is a {modality} image; a CT is needed.").format(name=name, modality=modality))
    quantity = node.GetVoxelValueQuantity()
    if (
        quantity is not None
        and quantity.GetCodingSchemeDesignator() == "DCM"
        and quantity.GetCodeValue() not in ("", "112031")
    ):
        raise InputError(
            _("{name} holds {quantity}, not CT values in Hounsfield units; choose the CT.").format(
                name=name, quantity=quantity.GetCodeMeaning()
            )
        )
