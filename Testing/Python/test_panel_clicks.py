"""From opening the panel to results on screen, with the mouse: at most six clicks."""

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import numpy as np
import slicer
from LiverTumorLib.mrml import labels_from_segmentation
from mrml_scene import GRIDS, add_ct
from panel_tools import apply, spin, use_task
from PySide6 import QtCore, QtTest
from slicer_standin import application


class Mouse(QtCore.QObject):
    """Clicks on widgets that can be seen, and counts the presses that arrive anywhere in the application."""

    def __init__(self, app) -> None:
        super().__init__()
        self.presses = 0
        self._app = app

    def __enter__(self):
        self._app.installEventFilter(self)
        return self

    def __exit__(self, *_) -> None:
        self._app.removeEventFilter(self)

    def click(self, widget, place: QtCore.QPoint | None = None) -> None:
        """In the middle of a widget, or at a place in it."""
        before = self.presses
        none = QtCore.Qt.KeyboardModifier.NoModifier
        QtTest.QTest.mouseClick(widget, QtCore.Qt.MouseButton.LeftButton, none, place or QtCore.QPoint())
        assert self.presses == before + 1, "the widget is hidden or out of reach"

    def eventFilter(self, receiver, event) -> bool:
        if event.type() == QtCore.QEvent.Type.MouseButtonPress and receiver.isWidgetType():
            self.presses += 1
        return False


def test_results_after_few_clicks(app, monkeypatch):
    """Module, Apply, a lesion, 3D: each click is one of a user's, who chooses the module in Slicer's list."""
    use_task(monkeypatch, "segment", "mrml_tasks:segment")
    ct = add_ct(slicer.mrmlScene, GRIDS["oblique"])
    clicks = 2  # the list of modules, and the module in it
    panel = application.open_module("LiverSegmentationMobileUNet").panel
    with Mouse(app) as mouse:
        mouse.click(panel.ui.applyButton)
        spin(lambda: not panel.run.running)
        segmentation = panel.parameters.outputSegmentation
        assert panel.ui.summaryLabel.text.startswith(f"{ct.GetName()}: liver ") and panel.ui.lesionTable.rowCount == 1
        assert segmentation.GetDisplayNode().GetVisibility2D()
        assert np.any(labels_from_segmentation(segmentation, ct) == 2)
        mouse.click(panel.ui.lesionTable.viewport())
        mouse.click(panel.ui.show3DButton)
        assert segmentation.GetSegmentation().ContainsRepresentation("Closed surface")
        clicks += mouse.presses
    assert clicks == 5 <= 6


def test_keys_go_through_the_lesions_and_set_the_window(app, monkeypatch):
    """N, P and W, while the module is open; a lesion is seen in the slice of its longest diameter."""
    use_task(monkeypatch, "segment", "mrml_tasks:segment_two")
    ct = add_ct(slicer.mrmlScene, GRIDS["axial"])
    panel = application.open_module("LiverSegmentationMobileUNet").panel
    apply(panel)
    red = app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    window = panel.module.parent
    window.activateWindow()
    spin(lambda: window.isActiveWindow)
    lesions = records_of(panel.parameters.outputSegmentation)
    assert len(lesions) == 2
    for key, row in (("N", 0), ("N", 1), ("N", 0), ("P", 1)):
        QtTest.QTest.keyClick(window, getattr(QtCore.Qt.Key, f"Key_{key}"))
        assert panel.ui.lesionTable.currentRow() == row
        height = GRIDS["axial"][2, 3] + 5.0 * lesions[row]["diameter_slice"]  # its slices are 5 mm apart
        assert red.GetSliceOffset() == pytest.approx(height, abs=0.01)
    display = ct.GetDisplayNode()
    before = display.GetWindow(), display.GetLevel()
    for expected in ((200.0, 60.0), before):
        QtTest.QTest.keyClick(window, QtCore.Qt.Key.Key_W)
        assert (display.GetWindow(), display.GetLevel()) == expected
    application.leave_module("LiverSegmentationMobileUNet")
    QtTest.QTest.keyClick(window, QtCore.Qt.Key.Key_W)
    assert (display.GetWindow(), display.GetLevel()) == before


def records_of(segmentation) -> list[dict]:
    """The rows of the lesion table."""
    from LiverTumorLib.mrml import tables
    from LiverTumorLib.mrml.case_nodes import LESIONS_ROLE

    return tables.records_of(segmentation.GetNodeReference(LESIONS_ROLE))
