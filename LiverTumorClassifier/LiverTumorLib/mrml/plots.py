"""Tumor probability over the slices as a plot chart, from inferior to superior in RAS mm."""

from __future__ import annotations

from .nodes import companion_node, one_update, place_beside

CHART_ROLE = "LiverTumor.chart"
SERIES_ROLE = "LiverTumor.series"
_COLOR = (0.85, 0.33, 0.1)


def plot_probability(slice_table_node, ct_node):
    """Plot the probability column of a slice table; chart and series belong to the table and are used again.

    Returns:
        The vtkMRMLPlotChartNode, or None where the table has no probabilities; a chart of an earlier run is removed then.
    """
    if slice_table_node.GetColumnIndex("probability") < 0:
        _remove_chart(slice_table_node)
        return None
    name = f"{ct_node.GetName()} tumor probability"
    series = companion_node(slice_table_node, SERIES_ROLE, "vtkMRMLPlotSeriesNode", f"{ct_node.GetName()} slice probability")
    with one_update(series):
        series.SetAndObserveTableNodeID(slice_table_node.GetID())
        series.SetPlotType(series.PlotTypeScatter)
        series.SetXColumnName("ras_s")
        series.SetYColumnName("probability")
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetLineStyle(series.LineStyleSolid)
        series.SetLineWidth(2)
        series.SetColor(*_COLOR)
    chart = companion_node(slice_table_node, CHART_ROLE, "vtkMRMLPlotChartNode", name)
    with one_update(chart):
        chart.SetTitle(name)
        chart.SetXAxisTitle("S (mm)")
        chart.SetYAxisTitle("Tumor probability")
        chart.SetYAxisRangeAuto(False)
        chart.SetYAxisRange(0, 1)
        chart.SetLegendVisibility(False)
        chart.RemoveAllPlotSeriesNodeIDs()
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    place_beside(series, ct_node)
    place_beside(chart, ct_node)
    return chart


def _remove_chart(slice_table_node) -> None:
    for role in (CHART_ROLE, SERIES_ROLE):
        node = slice_table_node.GetNodeReference(role)
        if node is not None:
            slice_table_node.GetScene().RemoveNode(node)
