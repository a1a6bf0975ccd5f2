"""Several CTs in one scene: the chosen one is shown with its results, and ours of the others are hidden."""

from __future__ import annotations

from .bound_views import release_views
from .case_nodes import SUMMARY_ROLE, ct_of
from .views import show_ct, show_marker

_HIDDEN = "LiverTumor.hidden"  # of a segmentation's display, where it was hidden here and not by the user


def show_scan(ct_node, before=None, segmentation_node=None) -> None:
    """Show a CT with what has been found in it, and hide the other segmentations and markers that runs have made.

    Args:
        before: the CT that was chosen until now; see `show_ct`, which also says which views are left alone.
        segmentation_node: which of the CT's is shown; all of them without it.
    """
    from .evidence import put_in_front  # a panel opens without it

    release_views(ct_node.GetScene())
    show_ct(ct_node, before)
    put_in_front(ct_node)
    results = result_segmentations(ct_node.GetScene())
    show_segmentations(
        results,
        [each for each in results if ct_of(each) is ct_node] if segmentation_node is None else [segmentation_node],
    )


def show_segmentations(results, shown) -> None:
    """Show some of the segmentations that runs have made, and hide the others."""
    for segmentation in results:
        _show_segmentation(segmentation, segmentation in shown)


def result_segmentations(scene) -> list:
    """The segmentations that runs have made, oldest first."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    nodes = (scene.GetNthNodeByClass(index, "vtkMRMLSegmentationNode") for index in range(count))
    return [node for node in nodes if node.GetNodeReference(SUMMARY_ROLE) is not None]


def _show_segmentation(segmentation_node, shown: bool) -> None:
    """What the user has hidden stays hidden."""
    show_marker(segmentation_node, shown)
    display = segmentation_node.GetDisplayNode()
    if display is None:
        return
    if shown and display.GetAttribute(_HIDDEN):
        display.RemoveAttribute(_HIDDEN)
        display.SetVisibility(True)
    elif not shown and display.GetVisibility():
        display.SetAttribute(_HIDDEN, "1")
        display.SetVisibility(False)
