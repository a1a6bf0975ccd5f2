"""Tumor probability over the slices as a plot chart, from inferior to superior in RAS mm."""

from __future__ import annotations

from .nodes import companion_node, one_update, place_beside

CHART_ROLE = "LiverTumor.chart"
SERIES_ROLE = "LiverTumor.series"
CURSOR_ROLE = "LiverTumor.cursor"
CURSOR_SERIES_ROLE = "LiverTumor.cursorSeries"
_COLOR = (0.85, 0.33, 0.1)


def plot_probability(slice_table_node, ct_node):
    """Plot the probability column of a slice table; chart and series belong to the table and are used again.

    Returns:
        The vtkMRMLPlotChartNode, or None where the table has no probabilities; a chart of an earlier run is removed
        then.
    """
    if slice_table_node.GetColumnIndex("probability") < 0:
        _remove_chart(slice_table_node)
        return None
    name = f"{ct_node.GetName()} tumor probability"
    series = companion_node(
        slice_table_node, SERIES_ROLE, "vtkMRMLPlotSeriesNode", f"{ct_node.GetName()} slice probability"
    )
    with one_update(series):
        draw_line(series, slice_table_node, "ras_s", "probability", _COLOR)
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
    chart = slice_table_node.GetNodeReference(CHART_ROLE)
    cursor = [chart.GetNodeReference(role) for role in (CURSOR_SERIES_ROLE, CURSOR_ROLE)] if chart is not None else []
    for node in (*cursor, chart, slice_table_node.GetNodeReference(SERIES_ROLE)):
        if node is not None:
            slice_table_node.GetScene().RemoveNode(node)


def mark_slice(chart_node, s: float) -> None:
    """Draw a line into the plot at the S coordinate (mm) of the slice that is looked at; the line belongs to the
    chart."""
    import vtk

    table = companion_node(chart_node, CURSOR_ROLE, "vtkMRMLTableNode", f"{chart_node.GetName()} cursor")
    if table.GetNumberOfColumns() == 0:
        content = vtk.vtkTable()
        for name, values in (("s", (s, s)), ("probability", (0.0, 1.0))):
            column = vtk.vtkDoubleArray()
            column.SetName(name)
            for value in values:
                column.InsertNextValue(value)
            content.AddColumn(column)
        table.SetAndObserveTable(content)
        table.SetHideFromEditors(True)
    column = table.GetTable().GetColumnByName("s")
    for row in (0, 1):
        column.SetValue(row, s)
    table.GetTable().Modified()
    series = companion_node(
        chart_node, CURSOR_SERIES_ROLE, "vtkMRMLPlotSeriesNode", f"{chart_node.GetName()} slice shown"
    )
    if series.GetTableNode() is not table:
        with one_update(series):
            draw_line(series, table, "s", "probability", (0.1, 0.4, 0.9))
        series.SetHideFromEditors(True)
    if series.GetID() not in [
        chart_node.GetNthPlotSeriesNodeID(index) for index in range(chart_node.GetNumberOfPlotSeriesNodes())
    ]:
        chart_node.AddAndObservePlotSeriesNodeID(series.GetID())


def draw_line(series, table, x_column: str, y_column: str, color: tuple[float, float, float]) -> None:
    """Make a plot series a line through the points of a table node's two columns."""
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(series.PlotTypeScatter)
    series.SetXColumnName(x_column)
    series.SetYColumnName(y_column)
    series.SetMarkerStyle(series.MarkerStyleNone)
    series.SetLineStyle(series.LineStyleSolid)
    series.SetLineWidth(2)
    series.SetColor(*color)
