"""Diameters and volume over the dates as a plot chart."""

from __future__ import annotations

from ..records.columns import Column
from ..records.followup import FollowUp
from ..report.course import positions
from .nodes import companion_node, one_update, place_beside
from .plots import draw_line
from .tables import fill_table

COURSE_ROLE, CHART_ROLE = "LiverTumor.course", "LiverTumor.courseChart"
_SERIES_ROLE = "LiverTumor.courseSeries"
_SUM, _VOLUME, _TARGETS = (0.1, 0.1, 0.1), (0.20, 0.45, 0.70), ((0.85, 0.33, 0.1), (0.47, 0.67, 0.19))


def plot_course(node, result: FollowUp):
    """Fill the table of the dates and draw its columns; both belong to the follow-up's text node.

    Returns:
        The vtkMRMLPlotChartNode.
    """
    dated = len({study.date for study in result.studies if study.date}) == len(result.studies)
    targets = [track for track in result.tracks if track.target]
    lengths = {f"target_{track.id}": track.diameter_mm for track in targets}
    curves = [
        *([("sum_mm", "sum of targets (mm)", _SUM)] if targets else []),
        *(
            (f"target_{track.id}", f"lesion {track.id} (mm)", _TARGETS[number % len(_TARGETS)])
            for number, track in enumerate(targets)
        ),
        ("tumor_ml", "tumor volume (ml)", _VOLUME),
    ]
    columns = (
        Column("name", "date", str),
        Column("position", "days since the first date" if dated else "date", float),
        *(Column(name, title, float) for name, title, _color in curves),
    )
    rows = [
        {
            "name": study.date or study.name,
            "position": position if dated else position + 1,
            "sum_mm": found.sum_mm,
            "tumor_ml": study.tumor_ml,
            **{name: values[at] for name, values in lengths.items()},
        }
        for at, (study, found, position) in enumerate(
            zip(result.studies, result.assessments, positions(result), strict=True)
        )
    ]
    table = companion_node(node, COURSE_ROLE, "vtkMRMLTableNode", f"{node.GetName()} course")
    fill_table(table, columns, rows)
    chart = companion_node(node, CHART_ROLE, "vtkMRMLPlotChartNode", f"{node.GetName()} course")
    with one_update(chart):
        chart.SetTitle(node.GetName())
        chart.SetXAxisTitle(columns[1].header[0].upper() + columns[1].header[1:])
        chart.SetYAxisTitle("mm, ml")
        chart.SetLegendVisibility(True)
        chart.RemoveAllPlotSeriesNodeIDs()
        for number, (name, title, color) in enumerate(curves):
            series = companion_node(chart, f"{_SERIES_ROLE}{number}", "vtkMRMLPlotSeriesNode", title)
            with one_update(series):
                series.SetName(title)  # which the legend shows
                draw_line(series, table, "position", name, color)
                series.SetLabelColumnName("name")
                series.SetMarkerStyle(series.MarkerStyleCircle)
                if name == "tumor_ml":
                    series.SetLineStyle(series.LineStyleDash)
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
            place_beside(series, node)
    for each in (table, chart):
        place_beside(each, node)
    return chart
