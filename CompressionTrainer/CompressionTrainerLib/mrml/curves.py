"""Loss, and accuracy or Dice, over the epochs of a workflow as a table node and a plot chart that follow the
training."""

from __future__ import annotations

from collections.abc import Sequence

from LiverTumorLib.mrml.nodes import companion_node, one_update
from LiverTumorLib.mrml.plots import CHART_ROLE, draw_line
from LiverTumorLib.mrml.tables import fill_table
from LiverTumorLib.records.columns import Column

from ..workflow.folder import Epoch

_COLUMNS = (
    Column("number", "epoch", int, description="Epoch, counted through all stages."),
    Column("stage", "stage", str, description="The folder of the training."),
    Column("loss", "training loss", float, description="Loss of the training slices, which are augmented."),
    Column("val_loss", "validation loss", float, description="Loss of the validation patients."),
    Column(
        "score",
        "training accuracy or Dice",
        float,
        description="Accuracy of a classifier or Dice of a segmentation (0 to 1), training slices.",
    ),
    Column("val_score", "validation accuracy or Dice", float, description="The same of the validation patients."),
)
TITLES = {column.name: column.header for column in _COLUMNS}
# Vermilion and blue of Okabe and Ito; validation is the full line, training the dashed one.
_LOSS, _SCORE = (0.84, 0.37, 0.0), (0.0, 0.45, 0.7)
_LINES = {"loss": _LOSS, "val_loss": _LOSS, "score": _SCORE, "val_score": _SCORE}


def show_epochs(table_node, epochs: Sequence[Epoch]):
    """Fill a table node with the epochs; returns the chart that belongs to it, whose lines are those that were
    measured."""
    fill_table(table_node, _COLUMNS, [vars(epoch) for epoch in epochs])
    chart = companion_node(table_node, CHART_ROLE, "vtkMRMLPlotChartNode", f"{table_node.GetName()} chart")
    with one_update(chart):
        chart.SetTitle(table_node.GetName())
        chart.SetXAxisTitle(TITLES["number"])
        chart.SetYAxisTitle("")
        chart.SetLegendVisibility(True)
        chart.RemoveAllPlotSeriesNodeIDs()
        for column, color in _LINES.items():
            if table_node.GetColumnIndex(column) < 0:
                continue
            series = companion_node(table_node, f"LiverTumor.{column}", "vtkMRMLPlotSeriesNode", TITLES[column])
            with one_update(series):
                draw_line(series, table_node, "number", column, color)
                series.SetLineStyle(series.LineStyleSolid if column.startswith("val_") else series.LineStyleDash)
                # One point is not a line.
                series.SetMarkerStyle(series.MarkerStyleCircle if len(epochs) == 1 else series.MarkerStyleNone)
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return chart
