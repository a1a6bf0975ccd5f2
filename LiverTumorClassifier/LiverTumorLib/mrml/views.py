"""What the user looks at: the CT in the slice views, and a lesion that is jumped to and marked.

All of it works without views too, as in Slicer started with --no-main-window, where it changes nothing that anybody
sees.
"""

from __future__ import annotations

from collections.abc import Sequence

from .nodes import companion_node, is_map, one_update, remove_node

MARKER_ROLE = "LiverTumor.marker"
LONG_AXIS_ROLE, SHORT_AXIS_ROLE = "LiverTumor.longAxis", "LiverTumor.shortAxis"
_MARKUPS = (MARKER_ROLE, LONG_AXIS_ROLE, SHORT_AXIS_ROLE)  # of the lesion that is looked at
_PUT_ROLE = (
    "LiverTumor.background"  # from a slice view to the volume that was put there here, as long as the user leaves it
)
_PALE = 0.45  # opacity of the outlines of lesions that are not looked at
_COLOR = (0.2, 1.0, 1.0)


def show_ct(ct_node, before=None) -> None:
    """Put a CT into the background of the slice views that the user has not given to another volume.

    Args:
        before: the CT that was chosen until now; see `views_of_ours`.
    """
    changed = [
        view for view in views_of_ours(ct_node.GetScene(), before) if view.GetBackgroundVolumeID() != ct_node.GetID()
    ]
    for view in changed:
        put_into(view, ct_node)
    fit(changed)


def views_of_ours(scene, before=None) -> list:
    """The slice views (their vtkMRMLSliceCompositeNode) that the user has not given to another volume.

    Those are the views that are empty or still show what was put there here. Where there is none of the latter, as
    after Slicer has loaded a volume into all of them: all views, when they show one volume, else those that show the
    CT chosen `before`. Views whose volume selection is switched off stay as they are.
    """
    views = [view for view in slice_composites(scene) if view.GetDoPropagateVolumeSelection()]
    shown = {view.GetBackgroundVolumeID() for view in views}
    ours = [
        view
        for view in views
        if view.GetBackgroundVolumeID() and view.GetBackgroundVolumeID() == view.GetNodeReferenceID(_PUT_ROLE)
    ]
    if not ours:
        ours = (
            views
            if len(shown) == 1
            else [view for view in views if before and view.GetBackgroundVolumeID() == before.GetID()]
        )
    return [view for view in views if view in ours or not view.GetBackgroundVolumeID()]


def put_into(view, ct_node) -> None:
    """Show a CT in the background of a slice view, which is then one of ours."""
    with one_update(view):
        foreground = ct_node.GetScene().GetNodeByID(view.GetForegroundVolumeID() or "")
        if foreground is not None and is_map(foreground):  # of another CT
            view.SetForegroundVolumeID(None)
            view.SetForegroundOpacity(0.0)
        view.SetBackgroundVolumeID(ct_node.GetID())
        view.SetNodeReferenceID(_PUT_ROLE, ct_node.GetID())


def fit(composites: list) -> None:
    """Show all of the background in some of the slice views."""
    import slicer

    manager = slicer.app.layoutManager()
    if manager is None or not composites:
        return
    logics = manager.mrmlSliceLogics()
    for index in range(logics.GetNumberOfItems()):
        logic = logics.GetItemAsObject(index)
        if logic.GetSliceCompositeNode() in composites:
            logic.FitSliceToBackground()


