"""The follow-up in the segmentation panel, by clicks: dates chosen and compared, pairs looked at and changed, views,
plot, report."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")
pytest.importorskip("SimpleITK", reason="registration needs SimpleITK")

import slicer
from follow_up_scene import CURRENT, add_comparison, add_date, add_to_hierarchy, add_two, delete_largest
from followup_phantoms import rods
from job_tools import keeps_its_promise
from LiverTumorLib.mrml import ct_from_node, ct_to_node, labels_to_segmentation
from LiverTumorLib.mrml.follow_up import FOLLOW_UP_ROLE, kept_in
from LiverTumorLib.mrml.follow_up_plot import CHART_ROLE
from LiverTumorLib.mrml.study_facts import give_date
from LiverTumorLib.mrml.views import MARKER_ROLE
from panel_tools import spin
from PySide6 import QtWidgets
from slicer_standin import application

MODULE = "LiverSegmentationMobileUNet"


@pytest.fixture
def dates(app):
    return add_two()


@pytest.fixture
def compared(dates, panel):
    """The panel when spring and summer have been compared."""
    add_comparison(dates)
    panel.parameters.inputVolume = dates[0].ct
    panel.parameters.inputVolume = dates[1].ct
    return panel


@pytest.fixture
def panel(dates):
    panel = application.open_module(MODULE).panel
    panel.ui.followUpCollapsibleButton.collapsed = False
    panel.parameters.inputVolume = dates[1].ct
    return panel


def choose_ct(panel, ct, number: int = 0) -> None:
    """Choose an earlier CT in a row, as the user does."""
    selectors = [
        each for each in panel.ui.datesWidget.findChildren(slicer.qMRMLNodeComboBox) if "Volume" in each.nodeTypes[0]
    ]
    selectors[number].setCurrentNode(ct)


def compare(panel, prior) -> None:
    choose_ct(panel, prior)
    assert panel.ui.compareDatesButton.enabled, panel.ui.compareDatesButton.toolTip
    panel.ui.compareDatesButton.click()
    assert panel.follow_up.run.running, panel.ui.followUpStatusLabel.text
    spin(lambda: not panel.follow_up.run.running)


def cells(panel) -> list[list[str]]:
    table = panel.ui.pairTable
    return [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]


def pick(panel, row: int) -> None:
    panel.ui.pairTable.setCurrentCell(-1, -1)
    panel.ui.pairTable.setCurrentCell(row, 0)


def shown(view: str):
    widget = slicer.app.layoutManager().sliceWidget(view)
    volume = slicer.mrmlScene.GetNodeByID(widget.sliceLogic().GetSliceCompositeNode().GetBackgroundVolumeID() or "")
    node = widget.mrmlSliceNode()
    return volume.GetName(), node.GetOrientation(), round(node.GetSliceToRAS().GetElement(2, 3))


def kept_of(dates):
    return kept_in(dates[1].ct.GetNodeReference(FOLLOW_UP_ROLE))


def test_dates_are_compared_by_two_clicks(panel, dates):
    ui = panel.ui
    assert not ui.compareDatesButton.enabled and ui.compareDatesButton.toolTip == "Choose the CT of an earlier date."
    assert not ui.followUpResultsWidget.visible
    compare(panel, dates[0].ct)
    assert ui.followUpStatusLabel.text == "Done." and not ui.followUpProgressBar.visible
    assert [row[:3] for row in cells(panel)] == [["1", "1", "matched"], ["2", "2", "matched"], ["–", "3", "new"]]
    assert (
        cells(panel)[0][3:6] == ["23 → 39", "10.2 → 33.3", "+225"]
        and cells(panel)[0][7] == "yes"
        and cells(panel)[2][7] == ""
    )
    text = ui.followUpResponseLabel.text
    assert (
        text.startswith("2026-06-09: PD (RECIST 1.1, of the liver alone) - 1 new lesion")
        and "since the smallest" in text
    )
    assert not ui.followUpIntervalBox.visible and not ui.choicesButton.enabled


def test_a_click_shows_both_dates_each_at_its_own_lesion(compared, dates):
    pick(compared, 0)
    (name, direction, s), (other, its, its_s) = shown("Red"), shown("Yellow")
    assert (name, other, direction, its) == ("Spring", "Summer", "Axial", "Axial")
    slices = [study.lesions[0].diameter_slice for study in kept_of(dates).result.studies]
    assert [s, its_s] == [-100 + 5 * number for number in slices], "that of the longest diameter"
    displays = [date.segmentation.GetDisplayNode() for date in dates]
    assert all(display.GetVisibility() for display in displays)
    red, yellow = (slicer.app.layoutManager().sliceWidget(view).mrmlSliceNode().GetID() for view in ("Red", "Yellow"))
    assert displays[0].GetViewNodeIDs() == (red,), "its outlines would lie in the wrong place in the other CT"
    assert yellow in displays[1].GetViewNodeIDs() and red not in displays[1].GetViewNodeIDs()
    marker = dates[0].segmentation.GetNodeReference(MARKER_ROLE)
    assert marker.GetNthControlPointLabel(0).startswith("Lesion 1: ") and marker.GetDisplayNode().GetViewNodeIDs() == (
        red,
    )
    pick(compared, 2)
    assert dates[0].segmentation.GetNodeReference(MARKER_ROLE).GetNthControlPointLabel(0) == "nothing here"
    compared.ui.oneDateButton.click()
    assert {shown(view)[0] for view in ("Red", "Yellow", "Green")} == {"Summer"} and shown("Yellow")[1] == "Sagittal"
    assert displays[1].GetViewNodeIDs() == () and not displays[0].GetViewNodeIDs()
    compared.ui.sideBySideButton.click()
    assert shown("Red")[0] == "Spring"


def slice_node(view: str):
    return slicer.app.layoutManager().sliceWidget(view).mrmlSliceNode()


def offsets() -> tuple[float, float]:
    return slice_node("Red").GetSliceOffset(), slice_node("Yellow").GetSliceOffset()


def test_both_dates_scroll_together(compared, dates):
    pick(compared, 1)
    red, yellow = slice_node("Red"), slice_node("Yellow")
    spring, summer = offsets()
    changes = []
    tags = [node.AddObserver("ModifiedEvent", lambda *_: changes.append(1)) for node in (red, yellow)]
    yellow.SetSliceOffset(summer + 15)  # as the mouse wheel does
    assert offsets() == (pytest.approx(spring + 15, abs=0.5), summer + 15), "the livers lie straight"
    assert len(changes) == 2, "each moves once"
    red.SetSliceOffset(spring - 10)
    assert offsets() == (spring - 10, pytest.approx(summer - 10, abs=0.5))
    for node, tag in zip((red, yellow), tags, strict=True):
        node.RemoveObserver(tag)
    before = offsets()
    matrix = yellow.GetSliceToRAS()
    matrix.SetElement(0, 3, matrix.GetElement(0, 3) + 30)  # as panning does
    yellow.UpdateMatrices()
    yellow.SetFieldOfView(100, 100, 5)
    yellow.SetOrientation("Coronal")
    yellow.SetOrientation("Axial")
    assert offsets()[0] == before[0], "panned, zoomed and turned alone"
    box = compared.ui.scrollTogetherCheckBox
    box.click()
    yellow.SetSliceOffset(summer - 40)
    assert offsets()[0] == before[0], "switched off"
    box.click()
    yellow.SetSliceOffset(summer - 35)
    assert offsets()[0] == pytest.approx(before[0] + 5, abs=0.2), "from what is seen when it is switched on"
    compared.ui.oneDateButton.click()
    before = offsets()[0]
    yellow.SetSliceOffset(summer)
    assert offsets()[0] == before


def test_slicer_s_own_link_leaves_the_other_date_alone(compared, dates):
    groups = [slice_node(view).GetViewGroup() for view in ("Red", "Yellow", "Green")]
    pick(compared, 0)
    red, yellow, green = (slice_node(view).GetViewGroup() for view in ("Red", "Yellow", "Green"))
    assert red != yellow == green, "Slicer links the views of a group, in which all CT lie in one space"
    pick(compared, 1)
    compared.ui.oneDateButton.click()
    assert [slice_node(view).GetViewGroup() for view in ("Red", "Yellow", "Green")] == groups


def test_a_ct_that_goes_while_both_scroll(compared, dates):
    pick(compared, 0)
    before = offsets()[0]
    slicer.mrmlScene.RemoveNode(dates[0].ct)
    slice_node("Yellow").SetSliceOffset(offsets()[1] + 10)
    assert offsets()[0] == before


def test_a_view_of_the_user_s_is_left_alone(compared, dates):
    other = add_date("Other", CURRENT, "2026-01-01").ct
    red = slicer.app.layoutManager().sliceWidget("Red")
    red.sliceLogic().GetSliceCompositeNode().SetBackgroundVolumeID(other.GetID())
    place = red.mrmlSliceNode().GetSliceOffset()
    pick(compared, 0)
    assert [shown(view)[0] for view in ("Red", "Yellow", "Green")] == ["Other", "Spring", "Summer"]
    assert red.mrmlSliceNode().GetSliceOffset() == place
    third = add_date("Third", CURRENT, "2026-01-02").ct
    yellow = slicer.app.layoutManager().sliceWidget("Yellow").sliceLogic().GetSliceCompositeNode()
    yellow.SetBackgroundVolumeID(third.GetID())
    pick(compared, 1)
    assert [shown(view)[0] for view in ("Red", "Yellow", "Green")] == ["Other", "Third", "Summer"]
    assert "no two slice views" in compared.ui.followUpStatusLabel.text


def test_a_pair_and_a_target_are_changed_by_hand_and_that_is_said(compared, dates):
    ui = compared.ui
    pick(compared, 2)
    assert [ui.priorLesionBox.itemText(number) for number in range(ui.priorLesionBox.count)][0] == "new"
    ui.priorLesionBox.setCurrentIndex(2)
    assert [row[:3] for row in cells(compared)][1:] == [["2", "2", "split"], ["2", "3", "split*"]]
    assert "1 new lesion" not in ui.followUpResponseLabel.text
    assert "Pairs by hand: lesion 3 of 2026-06-09 is lesion 2 of 2026-03-01." in ui.followUpNotesLabel.text
    pick(compared, 0)
    before = ui.followUpResponseLabel.text
    ui.targetCheckBox.click()
    assert cells(compared)[0][7] == "" and ui.followUpResponseLabel.text != before
    assert "Target lesions chosen by hand: 2 of 2026-03-01." in ui.followUpNotesLabel.text
    compared.parameters.inputVolume = dates[0].ct
    assert not ui.followUpResultsWidget.visible, "that of another date"
    compared.parameters.inputVolume = dates[1].ct
    assert cells(compared)[2][2] == "split*", "kept"
    ui.choicesButton.click()
    assert (
        cells(compared)[2][:3] == ["–", "3", "new"] and cells(compared)[0][7] == "yes" and not ui.choicesButton.enabled
    )


def test_a_target_is_large_enough_and_one_of_two(panel, dates):
    small = add_date("Winter", [*CURRENT, ((30, 30, -20), 4)], "2025-12-01")
    compare(panel, small.ct)
    ui = panel.ui
    rows = [row[0] for row in cells(panel)]
    for prior, words in (("3", "two target lesions of the liver at most"), ("4", "mm long; a target lesion has 10 mm")):
        pick(panel, rows.index(prior))
        ui.targetCheckBox.click()
        assert words in ui.followUpStatusLabel.text and not ui.targetCheckBox.checked
    assert kept_of(dates).targets is None


def test_canceling_takes_less_than_two_seconds_and_leaves_the_scene_as_it_was(panel, dates, temp):
    choose_ct(panel, dates[0].ct)

    def attempt() -> float:
        panel.ui.compareDatesButton.click()
        spin(lambda: panel.ui.followUpProgressBar.value > 2)
        assert panel.ui.compareDatesButton.text == "Cancel"
        assert "Registering the liver of Summer" in panel.ui.followUpStatusLabel.text
        begin = time.monotonic()
        panel.ui.compareDatesButton.click()
        spin(lambda: not panel.follow_up.run.running)
        took = time.monotonic() - begin
        assert panel.ui.followUpStatusLabel.text == "Stopped; the scene is as it was."
        assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLTextNode") is None and list(temp.iterdir()) == []
        return took

    keeps_its_promise(2, attempt)


def test_lesions_that_change_afterwards_are_told(compared, dates):
    delete_largest(dates[0].segmentation)
    spin(lambda: "Lesions have changed since" in compared.ui.followUpNotesLabel.text)


def test_a_comparison_that_is_deleted_is_shown_no_longer(compared, dates):
    slicer.mrmlScene.RemoveNode(dates[1].ct.GetNodeReference(FOLLOW_UP_ROLE))
    assert not compared.ui.followUpResultsWidget.visible and compared.ui.compareDatesButton.enabled


def test_a_comparison_of_another_version_is_told(compared, dates):
    dates[1].ct.GetNodeReference(FOLLOW_UP_ROLE).SetText("{}")
    compared.parameters.inputVolume = dates[0].ct
    compared.parameters.inputVolume = dates[1].ct
    assert "no follow-up that this version can read" in compared.ui.followUpStatusLabel.text
    assert not compared.ui.followUpResultsWidget.visible


def test_the_plot_and_the_report(compared, dates, tmp_path, monkeypatch):
    compared.ui.followUpPlotButton.click()
    chart = dates[1].ct.GetNodeReference(FOLLOW_UP_ROLE).GetNodeReference(CHART_ROLE)
    selection = slicer.modules.plots._application_logic.GetSelectionNode()
    assert selection.GetActivePlotChartID() == chart.GetID()
    monkeypatch.setattr(QtWidgets.QFileDialog, "getExistingDirectory", lambda *given: str(tmp_path))
    pick(compared, 2)
    compared.ui.priorLesionBox.setCurrentIndex(2)
    compared.ui.followUpReportButton.click()
    spin(lambda: not compared.follow_up.run.running)
    folder = tmp_path / "Summer follow-up"
    assert compared.ui.followUpStatusLabel.text == f"Written to {folder}"
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    assert "hand" in (folder / "pairs.csv").read_text()
    compared.ui.followUpReportButton.click()
    assert "exists already" in compared.ui.followUpStatusLabel.text


def test_three_dates_show_two_of_them_at_a_time(panel, dates):
    first = add_date("Winter", [((-20, 0, 0), 9)], "2025-12-01")
    panel.ui.addDateButton.click()
    choose_ct(panel, first.ct, 1)
    compare(panel, dates[0].ct)
    box = panel.ui.followUpIntervalBox
    assert [box.itemText(number) for number in range(box.count)] == [
        "2025-12-01 → 2026-03-01",
        "2026-03-01 → 2026-06-09",
    ]
    assert len(cells(panel)) == 3 and panel.ui.followUpResponseLabel.text.startswith("2026-06-09: PD")
    box.setCurrentIndex(0)
    assert [row[:3] for row in cells(panel)] == [["1", "1", "matched"], ["–", "2", "new"]]
    pick(panel, 0)
    assert (shown("Red")[0], shown("Yellow")[0]) == ("Winter", "Spring")


def test_two_patients_are_asked_about(panel, dates, monkeypatch):
    for date, patient in zip(dates, ("P1", "P2"), strict=True):
        add_to_hierarchy(date.ct, patient, "20260101")
    asked = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, *_, **__: asked.append(text))
    choose_ct(panel, dates[0].ct)
    panel.ui.compareDatesButton.click()
    assert "Spring and Summer are of different patients" in asked[0] and not panel.follow_up.run.running
    assert "not compared, since they are of two patients" in panel.ui.followUpStatusLabel.text
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, *_, **__: True)
    compare(panel, dates[0].ct)
    assert len(cells(panel)) == 3


def test_what_cannot_be_compared_is_said(panel, dates):
    ui = panel.ui
    bare = ct_to_node(ct_from_node(dates[0].ct), slicer.mrmlScene)
    choose_ct(panel, bare)
    assert "Spring_1 has no segmentation of its liver yet" in ui.compareDatesButton.toolTip
    panel.ui.addDateButton.click()
    for number in (0, 1):
        choose_ct(panel, dates[0].ct, number)
    assert ui.compareDatesButton.toolTip == "One CT is chosen for two dates; choose another."
    days = panel.ui.datesWidget.findChildren(QtWidgets.QLineEdit)
    day = next(each for each in days if each.text == "2026-03-01")
    day.setText("spring")
    day.editingFinished.emit()
    assert "spring is no day" in ui.followUpStatusLabel.text and day.text == "2026-03-01"


def test_swapped_dates_and_a_prior_without_lesions_are_noted(panel, dates):
    late = add_date("Late", [], "2026-12-01")
    compare(panel, late.ct)
    assert "they are sorted" in panel.ui.followUpNotesLabel.text
    assert [row[2] for row in cells(panel)] == ["vanished"] * 3
    panel.parameters.inputVolume = late.ct
    give_date(late.ct, "2026-01-01")
    compare(panel, dates[1].ct)
    assert "has no lesions; each lesion found later is new" in panel.ui.followUpNotesLabel.text


def test_a_failed_registration_is_said_and_pairs_are_given_by_hand(panel, dates):
    volume, labels = rods()
    array = np.where(labels > 0, 60, -100) + 60 * (labels == 2)
    ct = ct_to_node(replace(volume, array=array.astype(np.int16)), slicer.mrmlScene)
    give_date(ct, "2026-01-01")
    labels_to_segmentation(labels, ct)
    compare(panel, ct)
    assert "The liver of Summer could not be registered on rods" in panel.ui.followUpStatusLabel.text
    assert panel.ui.followUpResponseLabel.text.startswith("2026-06-09: NE")
    assert {row[2] for row in cells(panel)} == {"unpaired"}
    pick(panel, 0)
    panel.ui.priorLesionBox.setCurrentIndex(1)
    assert cells(panel)[0][:3] == ["1", "1", "matched*"] and "NE" not in panel.ui.followUpResponseLabel.text
