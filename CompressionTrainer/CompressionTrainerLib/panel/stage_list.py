"""The stages of a workflow in the panel: which are wanted, and where each stands."""

from __future__ import annotations

from collections.abc import Callable, Collection

from slicer.i18n import tr as _

_ALWAYS = ("prepare", "train")


class StageList:
    """Two columns in a QTableWidget: a stage with its tick, and its state.

    Args:
        table: the QTableWidget.
        changed: called with the stages that are not wanted when the user has ticked or unticked one.
    """

    def __init__(self, table, changed: Callable[[list[str]], None]) -> None:
        import qt

        self._table = table
        self._changed = changed
        self._shown: tuple = ()
        self._stages: list[str] = []
        self._left_out: list[str] = []
        self._running = ""
        table.setColumnCount(2)
        table.setHorizontalHeaderLabels([_("stage"), _("state")])
        table.setSelectionMode(qt.QAbstractItemView.NoSelection)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + 8)
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        table.connect("itemChanged(QTableWidgetItem*)", self._on_item)

    def show(
        self, first: list[str], stages: Collection[str], left_out: Collection[str], finished: Collection[str]
    ) -> None:
        """Show the stages `first` and then those of a configuration, in the order in which they run."""
        from ..workflow.commands import STAGES

        ordered = [*first, *(stage for stage in STAGES if stage in stages)]
        shown = (ordered, sorted(left_out), sorted(finished))
        if shown == self._shown:
            return
        self._shown, self._stages, self._left_out = shown, ordered, [stage for stage in ordered if stage in left_out]
        if self._running:  # the states are those of the run
            return
        self._fill({stage: _("finished") if stage in finished else _("to do") for stage in ordered})

    def begin(self) -> None:
        """A run has begun: nothing can be ticked until it ends."""
        self._running = "-"
        self._fill({stage: self._state(row) for row, stage in enumerate(self._stages)})

    def advance(self, stage: str) -> None:
        """A stage runs; those before it are finished."""
        if stage not in self._stages or stage == self._running:
            return
        self._running = stage
        place = self._stages.index(stage)
        for row, name in enumerate(self._stages):
            if name not in self._left_out:
                self._set_state(row, _("finished") if row < place else _("running") if row == place else _("to do"))

    def end(self) -> None:
        """The run is over; what `show` shows next is what is in the folder."""
        self._running, self._shown = "", ()

    def _fill(self, states: dict[str, str]) -> None:
        import qt

        wasBlocked = self._table.blockSignals(True)
        self._table.setRowCount(len(self._stages))
        for row, stage in enumerate(self._stages):
            item = qt.QTableWidgetItem(stage)
            free = stage not in _ALWAYS and not self._running
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable if free else qt.Qt.ItemIsEnabled)
            item.setCheckState(qt.Qt.Unchecked if stage in self._left_out else qt.Qt.Checked)
            self._table.setItem(row, 0, item)
            self._set_state(row, _("left out") if stage in self._left_out else states[stage])
        self._table.blockSignals(wasBlocked)

    def _state(self, row: int) -> str:
        item = self._table.item(row, 1)
        return item.text() if item is not None else ""

    def _set_state(self, row: int, text: str) -> None:
        import qt

        wasBlocked = self._table.blockSignals(True)
        self._table.setItem(row, 1, qt.QTableWidgetItem(text))
        self._table.blockSignals(wasBlocked)

    def _on_item(self, item) -> None:
        import qt

        if item.column() == 0:
            rows = enumerate(self._stages)
            self._changed([stage for row, stage in rows if self._table.item(row, 0).checkState() == qt.Qt.Unchecked])