def slice_composites(scene) -> list:
    """The nodes that say which volumes each slice view shows."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")
    return [scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode") for index in range(count)]


def shown_volumes(scene) -> list:
    """The volume nodes in the background of the slice views, in the order of the views."""
    nodes = [scene.GetNodeByID(view.GetBackgroundVolumeID() or "") for view in slice_composites(scene)]
    return [node for node in nodes if node is not None]


def slice_nodes_of(ct_node) -> list:
    """The slice views (vtkMRMLSliceNode) with a CT in the background."""
    scene = ct_node.GetScene()
    names = {
        view.GetLayoutName() for view in slice_composites(scene) if view.GetBackgroundVolumeID() == ct_node.GetID()
    }
    nodes = (
        scene.GetNthNodeByClass(index, "vtkMRMLSliceNode")
        for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceNode"))
    )
    return [node for node in nodes if node.GetLayoutName() in names]


def jump_to(ct_node, ras: Sequence[float]) -> None:
    """Move the slice views that show a CT to a place in it, in RAS mm; the others show something else, and stay."""
    for node in slice_nodes_of(ct_node):
        node.JumpSlice(*ras)


def mark_lesion(segmentation_node, ras: Sequence[float], text: str) -> None:
    """Mark a place (RAS mm) with a labeled cross in all views; the segmentation has one marker, which moves."""
    import slicer

    name = f"{segmentation_node.GetName()} marker"
    before = segmentation_node.GetNodeReference(MARKER_ROLE)
    marker = companion_node(segmentation_node, MARKER_ROLE, "vtkMRMLMarkupsFiducialNode", name)
    if marker is not before:
        marker.CreateDefaultDisplayNodes()  # unless Slicer's markups logic has, with a disk that hides lesions
        display = marker.GetDisplayNode()
        display.SetGlyphType(slicer.vtkMRMLMarkupsDisplayNode.Cross2D)
        display.SetSelectedColor(*_COLOR)
        display.SetPointLabelsVisibility(True)
    with one_update(marker):
        marker.RemoveAllControlPoints()
        marker.AddControlPointWorld(list(ras), text)
        marker.SetLocked(True)


def remove_marker(segmentation_node) -> None:
    """Take the lesion marker and the axes away, where they are."""
    for markups in markups_of(segmentation_node):
        remove_node(markups)


def show_marker(segmentation_node, visible: bool) -> None:
    """Show or hide the lesion marker and the axes, where they are."""
    for markups in markups_of(segmentation_node):
        if markups.GetDisplayNode() is not None:
            markups.GetDisplayNode().SetVisibility(visible)


def markups_of(segmentation_node) -> list:
    """The nodes that mark the lesion that is looked at."""
    nodes = (segmentation_node.GetNodeReference(role) for role in _MARKUPS)
    return [node for node in nodes if node is not None]


def axial_slice_node(ct_node):
    """The view with axial slices of a CT (Slicer's red one, unless the user has turned it); None where none is."""
    return next((node for node in slice_nodes_of(ct_node) if node.GetOrientation() == "Axial"), None)


def shown_s(slice_node) -> float:
    """S coordinate in mm of the middle of what a slice view shows."""
    return slice_node.GetSliceToRAS().GetElement(2, 3)


def jump_to_slice(ct_node, s: float) -> None:
    """Move the axial slice view of a CT to an S coordinate in mm; the other views stay where they are."""
    node = axial_slice_node(ct_node)
    if node is not None:
        matrix = node.GetSliceToRAS()
        node.JumpSliceByOffsetting(matrix.GetElement(0, 3), matrix.GetElement(1, 3), s)


def highlight(segmentation_node, identifier: str | None) -> None:
    """Make the outlines of all lesions but one paler; of none without it."""
    from ..records.results import TUMOR  # a panel opens without it
    from .segmentations import known_segments

    display = segmentation_node.GetDisplayNode()
    if display is not None:
        with one_update(display):
            for each in known_segments(segmentation_node).get(TUMOR, ()):
                display.SetSegmentOpacity2DOutline(each, 1.0 if identifier in (None, each) else _PALE)


def start_placing(scene, name: str):
    """Let the next click in a view set a point: the Markups node that gets it, which is not saved with the scene."""
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.SetSaveWithScene(False)
    node.SetHideFromEditors(True)
    node.CreateDefaultDisplayNodes()
    selection = scene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    interaction = scene.GetFirstNodeByClass("vtkMRMLInteractionNode")
    if selection is not None and interaction is not None:
        selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
        selection.SetActivePlaceNodeID(node.GetID())
        interaction.SetPlaceModePersistence(0)
        interaction.SetCurrentInteractionMode(interaction.Place)
    return node


def is_placing(scene) -> bool:
    """Whether a click in a view sets a point."""
    interaction = scene.GetFirstNodeByClass("vtkMRMLInteractionNode")
    return interaction is not None and interaction.GetCurrentInteractionMode() == interaction.Place


def end_placing(scene) -> None:
    """Let clicks in the views do what they usually do."""
    if is_placing(scene):
        interaction = scene.GetFirstNodeByClass("vtkMRMLInteractionNode")
        interaction.SetCurrentInteractionMode(interaction.ViewTransform)
