"""A table node's rows in a panel, one record a row; picking a row leads somewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """How a column of the table node is shown.

    Attributes:
        name: the column's name in the node, which is that of the record's field.
        title: what stands above it.
        pattern: format of a value.
        meaning: tool tip of the title, with units.
    """

    name: str
    title: str
    pattern: str
    meaning: str


class RecordTable:
    """Shows table nodes in a QTableWidget.

    Args:
        table: the QTableWidget.
        columns: what is shown, where the node has it.
        picked: called with the number of the row that the user has clicked or reached with the keys.
        stretched: numbers of the columns that share the width that the others leave; all share it where none of them
            is shown.
        several: whether more than one row can be chosen.
    """

    def __init__(
        self,
        table,
        columns: tuple[Shown, ...],
        picked: Callable[[int], None],
        stretched: tuple[int, ...] = (),
        several: bool = False,
    ) -> None:
        import qt

        self._table = table
        self._columns = columns
        self._picked = picked
        self._stretched = stretched
        self._records: list[dict] = []
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        kinds = qt.QAbstractItemView
        table.setSelectionMode(kinds.ExtendedSelection if several else kinds.SingleSelection)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + 8)
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        table.connect("cellClicked(int,int)", self._on_row)
        table.connect("currentCellChanged(int,int,int,int)", self._on_row)

    def show(self, records: list[dict]) -> None:
        """Show other records; nothing is done where they are those that are shown.

        A record may also have a `color` (red, green, blue as fractions of one), which is shown in its first cell, and
        be `faint`.
        """
        import qt

        if records == self._records and self._table.columnCount:
            return
        self._records = records
        columns = [column for column in self._columns if not records or _has_content(records, column.name)]
        wasBlocked = self._table.blockSignals(True)
        self._table.clearContents()
        self._table.setRowCount(len(records))
        self._table.setColumnCount(len(columns))
        stretched = [column for number, column in enumerate(self._columns) if number in self._stretched]
        for number, column in enumerate(columns):
            shares = column in stretched or not any(each in stretched for each in columns)
            self._table.horizontalHeader().setSectionResizeMode(
                number, qt.QHeaderView.Stretch if shares else qt.QHeaderView.ResizeToContents
            )
            header = qt.QTableWidgetItem(column.title)
            header.setToolTip(column.meaning)
            self._table.setHorizontalHeaderItem(number, header)
            for row, record in enumerate(records):
                value = record.get(column.name)
                item = qt.QTableWidgetItem("" if value is None else column.pattern.format(value))
                if isinstance(value, str):
                    item.setToolTip(value)  # where the column is too narrow for it
                else:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                if record.get("faint"):
                    item.setForeground(self._table.palette.brush(qt.QPalette.Disabled, qt.QPalette.Text))
                if not number and "color" in record:
                    item.setData(qt.Qt.DecorationRole, qt.QColor.fromRgbF(*record["color"]))
                self._table.setItem(row, number, item)
        self._table.blockSignals(wasBlocked)

    def chosen(self) -> list[int]:
        """The numbers of the rows that are chosen, ascending."""
        return sorted(index.row() for index in self._table.selectionModel().selectedRows())

    def choose(self, rows: list[int]) -> None:
        """Choose rows, the last one as the current, without leading anywhere."""
        import qt

        if rows != self.chosen():
            wasBlocked = self._table.blockSignals(True)
            self._table.clearSelection()
            for row in rows:
                self._table.setCurrentCell(row, 0, qt.QItemSelectionModel.Select | qt.QItemSelectionModel.Rows)
            self._table.blockSignals(wasBlocked)

    def select(self, row: int) -> None:
        """Select a row without leading anywhere."""
        if self._table.currentRow() != row:
            wasBlocked = self._table.blockSignals(True)
            self._table.selectRow(row)
            self._table.blockSignals(wasBlocked)

    def step(self, by: int) -> None:
        """Go some rows on, or back where negative, and from the last one to the first."""
        if self._records:
            row = self._table.currentRow()
            row = (row + by) % len(self._records) if row >= 0 else (0 if by > 0 else len(self._records) - 1)
            self.select(row)
            self._picked(row)

    def _on_row(self, row: int, *others) -> None:
        if 0 <= row < len(self._records):
            self._picked(row)


def _has_content(records: list[dict], name: str) -> bool:
    """Whether there is such a column; one of texts that are all empty counts as none."""
    return any(record.get(name) not in (None, "") for record in records)
