"""What a radiologist sees of a result, drawn by Slicer's own displayable managers; `test_slice_views.py` runs each of
these tests."""

import numpy as np
import pytest
import slicer
from LiverTumorLib.mrml import ct_to_node, labels_to_segmentation, show_segmentation
from LiverTumorLib.mrml.axes import axis_lines, show_axes, take_axes
from LiverTumorLib.mrml.case_nodes import ct_of
from LiverTumorLib.mrml.follow_up import DateNodes
from LiverTumorLib.mrml.follow_up_views import link_dates, show_dates, show_pair
from LiverTumorLib.mrml.lesions import lesions_of, take_lesions
from LiverTumorLib.mrml.linked_slices import LinkedSlices
from LiverTumorLib.mrml.views import end_placing, highlight, is_placing, mark_lesion, show_marker, start_placing
from LiverTumorLib.mrml.worklist import judge
from LiverTumorLib.pipelines.lesions import measure
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult
from mrml_scene import new_scene
from panel_tools import phantom
from scipy.ndimage import binary_dilation, binary_erosion
from slice_views import SliceViewOfSlicer


@pytest.fixture
def seen():
    """The phantom with its truth as the segmentation, in the slice with most tumor."""
    scene = new_scene()
    view = SliceViewOfSlicer(scene)
    volume, truth = phantom()
    ct = ct_to_node(volume, scene)
    segmentation = labels_to_segmentation(truth, ct)
    view.show(ct)
    k = int((truth == 2).sum(axis=(1, 2)).argmax())
    view.node.SetSliceOffset(float(volume.ras([0, 0, k])[2]))
    return view, segmentation, k


def places(mask: np.ndarray, k: int) -> np.ndarray:
    j, i = np.nonzero(mask)
    return phantom()[0].ras(np.stack([i, j, np.full_like(i, k)], axis=-1))


def test_outlines_leave_liver_and_lesions_to_be_judged(seen):
    view, segmentation, k = seen
    picture, tumor = view.draw(), phantom()[1][k] == 2
    liver = phantom()[1][k] > 0
    inside = binary_erosion(liver, iterations=2) & ~(
        binary_dilation(tumor, iterations=2) & ~binary_erosion(tumor, iterations=2)
    )
    colors = view.at(picture, places(inside, k))
    assert np.ptp(colors, axis=1).max() <= 2, "the CT's gray, not a fill"
    rim = view.at(picture, places(binary_dilation(tumor) & ~binary_erosion(tumor), k))
    expected = np.array(segmentation.GetSegmentation().GetSegment("Lesion 1").GetColor()) * 255
    assert (np.abs(rim - expected).max(axis=1) < 30).any(), "the lesion's outline"
    assert np.ptp(rim, axis=1).max() > 100


def test_a_rejected_lesion_leaves_no_ring_in_the_liver(seen):
    view, segmentation, k = seen
    tumor, inside = phantom()[1][k] == 2, binary_erosion(phantom()[1][k] > 0, iterations=3)
    rim = places(binary_dilation(tumor) & ~binary_erosion(tumor) & inside, k)
    before = view.draw()
    assert np.ptp(view.at(before, rim), axis=1).max() > 100, "outlines of liver and lesion"
    lesions = [lesion.identifier for lesion in lesions_of(segmentation)]
    judge(segmentation, ct_of(segmentation), lesions, status="rejected")
    assert np.ptp(view.at(view.draw(), rim), axis=1).max() <= 2, "the CT's gray"
    judge(segmentation, ct_of(segmentation), lesions, status="")
    np.testing.assert_array_equal(view.draw(), before)


def test_the_marker_is_where_the_lesion_is_and_can_be_hidden(seen):
    view, segmentation, k = seen
    plain = view.draw()
    [place] = places(phantom()[1][k] == 2, k)[:1]
    mark_lesion(segmentation, place, "Lesion 1")
    marked = view.draw()
    changed = np.argwhere((marked != plain).any(axis=-1))
    assert len(changed) > 20, "a cross and its label"
    y, x = changed.T
    cyan = np.abs(marked[y, x].astype(int) - (51, 255, 255)).max(axis=1) < 40
    assert cyan.any(), "Slicer's own would be a red disk"
    around = np.stack(np.meshgrid(*[np.arange(-3.0, 3.5, 0.5)] * 2), axis=-1).reshape(-1, 2)
    near = np.c_[place[:2] + around, np.full(len(around), place[2])]
    assert (view.at(marked, near) != view.at(plain, near)).any(axis=1).mean() < 0.5, "what is under it can be seen"
    show_marker(segmentation, False)
    np.testing.assert_array_equal(view.draw(), plain)


