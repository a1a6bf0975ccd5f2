"""The long and the short axis of the lesion that is looked at, as two Markups lines whose ends the user may drag.

A segmentation has one pair, which moves from lesion to lesion. What is dragged counts in the tables from then on, see
`kept_axes`.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..records.judgments import REJECTED
from ..records.results import Line
from .case_nodes import LESIONS_ROLE, SUMMARY_ROLE
from .history import undoable
from .kept_axes import AXES, LONG, Axis, axes_of, draw_axis, length_of, measured_lengths, reset_axes
from .nodes import companion_node, one_update
from .tables import records_of, set_cells
from .translation import _
from .views import LONG_AXIS_ROLE, SHORT_AXIS_ROLE
from .volumes import ijk_to_world, place_in_slice

_ROLES = dict(zip(AXES, (LONG_AXIS_ROLE, SHORT_AXIS_ROLE), strict=True))
_COLORS = dict(zip(AXES, ((0.2, 1.0, 1.0), (1.0, 0.45, 0.9)), strict=True))
_LESION = "LiverTumor.lesion"  # of a line: the number of the lesion it lies in
_SAME_MM = 1e-3
_LEAST_MM = 0.5  # shorter is no axis, but both ends at one place


def show_axes(segmentation_node, number: int) -> None:
    """Draw the axes of lesion `number`; without their ends, as in scenes of earlier versions, they are not seen."""
    axes = axes_of(segmentation_node, _records(segmentation_node)).get(number)
    for axis in AXES:
        ends = axes.ends.get(axis) if axes is not None else None
        if ends is not None:
            _show_line(segmentation_node, number, axis, ends)
        elif (line := segmentation_node.GetNodeReference(_ROLES[axis])) is not None:
            line.GetDisplayNode().SetVisibility(False)


def axis_lines(segmentation_node) -> list:
    """The vtkMRMLMarkupsLineNodes of a segmentation; none before a lesion was looked at."""
    nodes = (segmentation_node.GetNodeReference(role) for role in _ROLES.values())
    return [node for node in nodes if node is not None]


def shown_lesion(segmentation_node) -> int | None:
    """The number of the lesion that the lines lie in; None where there are none."""
    return next((int(line.GetAttribute(_LESION)) for line in axis_lines(segmentation_node)), None)


def are_by_hand(segmentation_node, number: int) -> bool:
    """Whether an axis of lesion `number` counts as somebody has drawn it."""
    axes = axes_of(segmentation_node, _records(segmentation_node)).get(number)
    return axes is not None and bool(axes.by_hand)


def take_axes(segmentation_node, ct_node) -> bool:
    """Let the axes count as the user has dragged them, in the tables too; ends stay in their slice.

    Returns:
        Whether anything has changed; `undo` takes it back.

    Raises:
        InputError: an end lies outside of the CT, or both at one place; the line is where it was before.
    """
    records, number = _records(segmentation_node), shown_lesion(segmentation_node)
    if number is None or (axes := axes_of(segmentation_node, records).get(number)) is None:
        return False  # the lesion is gone
    dragged = {}
    for axis, before in axes.ends.items():
        if (line := segmentation_node.GetNodeReference(_ROLES[axis])) is None:
            continue  # somebody has deleted it
        if line.GetNumberOfDefinedControlPoints() < 2:
            show_axes(segmentation_node, number)
            raise InputError(_("An axis needs both of its ends; it is where it was before."))
        ends = [line.GetNthControlPointPositionWorld(point) for point in range(2)]
        if max(np.linalg.norm(np.subtract(ends, before), axis=1)) > _SAME_MM:
            dragged[axis] = ends
    if not dragged:
        return False
    record = next(record for record in records if record["id"] == number)
    try:
        drawn = {axis: _in_slice(ends, record, ct_node) for axis, ends in dragged.items()}
    except InputError:
        show_axes(segmentation_node, number)
        raise
    with undoable(segmentation_node, (LESIONS_ROLE, SUMMARY_ROLE), ()):
        for axis, line_drawn in drawn.items():
            draw_axis(segmentation_node, records, number, axis, line_drawn)
        _update_tables(segmentation_node, number, {axis.length: length_of(ends) for axis, ends in drawn.items()})
    show_axes(segmentation_node, number)
    return True


def measure_by_voxels(segmentation_node, number: int) -> None:
    """Let the axes of lesion `number` count as they were measured, and no longer as somebody has drawn them."""
    with undoable(segmentation_node, (LESIONS_ROLE, SUMMARY_ROLE), ()):
        reset_axes(segmentation_node, _records(segmentation_node), number)
        _update_tables(segmentation_node, number, measured_lengths(segmentation_node, number))
    show_axes(segmentation_node, number)


def _records(segmentation_node) -> list[dict]:
    return records_of(segmentation_node.GetNodeReference(LESIONS_ROLE))


def _show_line(segmentation_node, number: int, axis: Axis, ends) -> None:
    name = _("Long axis") if axis is LONG else _("Short axis")
    before = segmentation_node.GetNodeReference(_ROLES[axis])
    line = companion_node(segmentation_node, _ROLES[axis], "vtkMRMLMarkupsLineNode", name)
    if line is not before:
        _style(line, _COLORS[axis])
    with one_update(line):
        line.SetAttribute(_LESION, str(number))
        for point in range(line.GetNumberOfControlPoints(), 2):
            line.AddControlPointWorld(list(ends[point]))
        for point, end in enumerate(ends):
            line.SetNthControlPointPositionWorld(point, *end)
        line.SetFixedNumberOfControlPoints(True)
    line.GetDisplayNode().SetVisibility(True)


def _style(line, color: tuple[float, float, float]) -> None:
    """So that the rim of a lesion can be seen below the ends; the lengths are written beside the marker."""
    import slicer

    line.CreateDefaultDisplayNodes()
    display = line.GetDisplayNode()
    display.SetSelectedColor(*color)
    display.SetActiveColor(*color)
    display.SetGlyphType(slicer.vtkMRMLMarkupsDisplayNode.CrossDot2D)
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)


def _in_slice(ends, record: dict, ct_node) -> Line:
    """The ends of an axis in the slice of the lesion's longest diameter. Raises InputError, see `take_axes`."""
    from_ras = np.linalg.inv(ijk_to_world(ct_node))
    size = ct_node.GetImageData().GetDimensions()
    placed = []
    for end in ends:
        place = place_in_slice(ct_node, end, record["diameter_slice"])
        ijk = (from_ras @ [*place, 1.0])[:3]
        if not all(-0.5 <= at <= count - 0.5 for at, count in zip(ijk, size, strict=True)):
            raise InputError(
                _("An end of the axis lay outside of {name}; it is where it was before.").format(name=ct_node.GetName())
            )
        r, a, s = (round(value, 3) for value in place)
        placed.append((r, a, s))
    line = placed[0], placed[1]
    if length_of(line) < _LEAST_MM:
        raise InputError(_("Both ends of the axis lay at one place; it is where it was before."))
    return line


def _update_tables(segmentation_node, number: int, lengths: dict[str, float]) -> None:
    records = _records(segmentation_node)
    words = axes_of(segmentation_node, records)[number].words
    row = [record["id"] for record in records].index(number)
    set_cells(segmentation_node.GetNodeReference(LESIONS_ROLE), row, {**lengths, "axes_by_hand": words or ""})
    if (summary := segmentation_node.GetNodeReference(SUMMARY_ROLE)) is not None:
        counted = [record for record in _records(segmentation_node) if record.get("status") != REJECTED]
        if counted:
            set_cells(summary, 0, {"largest_diameter_mm": max(record[LONG.length] for record in counted)})
