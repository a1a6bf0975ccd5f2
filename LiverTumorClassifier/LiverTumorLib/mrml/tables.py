"""Lesions, slices and the case summary as table nodes: typed columns with units and descriptions, titled as in the CSV
files."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..records.columns import (
    BY_HAND_COLUMN,
    LESION_COLUMNS,
    SLICE_COLUMNS,
    SUMMARY_COLUMNS,
    Column,
    lesion_values,
    summary_values,
)
from ..records.judgments import JUDGMENT_COLUMNS
from ..records.results import CaseSummary, Lesion, SliceRecord
from .nodes import one_update

VOXELS_COLUMN = Column("voxels", "voxels", str, description="Checksum of the voxels that were measured.")
SEGMENT_COLUMNS = (
    Column("segment", "segment", str, description="Identifier of the lesion's segment."),
    VOXELS_COLUMN,
)


def fill_lesion_table(node, lesions: Sequence[Lesion], words: Sequence[dict[str, str]] = ()) -> None:
    """Replace a table node's content by the lesions, one a row.

    Args:
        words: for each lesion what `JUDGMENT_COLUMNS` and `SEGMENT_COLUMNS` show, where that is known.
    """
    by_hand = (BY_HAND_COLUMN,) if any(lesion.axes_by_hand for lesion in lesions) else ()
    columns = (*LESION_COLUMNS, *by_hand, *((*JUDGMENT_COLUMNS, *SEGMENT_COLUMNS) if words else ()))
    rows = [lesion_values(lesion) for lesion in lesions]
    for row, own in zip(rows, words, strict=bool(words)):
        row.update(own)
    fill_table(node, columns, rows)


def fill_slice_table(node, slices: Sequence[SliceRecord]) -> None:
    """Replace a table node's content by the slices, one a row, from inferior to superior."""
    fill_table(node, SLICE_COLUMNS, [vars(record) for record in slices])


def fill_summary_table(node, name: str, summary: CaseSummary, voxels: str | None = None) -> None:
    """Replace a table node's content by one row with the figures of the case, and a checksum of the liver they are
    of."""
    fill_table(node, (*SUMMARY_COLUMNS, VOXELS_COLUMN), [{**summary_row(name, summary), "voxels": voxels}])


def summary_row(name: str, summary: CaseSummary) -> dict:
    """The figures of a case by the names of `SUMMARY_COLUMNS`; lists become text."""
    texts = {
        "suspicious_slices": ", ".join(str(index) for index in summary.suspicious_slices),
        "notes": " ".join(summary.notes),
    }
    return {**summary_values(name, summary), **texts}


def fill_table(node, columns: Sequence[Column], rows: Sequence[dict]) -> None:
    """Replace a vtkMRMLTableNode's content.

    A column without a value in any row is left out (the step that would have made it did not run). Single missing
    numbers are NaN in columns of fractions, missing texts empty; columns of whole numbers must be complete.
    """
    import vtk

    table = vtk.vtkTable()
    shown = [column for column in columns if not rows or _has_values(rows, column.name)]
    for column in shown:
        table.AddColumn(_vtk_array(column, [row[column.name] for row in rows]))
    with one_update(node):
        node.SetAndObserveSchema(None)
        node.SetAndObserveTable(table)
        for column in shown:
            _describe(node, column)
        node.SetUseColumnTitleAsColumnHeader(True)
        node.SetLocked(True)


def set_cells(node, row: int, values: dict[str, float | str]) -> None:
    """Change some cells of a row of a table node, by the names of their columns; the table before stays as it is.

    A column of `BY_HAND_COLUMN` is added where it is missing.
    """
    import vtk

    table = vtk.vtkTable()
    table.DeepCopy(node.GetTable())
    with one_update(node):
        if BY_HAND_COLUMN.name in values and table.GetColumnByName(BY_HAND_COLUMN.name) is None:
            table.AddColumn(_vtk_array(BY_HAND_COLUMN, [None] * table.GetNumberOfRows()))
        for name, value in values.items():
            table.GetColumnByName(name).SetValue(row, value)
        node.SetAndObserveTable(table)
        if BY_HAND_COLUMN.name in values:
            _describe(node, BY_HAND_COLUMN)


def records_of(node) -> list[dict]:
    """The rows of a table node by the names of its columns, which are those of the records; none where there is no
    node."""
    if node is None:
        return []
    table = node.GetTable()
    columns = [table.GetColumn(column) for column in range(table.GetNumberOfColumns())]
    return [{column.GetName(): column.GetValue(row) for column in columns} for row in range(table.GetNumberOfRows())]


def _describe(node, column: Column) -> None:
    """Say in a table node's schema what a column is."""
    node.SetColumnTitle(column.name, column.header[0].upper() + column.header[1:])
    node.SetColumnType(column.name, _vtk_type(column.kind))
    if column.unit:
        node.SetColumnUnitLabel(column.name, column.unit)
    if column.description:
        node.SetColumnDescription(column.name, column.description)


def _has_values(rows: Sequence[dict], name: str) -> bool:
    return any(row[name] is not None for row in rows)


def _vtk_type(kind: type) -> int:
    import vtk

    return {float: vtk.VTK_DOUBLE, int: vtk.VTK_INT, str: vtk.VTK_STRING}[kind]


def _vtk_array(column: Column, values: list):
    import vtk

    array = {float: vtk.vtkDoubleArray, int: vtk.vtkIntArray, str: vtk.vtkStringArray}[column.kind]()
    array.SetName(column.name)
    for value in values:
        array.InsertNextValue({float: math.nan, str: ""}.get(column.kind) if value is None else value)
    return array
