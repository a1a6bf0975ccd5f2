"""Where the slice classifier sees tumor, as an overlay of the CT: a volume node in percent with a color table of its
own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..errors import InputError
from ..records.options import EVIDENCE, CaseOutput
from .case_nodes import CaseNodes, check_present
from .nodes import companion_node, no_leftovers, remove_node
from .percent import fill_percent
from .translation import _
from .views import slice_composites

if TYPE_CHECKING:
    from .prepared import PreparedCase

EVIDENCE_ROLE = "LiverTumor.evidence"
COLORS_ROLE = "LiverTumor.evidenceColors"
_UNDER = "LiverTumor.underneath"  # what was in the foreground before, by slice view
_OPACITY = 0.5
_STEPS = 256  # as many colors as a volume's display maps its values to


def show_evidence(output: CaseOutput | PreparedCase, ct_node) -> CaseNodes:
    """Nodes of an "evidence" run, shown in the foreground of the slice views that show the CT.

    The map belongs to the CT node; a second run fills it again.

    Raises:
        InputError: the CT has left the scene or changed its size since the run began.
    """
    from .prepared import prepared  # a panel opens without it

    check_present(ct_node)
    percent = prepared(output, ct_node).maps[EVIDENCE]
    if percent.GetDimensions() != ct_node.GetImageData().GetDimensions():
        raise InputError(
            _("{name} has changed its size since it was analyzed; run the analysis again.").format(
                name=ct_node.GetName()
            )
        )
    with no_leftovers(ct_node.GetScene()):
        node = companion_node(
            ct_node, EVIDENCE_ROLE, "vtkMRMLScalarVolumeNode", f"{ct_node.GetName()} tumor evidence (%)"
        )
        fill_percent(node, percent, ct_node)
        _color(node, output.result.models)
        put_in_front(ct_node)
        return CaseNodes(output.result, evidenceVolume=node)


def evidence_of(ct_node):
    """The map that belongs to a CT node; None where there is none."""
    return ct_node.GetNodeReference(EVIDENCE_ROLE) if ct_node is not None else None


def remove_evidence(ct_node) -> None:
    """Take the map and its colors away, and put back what the slice views had in the foreground before."""
    node = evidence_of(ct_node)
    if node is None:
        return
    scene = ct_node.GetScene()
    before = json.loads(node.GetAttribute(_UNDER) or "{}")
    for view in slice_composites(scene):
        if view.GetForegroundVolumeID() == node.GetID():
            volume, opacity = before.get(view.GetID(), (None, 0.0))
            view.SetForegroundVolumeID(volume if scene.GetNodeByID(volume or "") is not None else None)
            view.SetForegroundOpacity(opacity)
    if (colors := node.GetNodeReference(COLORS_ROLE)) is not None:
        scene.RemoveNode(colors)
    remove_node(node)


def put_in_front(ct_node) -> None:
    """Show the map of a CT in the views that show the CT; does nothing where it has none."""
    if (node := evidence_of(ct_node)) is None:
        return
    before = {}
    for view in slice_composites(ct_node.GetScene()):
        if view.GetBackgroundVolumeID() == ct_node.GetID() and view.GetForegroundVolumeID() != node.GetID():
            before[view.GetID()] = (view.GetForegroundVolumeID(), view.GetForegroundOpacity())
            view.SetForegroundVolumeID(node.GetID())
            view.SetForegroundOpacity(_OPACITY)
    if before:
        node.SetAttribute(_UNDER, json.dumps(before))


def _color(node, models: list[dict]) -> None:
    """Only what would make a slice suspicious: a slice view knows shown and not shown, and nothing between the two."""
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(_colors(node).GetID())
    display.SetThreshold(100 * next(model["threshold"] for model in models if model["task"] == "slice"), 100)
    display.SetApplyThreshold(True)


def _colors(node):
    """From dark red over red to bright yellow."""
    table = companion_node(node, COLORS_ROLE, "vtkMRMLColorTableNode", f"{node.GetName()} colors")
    if table.GetNumberOfColors() != _STEPS:
        table.SetTypeToUser()
        table.SetNumberOfColors(_STEPS)
        for step in range(_STEPS):
            part = step / (_STEPS - 1)
            table.SetColor(step, f"{100 * part:.0f} %", min(1.0, 0.5 + part), max(0.0, 2 * part - 1), 0.0)
        table.SetHideFromEditors(True)
    return table
