"""Two dates as nodes: compared in a real child, kept in the scene, changed by hand, shown side by side."""

from types import SimpleNamespace

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("SimpleITK", reason="registration needs SimpleITK")

pytest.importorskip("highdicom", reason="DICOM results need highdicom")

import highdicom as hd
import numpy as np
import pydicom
import slicer
from follow_up_scene import add_comparison, add_to_hierarchy, add_two, delete_largest
from followup_phantoms import ball
from followup_series import DATES, write_date
from LiverTumorLib.dicom import write_dicom
from LiverTumorLib.errors import InputError
from LiverTumorLib.followup.byhand import choose_prior
from LiverTumorLib.mrml import ct_to_node, labels_to_segmentation, measure_again
from LiverTumorLib.mrml.case_nodes import LESIONS_ROLE
from LiverTumorLib.mrml.follow_up import (
    DateNodes,
    choose,
    dates_of,
    is_outdated,
    kept_in,
    segmentation_of,
    start_follow_up,
    start_report,
)
from LiverTumorLib.mrml.follow_up_plot import CHART_ROLE, COURSE_ROLE
from LiverTumorLib.mrml.follow_up_views import step_to_prior
from LiverTumorLib.mrml.kept_axes import LONG, draw_axis
from LiverTumorLib.mrml.lesions import lesions_of
from LiverTumorLib.mrml.segment_tags import set_judgment
from LiverTumorLib.mrml.study_facts import date_of, facts_of, give_date
from LiverTumorLib.mrml.tables import records_of
from LiverTumorLib.records.followup import FollowUp
from LiverTumorLib.records.judgments import REJECTED, Judgment
from LiverTumorLib.records.pairs import pair_rows
from mrml_scene import new_scene
from study_writer import ORIGIN, found_in


@pytest.fixture
def two():
    new_scene()
    return add_two()


@pytest.fixture
def compared(two):
    return add_comparison(two), two


def pairs(node) -> list[tuple]:
    return [(row.prior_lesion, row.lesion, row.kind) for row in pair_rows(kept_in(node).result, 1)]


def test_two_dates_are_compared_in_a_child_and_kept_with_the_scene(two, tmp_path):
    node = start_follow_up(two[1].ct, two).wait()
    assert pairs(node) == [(1, 1, "matched"), (2, 2, "matched"), (None, 3, "new")]
    result = kept_in(node).result
    assert [study.date for study in result.studies] == ["2026-03-01", "2026-06-09"]
    assert result.assessments[1].response == "PD" and dates_of(node) == two and not is_outdated(node)
    scene = slicer.mrmlScene
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Commit()
    loaded = slicer.vtkMRMLScene()
    loaded.SetURL(scene.GetURL())
    loaded.Import()
    [text] = [loaded.GetNthNodeByClass(0, "vtkMRMLTextNode")]
    assert kept_in(text) == kept_in(node)


def test_the_prior_s_segmentation_is_found_by_its_ct(two):
    assert [segmentation_of(date.ct) for date in two] == [date.segmentation for date in two]
    slicer.mrmlScene.RemoveNode(two[0].segmentation)
    assert segmentation_of(two[0].ct) is None


def test_choices_take_effect_at_once_and_stay(compared):
    node, _ = compared
    found = kept_in(node).result.found
    choose(node, None, choose_prior(found, (), (1, 3), (0, 2)))
    assert pairs(node)[1:] == [(2, 2, "split"), (2, 3, "split")]
    choose(node, [2], kept_in(node).pairs)
    kept = kept_in(node)
    assert [track.target for track in kept.result.tracks] == [False, True]
    assert kept.result.assessments[1].new_lesions == 0 and kept.result.links[-1].by == "hand"
    notes = " ".join(kept.result.notes)
    assert "Pairs by hand: lesion 3 of 2026-06-09 is lesion 2 of 2026-03-01." in notes
    assert "Target lesions chosen by hand: 2 of 2026-03-01." in notes
    choose(node, None, choose_prior(found, kept.pairs, (1, 3), None))  # as registration has it
    assert kept_in(node).pairs == () and pairs(node)[2] == (None, 3, "new")


def test_the_plot_has_a_curve_for_the_sum_each_target_and_the_volume(compared):
    node, _ = compared
    chart = node.GetNodeReference(CHART_ROLE)
    table = node.GetNodeReference(COURSE_ROLE).GetTable()
    names = [chart.GetNthPlotSeriesNode(index).GetName() for index in range(chart.GetNumberOfPlotSeriesNodes())]
    assert names == ["sum of targets (mm)", "lesion 1 (mm)", "lesion 2 (mm)", "tumor volume (ml)"]
    assert [table.GetColumnByName("position").GetValue(row) for row in (0, 1)] == [0, 100]
    choose(node, [1], ())
    assert chart.GetNumberOfPlotSeriesNodes() == 3