@pytest.fixture
def measured():
    """As `seen`, with what a run has measured, in the slice of the first lesion's longest diameter."""
    scene = new_scene()
    view = SliceViewOfSlicer(scene)
    volume, truth = phantom()
    ct = ct_to_node(volume, scene)
    lesions, summary = measure(truth, volume)
    segmentation = show_segmentation(CaseOutput(CaseResult("phantom", summary, lesions), truth), ct).segmentationNode
    view.show(ct)
    view.node.SetSliceOffset(lesions[0].longest_ends_ras[0][2])
    return view, ct, segmentation, lesions[0]


def along(line, count: int = 40) -> np.ndarray:
    """Places on a line, away from its ends and its middle."""
    ends = np.array([line.GetNthControlPointPositionWorld(point) for point in range(2)])
    part = np.r_[np.linspace(0.2, 0.4, count // 2), np.linspace(0.6, 0.8, count // 2)][:, None]
    return ends[0] + part * (ends[1] - ends[0])


def colored(view, picture, line) -> float:
    """The part of a line that has its color."""
    expected = np.array(line.GetDisplayNode().GetSelectedColor()) * 255
    return float((np.abs(view.at(picture, along(line)) - expected).max(axis=1) < 60).mean())


def test_axes_are_seen_in_their_slice_only(measured):
    view, ct, segmentation, lesion = measured
    here = view.node.GetSliceOffset()
    plain = view.draw()
    show_axes(segmentation, lesion.id)
    long, short = axis_lines(segmentation)
    picture = view.draw()
    for line in (long, short):
        assert colored(view, plain, line) == 0 and colored(view, picture, line) > 0.9
    view.node.SetSliceOffset(here + phantom()[0].spacing[2])
    above = view.draw()
    show_marker(segmentation, False)
    np.testing.assert_array_equal(view.draw(), above)  # nothing of them was there
    view.node.SetSliceOffset(here)
    np.testing.assert_array_equal(view.draw(), plain)


def test_a_dragged_axis_is_drawn_where_it_was_left(measured):
    view, ct, segmentation, lesion = measured
    show_axes(segmentation, lesion.id)
    long, _ = axis_lines(segmentation)
    before = along(long)
    ends = np.array([long.GetNthControlPointPositionWorld(point) for point in range(2)])
    view.drag(ends[0], ends[0] + (15.0, 15.0, 0.0))
    assert take_axes(segmentation, ct)
    np.testing.assert_allclose(long.GetNthControlPointPositionWorld(0), ends[0] + (15.0, 15.0, 0.0), atol=1.5)
    picture = view.draw()
    assert colored(view, picture, long) > 0.9
    expected = np.array(long.GetDisplayNode().GetSelectedColor()) * 255
    assert (np.abs(view.at(picture, before) - expected).max(axis=1) < 60).mean() < 0.5


def views_of_two_dates(prior, current):
    """The phantom at two dates with labels of each: the view that is drawn shows the first, Slicer's logic of another
    one the second."""
    scene = new_scene()
    view = SliceViewOfSlicer(scene)
    other = slicer.vtkMRMLSliceLogic()
    other.SetMRMLScene(scene)
    other.AddSliceNode("Yellow")
    nodes = [(ct_to_node(phantom()[0], scene), labels) for labels in (prior, current)]
    dates = [DateNodes(ct, labels_to_segmentation(labels, ct)) for ct, labels in nodes]
    view.show(dates[0].ct)
    other.GetSliceCompositeNode().SetBackgroundVolumeID(dates[1].ct.GetID())
    return view, other, dates


def test_outlines_of_another_date_are_not_drawn_in_the_view_of_the_prior():
    volume, truth = phantom()
    view, _other, dates = views_of_two_dates(truth, np.roll(truth, 12, axis=2))
    k = int((truth == 2).sum(axis=(1, 2)).argmax())
    view.node.SetSliceOffset(float(volume.ras([0, 0, k])[2]))
    both = view.draw()
    dates[1].segmentation.GetDisplayNode().SetVisibility(False)
    alone = view.draw()
    dates[1].segmentation.GetDisplayNode().SetVisibility(True)
    assert (both != alone).any(), "else this test could not fail"
    assert show_dates(*dates)
    np.testing.assert_array_equal(view.draw(), alone)


def test_scrolling_one_date_draws_the_slice_of_the_other_that_belongs_to_it():
    volume, truth = phantom()
    view, other, dates = views_of_two_dates(truth, truth)
    places = [volume.ras([80, 80, k]) for k in (18, 16)]
    views = show_dates(*dates)
    show_pair(dates, places, ["", ""])
    for date in dates:
        show_marker(date.segmentation, False)
    beside = volume.ras([0, 0, 1])[2] - volume.ras([0, 0, 0])[2]
    view.node.SetSliceOffset(places[0][2] + 4 * beside)
    expected = view.draw()
    show_pair(dates, places, ["", ""])
    for date in dates:
        show_marker(date.segmentation, False)
    assert (view.draw() != expected).any(), "else this test could not fail"
    link_dates(LinkedSlices(), views, dates, places, np.diag([1, 1, 2.0]))
    other.SetSliceOffset(places[1][2] + 2 * beside)  # as the mouse wheel does, and there the liver is half as high
    assert other.GetSliceNode().GetSliceOffset() == other.GetSliceOffset()
    np.testing.assert_array_equal(view.draw(), expected)


def test_each_lesion_has_an_outline_of_its_own(seen):
    """In its segment's color; a rejected one has none, and beside the one that is looked at the others are pale."""
    view, segmentation, k = seen
    ct = ct_of(segmentation)
    lesions = [lesion for lesion in lesions_of(segmentation) if outline(view, segmentation, lesion, k).any()]
    assert len(lesions) >= 2
    first, second = lesions[:2]
    highlight(segmentation, first.identifier)
    assert outline(view, segmentation, first, k).any() and not outline(view, segmentation, second, k).any()
    highlight(segmentation, None)
    judge(segmentation, ct, [first.identifier], status="rejected")
    assert outline(view, segmentation, second, k).any() and not outline(view, segmentation, first, k).any()
    judge(segmentation, ct, [first.identifier], status="accepted")
    assert outline(view, segmentation, first, k).any()


def outline(view, segmentation, lesion, k: int) -> np.ndarray:
    """Which places at a lesion's rim have the color of its segment."""
    found = take_lesions(segmentation, ct_of(segmentation)).labels()
    own = found.labels[k] == found.label_of(lesion.identifier)
    rim = places(binary_dilation(own) & ~binary_erosion(own), k)
    color = np.array(segmentation.GetSegmentation().GetSegment(lesion.identifier).GetColor()) * 255
    return np.abs(view.at(view.draw(), rim) - color).max(axis=1) < 30


def test_a_click_says_where_a_lesion_was_missed(seen):
    """As Slicer's views handle it: the mouse moves with a preview of the point, the button sets it, and that is all."""
    view, segmentation, k = seen
    scene = segmentation.GetScene()
    middle = places(phantom()[1][k] > 0, k).mean(axis=0)
    view.draw()
    seed = start_placing(scene, "Missed lesion")
    assert is_placing(scene)
    view.draw()
    set_points = []
    seed.AddObserver(seed.PointPositionDefinedEvent, lambda *_: set_points.append(seed.GetNthControlPointPosition(0)))
    view.drag(middle, middle)
    assert len(set_points) == 1 and not is_placing(scene)
    np.testing.assert_allclose(set_points[0], middle, atol=1.5)
    seed = start_placing(scene, "Missed lesion")
    end_placing(scene)
    assert not is_placing(scene) and seed.GetNumberOfDefinedControlPoints() == 0
