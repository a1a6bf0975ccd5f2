"""Lesion measurements against shapes whose size is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.pipelines.lesions import axial_axes, measure, measure_numbered
from LiverTumorLib.records.results import LIVER, TUMOR
from scipy.spatial import Delaunay

SPACING = (0.8, 0.9, 2.0)  # i, j, k


def _scene(center_mm=(60.0, 50.0, 40.0), radii_mm=(12.0, 8.0, 10.0)):
    """A liver block with one ellipsoid lesion; RAS axes along i, j, k, origin at voxel 0."""
    shape = (45, 130, 160)
    k, j, i = np.indices(shape)
    position = np.stack([i * SPACING[0], j * SPACING[1], k * SPACING[2]], -1)
    labels = np.zeros(shape, np.uint8)
    labels[4:41, 10:120, 12:148] = LIVER
    labels[(((position - center_mm) / radii_mm) ** 2).sum(-1) <= 1] = TUMOR
    array = np.where(labels == TUMOR, 50, 110).astype(np.int16)
    return CTVolume(array, np.diag([*SPACING, 1.0])), labels


def test_an_ellipsoid_is_measured():
    volume, labels = _scene()
    lesions, summary = measure(labels, volume)
    assert len(lesions) == summary.lesion_count == 1
    lesion = lesions[0]
    assert lesion.volume_ml == pytest.approx(4 / 3 * np.pi * 1.2 * 0.8 * 1.0, rel=0.03)
    assert lesion.longest_diameter_mm == pytest.approx(24, abs=1.2)
    assert lesion.perpendicular_diameter_mm == pytest.approx(16, abs=1.2)
    assert lesion.centroid_ras == pytest.approx((60, 50, 40), abs=0.3)
    assert (lesion.mean_hu, lesion.sd_hu) == (50, 0)
    # No voxel center lies on the poles.
    assert (lesion.first_slice, lesion.diameter_slice, lesion.last_slice) == (16, 20, 24)
    # Nearest surface: the liver's lowest slice, k = 4; the lesion's is k = 16.
    assert lesion.distance_to_surface_mm == pytest.approx((16 - 4) * 2.0, abs=0.01)
    liver_ml = 37 * 110 * 136 * np.prod(SPACING) / 1000
    assert summary.liver_ml == pytest.approx(liver_ml, rel=1e-6)
    assert summary.tumor_burden_percent == pytest.approx(100 * lesion.volume_ml / liver_ml, rel=1e-3)


@settings(deadline=None, max_examples=12)
@given(order=st.permutations(range(3)), flips=st.tuples(*[st.booleans()] * 3), turn=st.floats(-15, 15))
def test_measurements_do_not_depend_on_how_the_grid_lies(order, flips, turn):
    volume, labels = _scene()
    expected, summary = measure(labels, volume)
    matrix = volume.ijk_to_ras.copy()
    kji = [2 - axis for axis in range(3)]
    array, turned = volume.array.transpose(order), labels.transpose(order)
    new = np.eye(4)
    for axis in range(3):  # column of new i, j, k
        new[:3, axis] = matrix[:3, kji[order[2 - axis]]]
    for axis in range(3):
        if flips[axis]:
            array, turned = np.flip(array, axis), np.flip(turned, axis)
            column = 2 - axis
            new[:3, 3] += new[:3, column] * (array.shape[axis] - 1)
            new[:3, column] *= -1
    angle = np.radians(turn)
    rotation = np.eye(4)
    rotation[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    lesions, turned_summary = measure(turned, CTVolume(array, rotation @ new))
    assert turned_summary.liver_ml == pytest.approx(summary.liver_ml)
    assert lesions[0].volume_ml == pytest.approx(expected[0].volume_ml)
    assert lesions[0].longest_diameter_mm == pytest.approx(expected[0].longest_diameter_mm, abs=0.02)
    centroid = rotation[:3, :3] @ expected[0].centroid_ras
    assert lesions[0].centroid_ras == pytest.approx(tuple(centroid), abs=0.02)


def test_lesions_are_numbered_by_size_and_corners_connect():
    labels = np.full((6, 20, 20), LIVER, np.uint8)
    labels[1, 2:4, 2:4] = TUMOR
    labels[2, 4, 4] = TUMOR  # touches the first by a corner
    labels[4, 10:16, 10:16] = TUMOR
    lesions, summary = measure(labels, CTVolume(np.zeros(labels.shape, np.int16), np.eye(4)))
    assert [(lesion.id, round(lesion.volume_ml * 1000)) for lesion in lesions] == [(1, 36), (2, 5)]
    assert summary.tumor_ml == pytest.approx(0.041)


def test_a_lesion_of_two_pieces_with_slices_between():
    """As it is merged."""
    labels = np.zeros((12, 9, 9), np.uint8)
    labels[1:11, 1:8, 1:8] = 1
    labels[2, 3:5, 3:5], labels[8, 3, 2:7] = 2, 2
    [lesion], _summary = measure_numbered(labels, CTVolume(np.zeros(labels.shape, np.int16), np.eye(4)), [4])
    assert (lesion.id, lesion.first_slice, lesion.last_slice, lesion.diameter_slice) == (4, 2, 8, 8)
    assert lesion.longest_diameter_mm == pytest.approx(4.0)


def test_a_lesion_at_the_surface_is_at_distance_zero():
    labels = np.zeros((9, 20, 20), np.uint8)
    labels[2:7, 5:15, 5:15] = LIVER
    labels[3, 5:8, 8:10] = TUMOR
    lesions, _ = measure(labels, CTVolume(np.zeros(labels.shape, np.int16), np.eye(4)))
    assert lesions[0].distance_to_surface_mm == 0


def test_the_end_of_the_scan_is_no_surface():
    labels = np.zeros((5, 41, 41), np.uint8)
    labels[:, 3:38, 3:38] = LIVER
    labels[0, 20, 20] = TUMOR
    lesions, _ = measure(labels, CTVolume(np.zeros(labels.shape, np.int16), np.eye(4)))
    assert lesions[0].distance_to_surface_mm == pytest.approx(17)


def test_nothing_to_measure():
    volume = CTVolume(np.zeros((3, 4, 5), np.int16), np.eye(4))
    lesions, summary = measure(np.zeros(volume.shape, np.uint8), volume)
    assert lesions == []
    assert (summary.liver_ml, summary.tumor_ml, summary.lesion_count, summary.tumor_burden_percent) == (0, 0, 0, None)


def test_labels_on_another_grid_are_refused():
    with pytest.raises(ValueError, match="not on the volume's grid"):
        measure(np.zeros((2, 2, 2), np.uint8), CTVolume(np.zeros((3, 3, 3), np.int16), np.eye(4)))


def test_mean_probability_is_that_of_the_lesions_voxels():
    volume, labels = _scene()
    probability = np.where(labels == TUMOR, 0.75, 0.1).astype(np.float16)
    lesions, _ = measure(labels, volume, probability)
    assert lesions[0].mean_probability == pytest.approx(0.75)


@pytest.mark.parametrize("radius", [4, 9, 15])
def test_diameter_of_a_disc_is_unbiased(radius):
    j, i = np.indices((64, 64))
    disc = np.hypot(j - 31.5, i - 31.5) <= radius
    longest, perpendicular = axial_axes(disc, (1.0, 1.0))[:2]
    assert longest == pytest.approx(2 * radius, abs=0.8)
    assert perpendicular == pytest.approx(2 * radius, abs=0.8)


def test_diameters_of_small_and_thin_lesions():
    one = np.zeros((5, 5), bool)
    one[2, 2] = True
    assert axial_axes(one, (1.0, 1.0))[:2] == (1.0, 1.0)
    line = np.zeros((5, 9), bool)
    line[2, 1:8] = True
    assert axial_axes(line, (0.5, 0.5))[:2] == pytest.approx((3.0, 0.5))


def test_the_perpendicular_is_one_line_not_the_width_of_a_box():
    """A slanted lesion: its corners lie far apart across the longest diameter, but at different places along it."""
    j, i = np.indices((60, 220))
    slanted = (j >= 5) & (j <= 55) & (i - j >= 5) & (i - j <= 155)  # corners (5, 10), (5, 160), (55, 210), (55, 60)
    longest, perpendicular = axial_axes(slanted, (0.5, 0.5))[:2]
    assert longest == pytest.approx(0.5 * np.hypot(200, 50), rel=1e-6)
    assert perpendicular == pytest.approx(0.5 * 51.54, rel=0.01)  # the box is 72.8 wide


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), voxel=st.tuples(st.floats(0.3, 2), st.floats(0.3, 2)))
def test_diameters_against_every_pair_of_voxels(seed, voxel):
    rng = np.random.default_rng(seed)
    mask = rng.random((rng.integers(1, 8), rng.integers(1, 8))) > 0.5
    mask[0, 0] = True
    axes = axial_axes(mask, voxel)
    longest, perpendicular = axes.longest, axes.perpendicular
    points = np.argwhere(mask) * voxel
    pairs = np.linalg.norm(points[:, None] - points[None], axis=-1)
    assert longest == pytest.approx(max(pairs.max(), np.mean(voxel)))
    assert np.mean(voxel) <= perpendicular <= longest + 1e-9
    along, across = (np.diff(ends * voxel, axis=0)[0] for ends in (axes.long_ends, axes.short_ends))
    assert np.linalg.norm(along) == pytest.approx(longest) and np.linalg.norm(across) == pytest.approx(perpendicular)
    assert along @ across == pytest.approx(0, abs=1e-9)
    if perpendicular > np.mean(voxel):  # the hull of the voxel centers holds both lines
        hull = Delaunay(points)
        for ends in (axes.long_ends, axes.short_ends):
            inner = ends.mean(axis=0) + 0.999 * (ends - ends.mean(axis=0))
            assert (hull.find_simplex(inner * voxel, tol=1e-6) >= 0).all()


def test_a_perpendicular_edge_is_no_line_elsewhere():
    """An arrow head: its widest line is its back edge, and one step along it is narrower."""
    j, i = np.indices((21, 60))
    arrow = np.abs(j - 10) <= 10 * (50 - i) / 50
    arrow &= i <= 50
    longest, perpendicular = axial_axes(arrow, (1.0, 1.0))[:2]
    assert longest == pytest.approx(np.hypot(50, 10))
    assert perpendicular == pytest.approx(20 * 50 / np.hypot(50, 10), rel=0.03)
