"""Probability maps as volume nodes in whole percent, rounded down: one byte a voxel, and exact for thresholds of whole
percent."""

from __future__ import annotations

import numpy as np

from ..ct.region import bounding_box
from .nodes import MAP_ATTRIBUTE, one_update, place_beside


def in_percent(maps: np.ndarray):
    """vtkImageData of whole percent, rounded down, of a float16 map (k, j, i). Touches no node, so that the background
    can make it."""
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    image = vtk.vtkImageData()
    image.SetDimensions(maps.shape[::-1])
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    percent = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(maps.shape)
    percent[:] = 0
    # Most of a map is 0, and half precision is slow to compute with.
    if (box := bounding_box(maps.view(np.uint16))) is not None:
        for plane, own in zip(percent[box], maps[box], strict=True):
            plane[:] = own.astype(np.float32) * 100
    return image


def percent_of(node) -> np.ndarray:
    """uint8 (k, j, i) of a node that `fill_percent` has filled; it is the node's own memory."""
    import slicer

    return slicer.util.arrayFromVolume(node)


def fill_percent(node, image, ct_node) -> None:
    """Put percent on the CT's grid, see `in_percent`, into a scalar volume node, shown from 0 to 100, beside the CT."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    ct_node.GetIJKToRASMatrix(matrix)
    with one_update(node):
        node.SetAndObserveImageData(vtk.vtkImageData())  # the one before may be kept for an undo
        show_percent(node)  # before there are voxels, of which VTK would make a histogram
        node.SetAndObserveImageData(image)
        node.SetIJKToRASMatrix(matrix)
        node.SetAttribute(MAP_ATTRIBUTE, "percent")
        node.SetAndObserveTransformNodeID(ct_node.GetTransformNodeID())
    place_beside(node, ct_node)


def show_percent(node) -> None:
    """Show a map from 0 to 100."""
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevelMinMax(0, 100)
