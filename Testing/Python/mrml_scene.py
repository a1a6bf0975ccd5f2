"""Grids and volume nodes for the tests on real MRML nodes."""

from __future__ import annotations

import numpy as np
import slicer_standin

slicer_standin.install()

import slicer  # noqa: E402
import vtk  # noqa: E402
from LiverTumorLib.ct import CTVolume  # noqa: E402
from LiverTumorLib.mrml import ct_to_node  # noqa: E402
from LiverTumorLib.mrml.serving import at_once  # noqa: E402


def _rotation(degrees: float, axis: int) -> np.ndarray:
    angle = np.radians(degrees)
    matrix = np.eye(3)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def _affine(
    directions: np.ndarray, spacing: tuple[float, float, float], origin: tuple[float, float, float]
) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = directions * spacing
    matrix[:3, 3] = origin
    return matrix


LPS = np.diag([-1.0, -1.0, 1.0])
SHEAR = np.array([[1.0, 0, 0], [0, 1.0, 0.3], [0, 0, 1.0]])  # the table moved while the gantry was tilted

GRIDS = {
    "axial": _affine(LPS, (0.75, 0.75, 5.0), (180.0, 170.5, -411.25)),
    "head first flipped": _affine(np.diag([1.0, -1.0, -1.0]), (0.9, 0.8, 2.5), (-150.0, 99.0, 12.0)),
    "sagittal": _affine(np.array([[0.0, 0, -1], [-1.0, 0, 0], [0, -1.0, 0]]), (0.9, 0.9, 3.0), (70.0, 120.0, 300.0)),
    "coronal": _affine(np.array([[-1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]]), (0.7, 0.7, 2.0), (160.0, -90.0, 250.0)),
    "oblique": _affine(_rotation(11, 0) @ _rotation(-7, 2) @ LPS, (0.683, 0.683, 1.5), (155.1, 201.3, -87.9)),
    "steeply oblique": _affine(_rotation(38, 1) @ _rotation(25, 0) @ LPS, (0.9, 1.1, 2.2), (90.0, 40.0, -10.0)),
    "gantry tilt": _affine(LPS @ SHEAR, (0.8, 0.8, 4.0), (100.0, 100.0, -50.0)),
}
SHAPE = (9, 11, 13)


def new_scene():
    """A fresh scene, which is also Slicer's."""
    slicer.mrmlScene = slicer.vtkMRMLScene()
    return slicer.mrmlScene


def make_ct(matrix: np.ndarray = GRIDS["axial"], shape=SHAPE, name: str = "Abdomen") -> CTVolume:
    """A small CT: air around soft tissue of 50 HU with a dense part of 150 HU, and noise that makes every voxel
    count."""
    array = np.full(shape, -1000, np.int16)
    array[1:-1, 2:-2, 2:-2] = 50
    array[3:5, 4:7, 5:8] = 150
    array += np.random.default_rng(7).integers(-20, 20, shape, dtype=np.int16)
    return CTVolume(array, matrix, name)


def make_labels(volume: CTVolume) -> np.ndarray:
    """Liver 1 and lesion 2 of `make_ct`."""
    return (volume.array > -100).astype(np.uint8) + (volume.array > 100)


def add_ct(scene, matrix: np.ndarray = GRIDS["axial"], name: str = "Abdomen"):
    """A volume node with `make_ct` in it."""
    return ct_to_node(make_ct(matrix, name=name), scene)


def add_transform(scene, matrix: np.ndarray, *nodes):
    """A linear transform node with the nodes under it."""
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Shift")
    vtk_matrix = vtk.vtkMatrix4x4()
    vtk_matrix.DeepCopy(matrix.ravel().tolist())
    transform.SetMatrixTransformToParent(vtk_matrix)
    for node in nodes:
        node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def scene_state(scene) -> dict[str, int]:
    """Every node's identifier and when it was last changed."""
    nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    return {node.GetID(): node.GetMTime() for node in nodes}


def at_once_of(steps):
    """A function that takes the steps of a run here and now."""
    return lambda *arguments: at_once(steps(*arguments))
