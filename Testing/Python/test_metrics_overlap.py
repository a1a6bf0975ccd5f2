"""Overlap and surface figures against hand-worked cases and against SimpleITK, which shares no code with ours."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from LiverTumorLib.metrics import Counts, surface_distances


def test_figures_of_a_hand_worked_case():
    counts = Counts(tp=6, fp=2, fn=4, tn=88)
    assert counts.dice == pytest.approx(12 / 18)
    assert counts.sensitivity == pytest.approx(0.6)
    assert counts.specificity == pytest.approx(88 / 90)
    assert counts.precision == pytest.approx(0.75)
    assert counts.accuracy == pytest.approx(0.94)
    assert counts.negative_predictive_value == pytest.approx(88 / 92)
    assert counts.macro_f1 == pytest.approx((12 / 18 + 176 / 182) / 2)
    assert counts.efficiency == pytest.approx((0.6 + 88 / 90 + 0.94) / 3)
    assert counts.voe == pytest.approx(0.5)
    assert counts.rvd == pytest.approx(-0.2)


def test_counts_come_from_the_masks():
    prediction, truth = np.zeros((2, 3, 4)), np.zeros((2, 3, 4), dtype=np.uint8)
    prediction[0, 0] = 1
    truth[0, 0, 2:], truth[1, 2, 3] = 2, 2
    assert Counts.of(prediction, truth) == Counts(tp=2, fp=2, fn=1, tn=19)


def test_undefined_figures_are_nan_not_perfect():
    empty = np.zeros((3, 3, 3), dtype=bool)
    nothing = Counts.of(empty, empty)
    assert (
        math.isnan(nothing.dice)
        and math.isnan(nothing.sensitivity)
        and math.isnan(nothing.rvd)
        and math.isnan(nothing.voe)
    )
    assert nothing.specificity == nothing.accuracy == 1
    assert Counts.of(~empty, empty).dice == 0
    assert math.isnan(Counts.of(~empty, ~empty).specificity)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="cannot be compared"):
        Counts.of(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)))
    with pytest.raises(ValueError, match="cannot be compared"):
        surface_distances(np.ones((2, 2, 2)), np.ones((2, 2, 1)), (1, 1, 1))


@settings(deadline=None)
@given(arrays(bool, (4, 5, 6), elements=st.booleans()), arrays(bool, (4, 5, 6), elements=st.booleans()))
def test_overlap_agrees_with_simpleitk(prediction, truth):
    sitk = pytest.importorskip("SimpleITK")
    prediction[0, 0, 0] = truth[0, 0, 1] = True
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(
        sitk.GetImageFromArray(prediction.astype(np.uint8)), sitk.GetImageFromArray(truth.astype(np.uint8))
    )
    counts = Counts.of(prediction, truth)
    assert counts.dice == pytest.approx(measures.GetDiceCoefficient())
    assert 1 - counts.voe == pytest.approx(measures.GetJaccardCoefficient())
    # ITK's naming of source and target varies.
    false_positives = {measures.GetFalsePositiveError(), measures.GetFalseNegativeError()}
    assert any(1 - counts.sensitivity == pytest.approx(value) for value in false_positives)


def ball(shape, center, radius_mm, spacing):
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    return sum(((axis - c) * mm) ** 2 for axis, c, mm in zip(grid, center, spacing, strict=True)) <= radius_mm**2


def test_parallel_planes_are_their_distance_apart():
    pytest.importorskip("surface_distance")
    prediction, truth = np.zeros((20, 8, 8), dtype=bool), np.zeros((20, 8, 8), dtype=bool)
    truth[5:], prediction[7:] = True, True
    distances = surface_distances(prediction, truth, (2.5, 1, 1))
    assert distances.hd95 == pytest.approx(5.0)  # two slices of 2.5 mm
    assert distances.hd95_voxels == pytest.approx(5.0)
    assert 0 < distances.assd < 5.0  # the walls coincide, the floors are 5 mm apart


def test_identical_masks_have_no_distance_and_empty_masks_no_answer():
    pytest.importorskip("surface_distance")
    mask = ball((12, 12, 12), (6, 6, 6), 4, (1, 1, 1))
    same = surface_distances(mask, mask, (1, 1, 1))
    assert same.hd95 == same.hd95_voxels == same.assd == 0
    nothing = surface_distances(mask, np.zeros_like(mask), (1, 1, 1))
    assert math.isnan(nothing.hd95) and math.isnan(nothing.hd95_voxels) and math.isnan(nothing.assd)


@pytest.mark.parametrize(
    ("truth", "prediction", "expected"),
    [
        (((12, 24, 48), 12), ((12, 24, 48), 17), 5.5901699437494745),
        (((12, 24, 48), 10), ((10, 20, 60), 8), 9.069178573608527),
        (((3, 10, 20), 9), ((12, 30, 70), 6), 38.14118128940258),
    ],
)
def test_hd95_by_voxels_is_medpys(truth, prediction, expected):
    """What medpy.metric.binary.hd95 of MedPy 0.5.2 gives for these balls, one of them at the edge of the grid, in
    mm."""
    pytest.importorskip("surface_distance")
    shape, spacing = (24, 48, 96), (2.0, 1.0, 0.5)
    masks = [ball(shape, *each, spacing) for each in (prediction, truth)]
    assert surface_distances(*masks, spacing).hd95_voxels == pytest.approx(expected, rel=1e-12)


def test_surface_distances_agree_with_simpleitk_on_an_anisotropic_grid():
    """Concentric balls on a grid of 2 x 1 x 0.5 mm; ITK measures from voxel centers, so half a voxel of difference is
    allowed."""
    pytest.importorskip("surface_distance")
    sitk = pytest.importorskip("SimpleITK")
    shape, center, spacing = (24, 48, 96), (12, 24, 48), (2.0, 1.0, 0.5)
    truth, prediction = ball(shape, center, 12, spacing), ball(shape, center, 17, spacing)
    ours = surface_distances(prediction, truth, spacing)
    images = []
    for mask in (truth, prediction):
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        image.SetSpacing(spacing[::-1])
        images.append(image)

    def one_way(source, target):
        to_target = sitk.Abs(sitk.SignedMaurerDistanceMap(target, squaredDistance=False, useImageSpacing=True))
        return sitk.GetArrayFromImage(to_target)[sitk.GetArrayFromImage(sitk.LabelContour(source)) > 0]

    there, back = one_way(images[0], images[1]), one_way(images[1], images[0])
    assert ours.hd95 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), abs=1.0)
    assert ours.assd == pytest.approx(np.concatenate([there, back]).mean(), abs=0.5)
    assert ours.assd == pytest.approx(17 - 12, abs=1.0)  # half of the longest voxel edge
