"""The models of a workflow as a table node, and their size against their accuracy as a plot chart."""

from __future__ import annotations

from collections.abc import Sequence

from LiverTumorLib.mrml.nodes import companion_node, one_update
from LiverTumorLib.mrml.plots import CHART_ROLE, draw_line
from LiverTumorLib.mrml.tables import fill_table
from LiverTumorLib.records.columns import Column

from ..reporting.models import pareto_front
from ..workflow.folder import Variant

SERIES_ROLE = "LiverTumor.series"
FRONT_ROLE, FRONT_SERIES_ROLE = "LiverTumor.front", "LiverTumor.frontSeries"
_COLUMNS = (
    Column("name", "model", str, description="Model file, with its folder."),
    Column("mb", "size (MB)", float, "MB"),
    Column("gzip_mb", "after gzip (MB)", float, "MB", "After gzip, which is where zeros show."),
    Column("accuracy", "accuracy", float, description="Slices classified correctly, val patients (0 to 1)."),
    Column("auc", "AUC", float, description="Area under the ROC curve, val patients (0 to 1)."),
    Column("dice", "Dice", float, description="Mean Dice over the val patients (0 to 1)."),
    Column("slices_per_s", "slices a second", float, "1/s", "One slice at a time, on this machine."),
)
TITLES = {column.name: column.header for column in _COLUMNS}


def show_variants(table_node, variants: Sequence[Variant]):
    """Fill a table node with the models; returns the chart of size against AUC or Dice, None where fewer than one has
    both."""
    fill_table(table_node, _COLUMNS, [vars(variant) for variant in variants])
    measured = [
        (variant, (variant.mb, variant.score))
        for variant in variants
        if variant.mb is not None and variant.score is not None
    ]
    if not measured:
        return None
    score = "auc" if measured[0][0].auc is not None else "dice"
    best = pareto_front([point for _, point in measured])
    front = companion_node(table_node, FRONT_ROLE, "vtkMRMLTableNode", f"{table_node.GetName()} front")
    fill_table(front, _COLUMNS, [vars(measured[place][0]) for place in best])
    front.SetHideFromEditors(True)
    chart = companion_node(table_node, CHART_ROLE, "vtkMRMLPlotChartNode", f"{table_node.GetName()} size and accuracy")
    points = companion_node(table_node, SERIES_ROLE, "vtkMRMLPlotSeriesNode", "models")
    line = companion_node(table_node, FRONT_SERIES_ROLE, "vtkMRMLPlotSeriesNode", "best of each size")
    with one_update(points):
        draw_line(points, table_node, "mb", score, (0.0, 0.45, 0.7))
        points.SetLineStyle(points.LineStyleNone)
        points.SetMarkerStyle(points.MarkerStyleCircle)
        points.SetMarkerSize(10)
        points.SetLabelColumnName("name")
    with one_update(line):
        draw_line(line, front, "mb", score, (0.4, 0.4, 0.4))
    with one_update(chart):
        chart.SetTitle(chart.GetName())
        chart.SetXAxisTitle(TITLES["mb"])
        chart.SetYAxisTitle(TITLES[score])
        chart.SetXAxisLogScale(True)
        chart.SetLegendVisibility(True)
        chart.RemoveAllPlotSeriesNodeIDs()
        for series in (line, points):
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return chart
