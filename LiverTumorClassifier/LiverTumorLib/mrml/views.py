"""What the user looks at: the CT in the slice views, and a lesion that is jumped to and marked.

All of it works without views too, as in Slicer started with --no-main-window, where it changes nothing that anybody
sees.
"""

from __future__ import annotations

from collections.abc import Sequence

from .nodes import companion_node, one_update, remove_node

MARKER_ROLE = "LiverTumor.marker"
_COLOR = (0.2, 1.0, 1.0)


def show_ct(ct_node) -> None:
    """Put a CT into the background of the slice views, and fit it, unless it is there already."""
    import slicer

    shown = {composite.GetBackgroundVolumeID() for composite in slice_composites(ct_node.GetScene())}
    if shown - {ct_node.GetID()}:
        slicer.util.setSliceViewerLayers(background=ct_node, fit=True)


def slice_composites(scene) -> list:
    """The nodes that say which volumes each slice view shows."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")
    return [scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode") for index in range(count)]


def jump_to(scene, ras: Sequence[float]) -> None:
    """Move all slice views to a place, in RAS mm."""
    import slicer

    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *ras)


def mark_lesion(segmentation_node, ras: Sequence[float], text: str) -> None:
    """Mark a place (RAS mm) with a labeled cross in all views; the segmentation has one marker, which moves."""
    import slicer

    name = f"{segmentation_node.GetName()} marker"
    marker = companion_node(segmentation_node, MARKER_ROLE, "vtkMRMLMarkupsFiducialNode", name)
    if marker.GetDisplayNode() is None:
        marker.CreateDefaultDisplayNodes()
        display = marker.GetDisplayNode()
        display.SetGlyphType(slicer.vtkMRMLMarkupsDisplayNode.Cross2D)
        display.SetSelectedColor(*_COLOR)
        display.SetPointLabelsVisibility(True)
    with one_update(marker):
        marker.RemoveAllControlPoints()
        marker.AddControlPointWorld(list(ras), text)
        marker.SetLocked(True)


def remove_marker(segmentation_node) -> None:
    """Take the lesion marker away, where there is one."""
    if (marker := segmentation_node.GetNodeReference(MARKER_ROLE)) is not None:
        remove_node(marker)


def axial_slice_node(scene):
    """The slice view that shows axial slices (Slicer's red one, unless the user has turned it); None where none
    does."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")
    nodes = (scene.GetNthNodeByClass(index, "vtkMRMLSliceNode") for index in range(count))
    return next((node for node in nodes if node.GetOrientation() == "Axial"), None)


def shown_s(slice_node) -> float:
    """S coordinate in mm of the middle of what a slice view shows."""
    return slice_node.GetSliceToRAS().GetElement(2, 3)


def jump_to_slice(scene, s: float) -> None:
    """Move the axial slice view to an S coordinate in mm; the other views stay where they are."""
    node = axial_slice_node(scene)
    if node is not None:
        matrix = node.GetSliceToRAS()
        node.JumpSliceByOffsetting(matrix.GetElement(0, 3), matrix.GetElement(1, 3), s)
