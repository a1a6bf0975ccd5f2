"""Lesions, slices and the case summary as table nodes: typed columns with units and descriptions, titled as in the CSV
files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..files import tables
from ..records.results import CaseSummary, Lesion, SliceRecord
from .nodes import one_update


@dataclass(frozen=True)
class Column:
    """One column of a table node.

    Attributes:
        name: its name in the records, and in JSON files.
        kind: float, int or str.
        unit: "" for plain numbers and text.
        description: one sentence that explains it, where the title does not.
    """

    name: str
    kind: type
    unit: str = ""
    description: str = ""


LESION_COLUMNS = (
    Column("id", int, description="1 is the largest."),
    Column("volume_ml", float, "ml"),
    Column("longest_diameter_mm", float, "mm", "Longest diameter in any axial slice, as in RECIST."),
    Column("perpendicular_diameter_mm", float, "mm", "Longest diameter perpendicular to it in the same slice."),
    Column("diameter_slice", int, description="Axial slice of the longest diameter; 0 is the most inferior one."),
    Column("mean_hu", float, "HU"),
    Column("sd_hu", float, "HU"),
    Column("centroid_r", float, "mm"),
    Column("centroid_a", float, "mm"),
    Column("centroid_s", float, "mm"),
    Column("first_slice", int, description="Most inferior axial slice of the lesion."),
    Column("last_slice", int, description="Most superior axial slice of the lesion."),
    Column("distance_to_surface_mm", float, "mm", "Shortest distance from the lesion to the surface of the liver."),
    Column("mean_probability", float, description="Mean of the network's tumor probability in the lesion."),
)
SLICE_COLUMNS = (
    Column("index", int, description="0 is the most inferior slice."),
    Column("ras_s", float, "mm", "RAS S coordinate of the slice."),
    Column("field", str, description="Whether the slice is one the classifier was trained for, one that shows liver."),
    Column("probability", float, description="Calibrated probability that the slice shows tumor."),
    Column("liver_mm2", float, "mm2"),
    Column("tumor_mm2", float, "mm2"),
)
SUMMARY_COLUMNS = (
    Column("name", str),
    Column("liver_ml", float, "ml"),
    Column("tumor_ml", float, "ml"),
    Column("tumor_burden_percent", float, "%", "Tumor volume as a part of the liver volume."),
    Column("lesion_count", int),
    Column("largest_diameter_mm", float, "mm", "Longest axial diameter of all lesions."),
    Column(
        "suspicious_slices",
        str,
        description="Axial slices most likely to show tumor, likeliest first; 0 is the most inferior slice.",
    ),
    Column("notes", str),
)


def fill_lesion_table(node, lesions: Sequence[Lesion]) -> None:
    """Replace a table node's content by the lesions, one a row."""
    rows = []
    for lesion in lesions:
        r, a, s = lesion.centroid_ras
        rows.append({**vars(lesion), "centroid_r": r, "centroid_a": a, "centroid_s": s})
    fill_table(node, LESION_COLUMNS, rows, tables.LESION_COLUMNS)


def fill_slice_table(node, slices: Sequence[SliceRecord]) -> None:
    """Replace a table node's content by the slices, one a row, from inferior to superior."""
    fill_table(node, SLICE_COLUMNS, [vars(record) for record in slices], tables.SLICE_COLUMNS)


def fill_summary_table(node, name: str, summary: CaseSummary) -> None:
    """Replace a table node's content by one row with the figures of the case."""
    fill_table(node, SUMMARY_COLUMNS, [summary_row(name, summary)], tables.SUMMARY_COLUMNS)


def summary_row(name: str, summary: CaseSummary) -> dict:
    """The figures of a case by the names of `SUMMARY_COLUMNS`; lists become text."""
    texts = {
        "name": name,
        "suspicious_slices": ", ".join(str(index) for index in summary.suspicious_slices),
        "notes": " ".join(summary.notes),
    }
    return {**vars(summary), **texts}


def fill_table(node, columns: Sequence[Column], rows: Sequence[dict], titles: dict[str, str]) -> None:
    """Replace a vtkMRMLTableNode's content.

    Args:
        titles: what the user reads above a column, unit included, by its name.

    A column without a value in any row is left out (the step that would have made it did not run). Single missing
    numbers are NaN in columns of fractions; columns of whole numbers must be complete.
    """
    import vtk

    table = vtk.vtkTable()
    shown = [column for column in columns if not rows or any(row[column.name] is not None for row in rows)]
    for column in shown:
        table.AddColumn(_vtk_array(column, [row[column.name] for row in rows]))
    with one_update(node):
        node.SetAndObserveSchema(None)
        node.SetAndObserveTable(table)
        for column in shown:
            title = titles[column.name]
            node.SetColumnTitle(column.name, title[0].upper() + title[1:])
            node.SetColumnType(column.name, _vtk_type(column.kind))
            if column.unit:
                node.SetColumnUnitLabel(column.name, column.unit)
            if column.description:
                node.SetColumnDescription(column.name, column.description)
        node.SetUseColumnTitleAsColumnHeader(True)
        node.SetLocked(True)


def _vtk_type(kind: type) -> int:
    import vtk

    return {float: vtk.VTK_DOUBLE, int: vtk.VTK_INT, str: vtk.VTK_STRING}[kind]


def _vtk_array(column: Column, values: list):
    import vtk

    array = {float: vtk.vtkDoubleArray, int: vtk.vtkIntArray, str: vtk.vtkStringArray}[column.kind]()
    array.SetName(column.name)
    for value in values:
        array.InsertNextValue(math.nan if value is None and column.kind is float else value)
    return array