def test_a_lesion_that_is_deleted_while_dates_are_compared_or_after(two):
    run = start_follow_up(two[1].ct, two)
    delete_largest(two[1].segmentation)
    with pytest.raises(InputError, match="Summer segmentation was changed while the dates were compared"):
        run.wait()
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLTextNode") is None
    node = start_follow_up(two[1].ct, two).wait()
    found = kept_in(node).result
    assert found.tracks[0].status == ["present", "vanished"]
    assert [lesion.id for lesion in found.studies[1].lesions] == [2, 3], "lesions keep their numbers"
    delete_largest(two[0].segmentation)
    assert is_outdated(node)


def test_days_are_those_of_the_user_or_of_the_study():
    scene = new_scene()
    ct = ct_to_node(ball(30)[0], scene)
    assert date_of(ct) is None and not give_date(ct, "spring") and date_of(ct) is None
    add_to_hierarchy(ct, "P1", "20260301", "1.2.3")
    facts = facts_of(ct)
    assert (facts.date, facts.patient, facts.series) == ("2026-03-01", "P1", "1.2.3")
    assert give_date(ct, "2026-04-01") and date_of(ct) == "2026-04-01"
    assert give_date(ct, "") and date_of(ct) == "2026-03-01"


def test_rejected_lesions_are_left_out_and_axes_drawn_by_hand_count(two):
    summer = two[1].segmentation
    measure_again(summer, two[1].ct)
    rows = records_of(summer.GetNodeReference(LESIONS_ROLE))
    ends = ((-30.0, -5.0, rows[1]["centroid_s"]), (30.0, -5.0, rows[1]["centroid_s"]))
    draw_axis(summer, rows, 2, LONG, ends)
    third = lesions_of(summer)[2]
    set_judgment(summer.GetSegmentation().GetSegment(third.identifier), Judgment(status=REJECTED))
    result = kept_in(start_follow_up(two[1].ct, two).wait()).result
    assert [lesion.id for lesion in result.studies[1].lesions] == [1, 2]
    by_hand = result.studies[1].lesion(2)
    assert (by_hand.axes_by_hand, by_hand.longest_diameter_mm) == ("long", 60.0)
    assert "Measured by hand: long axis of lesion 2 of 2026-06-09." in result.notes
    assert result.assessments[1].sum_mm == pytest.approx(60 + result.studies[1].lesion(1).longest_diameter_mm)


def test_dates_of_slicer_s_dicom_database_get_structured_reports(tmp_path, monkeypatch):
    scene = new_scene()
    dates, files = [], {}
    for number, (name, lesions) in enumerate(DATES.items(), start=1):
        folder = write_date(tmp_path / name, lesions, StudyInstanceUID=f"1.2.3.{number}")
        volume, output = found_in(folder)
        own = {pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID: str(file) for file in folder.iterdir()}
        files |= own
        ct = ct_to_node(volume, scene)
        ct.SetAttribute("DICOM.instanceUIDs", " ".join(own))
        add_to_hierarchy(ct, "P1", f"2026030{number}", f"1.2.3.{number}.9")
        dates.append(DateNodes(ct, labels_to_segmentation(output.labels, ct)))
    monkeypatch.setattr(slicer, "dicomDatabase", SimpleNamespace(fileForInstance=files.get, isOpen=True), raising=False)
    node = start_follow_up(dates[1].ct, dates).wait()
    out = start_report(node, tmp_path / "out").wait()
    reports = [hd.sr.srread(out / f"{name}.follow-up.sr.dcm") for name in DATES]
    uids = [{group.tracking_uid for group in each.content.get_image_measurement_groups()[1:]} for each in reports]
    assert uids[0] == uids[1] == {track.uid for track in kept_in(node).result.tracks}
    alone = write_dicom_report(tmp_path, "spring")
    assert alone == uids[0], "those of the CT by itself"


def write_dicom_report(folder, name: str) -> set[str]:
    """The tracking UIDs of the lesions in the report of one CT."""
    volume, output = found_in(folder / name)
    write_dicom(folder, name, volume, output, ORIGIN, None)
    groups = hd.sr.srread(folder / f"{name}.sr.dcm").content.get_image_measurement_groups()
    return {group.tracking_uid for group in groups}


def test_a_step_in_the_liver_goes_through_the_dates_between():
    first, second = np.diag([1.0, 2, 3]), np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    result = FollowUp([], [], [], [], [], linear_parts=[first.tolist(), second.tolist()])
    np.testing.assert_array_equal(step_to_prior(result, 0, 2), first @ second)
    np.testing.assert_array_equal(step_to_prior(result, 1, 2), second)
    result.linear_parts[1] = None
    np.testing.assert_array_equal(step_to_prior(result, 0, 2), np.eye(3), "a registration has failed")
    before = {name: value for name, value in result.to_dict().items() if name != "linear_parts"}
    np.testing.assert_array_equal(step_to_prior(FollowUp.from_dict(before), 0, 1), np.eye(3), "of an earlier version")
