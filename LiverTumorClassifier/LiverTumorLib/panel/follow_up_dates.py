"""The rows in which a user says which dates are compared: CT, segmentation and day of each, the current one last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..mrml.follow_up import DateNodes, segmentation_of
from ..mrml.nodes import is_map
from ..mrml.study_facts import date_of, give_date


@dataclass
class _Row:
    """The widgets of an earlier date."""

    ct: Any
    segmentation: Any
    day: Any
    label: Any
    shown: Any = field(default=None)  # the CT that the other two speak of


class DateRows:
    """Earlier dates, of which there is one at least, and the current one.

    Args:
        place: the widget that the rows are put into.
        changed: called when the user has chosen something.
        tell: called with a sentence for the user.
    """

    def __init__(self, place, changed: Callable[[], None], tell: Callable[[str], None]) -> None:
        import qt

        self._grid = qt.QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        place.setLayout(self._grid)
        self._changed = changed
        self._tell = tell
        self._rows: list[_Row] = []
        self._current_ct = self._current_segmentation = None
        for column, title in enumerate((_("CT"), _("liver and lesions"), _("day")), start=1):
            self._grid.addWidget(qt.QLabel(title), 0, column)
        for column, share in ((1, 3), (2, 3), (3, 2)):
            self._grid.setColumnStretch(column, share)
        self._name, self._segmentation, self._day = qt.QLabel(), qt.QLabel(), self._day_edit()
        self._label = qt.QLabel(_("Current:"))
        self._day.connect("editingFinished()", lambda: self._on_day(self._current_ct, self._day))
        self.add()

    def add(self) -> None:
        """One more earlier date."""
        import qt

        row = _Row(
            self._selector("vtkMRMLScalarVolumeNode", _("Choose the CT")),
            self._selector("vtkMRMLSegmentationNode", _("None")),
            self._day_edit(),
            qt.QLabel(_("Earlier:") if self._rows else _("Prior:")),
        )
        row.ct.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: self._on_ct(row))
        row.segmentation.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: self._changed())
        row.day.connect("editingFinished()", lambda: self._on_day(row.ct.currentNode(), row.day))
        self._rows.append(row)
        self._place()
        self._hide()

    def show(self, ct, segmentation) -> None:
        """The current CT and its segmentation, either may be None."""
        self._current_ct, self._current_segmentation = ct, segmentation
        self._name.text = ct.GetName() if ct is not None else ""
        self._segmentation.text = segmentation.GetName() if segmentation is not None else _("none yet")
        self._day.text = (date_of(ct) or "") if ct is not None else ""
        self._day.enabled = ct is not None
        for row in self._rows:
            row.day.enabled = row.ct.currentNode() is not None
        self._hide()

    def choose(self, dates: list[DateNodes]) -> None:
        """Choose the earlier dates of a follow-up."""
        while len(self._rows) < len(dates):
            self.add()
        for row, date in zip(self._rows, [*dates, *[None] * (len(self._rows) - len(dates))], strict=True):
            row.ct.setCurrentNode(date.ct if date is not None else None)
            row.segmentation.setCurrentNode(date.segmentation if date is not None else None)

    @property
    def dates(self) -> list[DateNodes]:
        """All that are chosen, the current one last."""
        earlier = [DateNodes(row.ct.currentNode(), row.segmentation.currentNode()) for row in self._rows]
        current = DateNodes(self._current_ct, self._current_segmentation)
        return [date for date in (*earlier, current) if date.ct is not None]

    @property
    def problem(self) -> str:
        """Why they cannot be compared; "" when they can."""
        if self._current_ct is None:
            return _("Choose the current CT at the top first.")
        dates = self.dates
        if len(dates) < 2:
            return _("Choose the CT of an earlier date.")
        if len({date.ct.GetID() for date in dates}) < len(dates):
            return _("One CT is chosen for two dates; choose another.")
        lacking = next((date.ct.GetName() for date in dates if date.segmentation is None), "")
        if lacking:
            return _("{name} has no segmentation of its liver yet; make one with Apply, or choose one.").format(
                name=lacking
            )
        return ""

    def _on_ct(self, row: _Row) -> None:
        ct = row.ct.currentNode()
        if ct is not row.shown:
            row.shown = ct
            row.segmentation.setCurrentNode(segmentation_of(ct) if ct is not None else None)
            row.day.text = (date_of(ct) or "") if ct is not None else ""
            row.day.enabled = ct is not None
        self._changed()

    def _on_day(self, ct, edit) -> None:
        if ct is None:
            return
        if not give_date(ct, edit.text):
            self._tell(_("{text} is no day; give it as YYYY-MM-DD, such as 2026-03-31.").format(text=edit.text))
        edit.text = date_of(ct) or ""

    def _place(self) -> None:
        for number, row in enumerate(self._rows, start=1):
            for column, widget in enumerate((row.label, row.ct, row.segmentation, row.day)):
                self._grid.addWidget(widget, number, column)
        for column, widget in enumerate((self._label, self._name, self._segmentation, self._day)):
            self._grid.addWidget(widget, len(self._rows) + 1, column)

    def _hide(self) -> None:
        """What is no CT of an earlier date is not offered."""
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        hidden = [node.GetID() for node in volumes if is_map(node) or node is self._current_ct]
        for row in self._rows:
            row.ct.sortFilterProxyModel().hiddenNodeIDs = hidden

    @staticmethod
    def _selector(class_name: str, none: str):
        selector = slicer.qMRMLNodeComboBox()
        selector.nodeTypes = [class_name]
        selector.showChildNodeTypes = False
        selector.noneEnabled, selector.noneDisplay = True, none
        selector.addEnabled = selector.renameEnabled = selector.removeEnabled = False
        selector.setMRMLScene(slicer.mrmlScene)
        return selector

    @staticmethod
    def _day_edit():
        import qt

        edit = qt.QLineEdit()
        edit.placeholderText = _("YYYY-MM-DD")
        edit.minimumWidth = 6 * edit.fontMetrics().height()  # or the selectors beside it leave it too little
        return edit
