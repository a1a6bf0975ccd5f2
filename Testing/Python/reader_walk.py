"""A reader's ten minutes with two dates: what mouse and keys do to the panel, action by action.

The lesions are two that grew or stayed, one that is none, and one that is new and was missed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import slicer
from follow_up_scene import PRIOR, SHIFT, add_date
from followup_phantoms import ball
from LiverTumorLib.mrml import ct_to_node, measure_again
from LiverTumorLib.mrml.axes import axis_lines
from LiverTumorLib.mrml.follow_up import DateNodes
from LiverTumorLib.mrml.study_facts import give_date
from panel_tools import idle, spin
from PySide6 import QtCore, QtTest, QtWidgets
from slicer_standin import application
from test_panel_axes import drag, ends
from test_panel_clicks import Mouse

MODULE = "LiverSegmentationMobileUNet"
FOUND = [((-20, 0, 0), 20), ((25, 10, 10), 9)]
FALSE = (-15, -40, -25), 12
MISSED = (20, -30, -10), 9
TASK = "mrml_tasks:segment_but_faint"  # in place of the networks: see `use_task`


def add_dates() -> tuple[DateNodes, object]:
    """Spring with its lesions, measured as a saved scene brings them, and the CT of summer."""
    spring = add_date("Spring", PRIOR, "2026-03-01")
    measure_again(spring.segmentation, spring.ct)
    volume, _ = ball(1, SHIFT)
    hu = np.full(volume.shape, -100, np.int16)
    for balls, value in (([((0, 0, 0), 70)], 60), ([*FOUND, FALSE], 120), ([MISSED], 90)):
        for place, radius in balls:
            hu[ball(radius, np.add(place, SHIFT))[1] > 0] = value
    ct = ct_to_node(replace(volume, name="Summer", array=hu), slicer.mrmlScene)
    give_date(ct, "2026-06-09")
    return spring, ct


@dataclass
class Reader:
    """Somebody at the mouse, whose actions are counted: a click, a key or a drag each."""

    mouse: Mouse
    actions: int = 0
    panel: object = None

    @property
    def ui(self):
        return self.panel.ui

    def click(self, widget, place: QtCore.QPoint | None = None) -> None:
        assert widget.isVisible() and widget.isEnabled()
        self.mouse.click(widget, place)
        self.actions += 1

    def key(self, letter: str) -> None:
        window = self.panel.module.parent
        window.activateWindow()
        spin(lambda: window.isActiveWindow)
        QtTest.QTest.keyClick(window, getattr(QtCore.Qt.Key, f"Key_{letter}"))
        self.actions += 1

    def unfold(self, section) -> None:
        self.click(section.findChild(QtWidgets.QToolButton))

    def choose(self, selector, name: str) -> None:
        """A node in its list, which opens and is clicked on."""
        box = selector.findChild(QtWidgets.QComboBox)
        self.click(box)
        view = box.view()
        index = view.model().index(box.findText(name), 0)

        def chosen() -> bool:
            # A list that has just opened takes no click for as long as the second of a double click may come, and on a
            # busy machine for longer.
            QtTest.QTest.qWait(QtWidgets.QApplication.doubleClickInterval() + 50)
            if view.isVisible():
                self.mouse.click(view.viewport(), view.visualRect(index).center())
            return QtWidgets.QComboBox.currentText(box) == name

        spin(chosen)
        self.actions += 1

    def open_module(self) -> None:
        """Slicer's list of modules, and the module in it, which stand outside of the panel."""
        self.panel = application.open_module(MODULE).panel
        self.actions += 2

    def run(self) -> None:
        """With the maps kept, on which a missed lesion is grown."""
        self.choose(self.ui.inputSelector, "Summer")
        self.unfold(self.ui.advancedCollapsibleButton)
        box = self.ui.keepCheckBox
        self.click(box, QtCore.QPoint(8, box.height // 2))
        self.click(self.ui.applyButton)
        assert self.panel.run.running, self.ui.statusLabel.text
        spin(lambda: not self.panel.run.running)

    def reject_second(self) -> None:
        """The first is looked at, and so is the second."""
        for letter in "NNX":
            self.key(letter)

    def point_at_missed(self, place) -> None:
        """A click in a slice view, after which what is grown there is shown."""
        self.click(self.ui.missedButton)
        scene, kind = slicer.mrmlScene, "vtkMRMLMarkupsFiducialNode"
        seed = scene.GetNthNodeByClass(scene.GetNumberOfNodesByClass(kind) - 1, kind)
        seed.AddControlPointWorld(*place)  # as the view does
        self.actions += 1
        spin(lambda: self.ui.takeMissedButton.isVisible())

    def take_missed(self) -> None:
        self.click(self.ui.takeMissedButton)
        idle(self.panel)

    def drag_long_axis(self) -> float:
        """Of the first lesion, by a fifth longer; its length in mm."""
        self.key("P")
        long, _short = axis_lines(self.panel.parameters.outputSegmentation)
        first, second = ends(long)
        drag(long, second + (first - second) * 1.2)
        self.actions += 1
        return float(np.linalg.norm(first - second)) * 1.2

    def compare(self) -> None:
        self.unfold(self.ui.followUpCollapsibleButton)
        self.choose(self.ui.datesWidget.findChildren(slicer.qMRMLNodeComboBox)[0], "Spring")
        self.click(self.ui.compareDatesButton)
        assert self.panel.follow_up.run.running, self.ui.followUpStatusLabel.text
        spin(lambda: not self.panel.follow_up.run.running)

    def look_at_pair(self, row: int) -> None:
        table = self.ui.pairTable
        self.click(table.viewport(), table.visualItemRect(table.item(row, 0)).center())

    def save(self, button, run) -> None:
        """A report, where the dialog says, which is closed by its own button."""
        self.click(button)
        self.actions += 1
        assert run.running, (self.ui.statusLabel.text, self.ui.followUpStatusLabel.text)
        spin(lambda: not run.running)

    def save_follow_up(self, folder: Path, monkeypatch) -> Path:
        monkeypatch.setattr(QtWidgets.QFileDialog, "getExistingDirectory", lambda *_: str(folder))
        self.save(self.ui.followUpReportButton, self.panel.follow_up.run)
        return folder / "Summer follow-up"

    def save_page(self, path: Path, monkeypatch) -> None:
        import qt  # the stand-in's, which comes with the application

        monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_: str(path), raising=False)
        self.save(self.ui.reportButton, self.panel.run)
