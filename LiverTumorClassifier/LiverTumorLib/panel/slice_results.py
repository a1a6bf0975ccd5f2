"""The results part of the classifier panel: slices to go to, and the plot; both follow the axial slice view, and lead
it."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..mrml.plots import CHART_ROLE, mark_slice
from ..mrml.results import ct_of_table
from ..mrml.tables import records_of
from ..mrml.views import axial_slice_node, jump_to_slice, show_ct, shown_s
from .record_table import RecordTable, Shown

_COLUMNS = (
    Shown("index", _("slice"), "{:d}", _("0 is the most inferior slice.")),
    Shown("ras_s", "S (mm)", "{:.1f}", _("S coordinate in mm (RAS).")),
    Shown("probability", _("probability"), "{:.3f}", _("Calibrated probability (0 to 1) that the slice shows tumor.")),
    Shown(
        "field",
        _("field"),
        "{}",
        _("'liver' is what the classifier was trained for; 'no liver' has the probability 0 by rule."),
    ),
)


class SliceResults(VTKObservationMixin):
    """Shows the chosen slice table, and follows it.

    Args:
        ui: the panel's widgets.
        parameters: gives the parameter node as it is now, or None.
    """

    def __init__(self, ui, parameters: Callable) -> None:
        VTKObservationMixin.__init__(self)
        self._ui = ui
        self._parameters = parameters
        self._node = None
        self._view = None
        self._following = False
        self._heights: list[float] = []
        self._plotViews: list[slicer.qMRMLPlotView] = []
        self._table = RecordTable(ui.sliceTable, _COLUMNS, self._on_row)
        ui.plotButton.connect("clicked(bool)", self._show_plot)

    @property
    def _ct(self):
        return ct_of_table(self._node) if self._node is not None else None

    @property
    def _chart(self):
        return self._node.GetNodeReference(CHART_ROLE) if self._node is not None else None

    def show(self, caller=None, event=None) -> None:
        """Bring everything up to date with the nodes."""
        parameters = self._parameters()
        table = parameters.outputTable if parameters is not None else None
        self._node = self._observe(self._node, table, self.show)  # another frame of a sequence may be shown in it
        rows = records_of(self._node)
        if rows and not {"index", "ras_s", "probability"} <= rows[0].keys():
            rows = []  # some other table of the user's
        self._heights = [row["ras_s"] for row in rows]
        self._table.show(rows)
        self._ui.resultsCollapsibleButton.enabled = bool(rows)
        self._ui.resultsCollapsibleButton.visible = bool(rows)
        self._ui.plotButton.enabled = self._chart is not None
        likeliest = max(rows, key=lambda row: row["probability"], default=None)
        self._ui.summaryLabel.text = (
            _("Press Apply to get results.")
            if likeliest is None
            else _("{name}Likeliest: slice {index} (S {s:.0f} mm), p = {p:.3f}").format(
                name=f"{ct.GetName()}: " if (ct := ct_of_table(table)) is not None else "",
                index=likeliest["index"],
                s=likeliest["ras_s"],
                p=likeliest["probability"],
            )
        )
        self.follow(self._following)

    def follow(self, following: bool) -> None:
        """Follow the axial slice view of the table's CT, or leave it alone."""
        self._following = following
        self._view = self._observe(self._view, self._axial_view() if following else None, self._on_slice_moved)
        self._on_slice_moved()

    def _axial_view(self):
        return axial_slice_node(self._ct) if self._ct is not None else None

    def _observe(self, before, now, receiver):
        """Listen to another node than before; returns it."""
        if now is not before:
            if before is not None:
                self.removeObserver(before, vtk.vtkCommand.ModifiedEvent, receiver)
            if now is not None:
                self.addObserver(now, vtk.vtkCommand.ModifiedEvent, receiver)
        return now

    def _on_row(self, row: int) -> None:
        if row < len(self._heights) and self._ct is not None:
            show_ct(self._ct)
            jump_to_slice(self._ct, self._heights[row])

    def _on_slice_moved(self, caller=None, event=None) -> None:
        node = self._axial_view()
        if node is None or not self._heights:
            return
        s = shown_s(node)
        row = min(range(len(self._heights)), key=lambda index: abs(self._heights[index] - s))
        self._table.select(row)
        if self._chart is not None:
            mark_slice(self._chart, s)

    def _show_plot(self, checked: bool = False) -> None:
        slicer.modules.plots.logic().ShowChartInLayout(self._chart)
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        for index in range(manager.plotViewCount):
            view = manager.plotWidget(index).plotView()
            if view not in self._plotViews:
                self._plotViews.append(view)
                view.connect("dataSelected(vtkStringArray*,vtkCollection*)", self._on_curve)

    def _on_curve(self, series, selections) -> None:
        """The user has clicked points of the curve: go to the first of them."""
        if self._chart is None:
            return
        curve = self._chart.GetNthPlotSeriesNodeID(0)
        for index in range(series.GetNumberOfValues()):
            selection = selections.GetItemAsObject(index)
            if series.GetValue(index) == curve and selection.GetNumberOfValues():
                self._on_row(selection.GetValue(0))
