"""Maps of every n-th slice: what lies between them, and how far from the liver tumor is believed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from LiverTumorLib.ct.canvas import Canvas
from LiverTumorLib.pipelines.slicemaps import SliceMaps
from LiverTumorLib.pipelines.slicewise import SLICE_STEP_MM, _shown_slices
from LiverTumorLib.pipelines.tumor import within
from scipy.ndimage import distance_transform_edt

SAME = Canvas((6, 8), 1.0, (2.5, 3.5), (1.0, 1.0))  # the canvas is the slice


def test_between_mapped_slices_is_interpolated():
    rng = np.random.default_rng(0)
    ks = np.array([3, 6, 9, 40, 41])
    planes = rng.random((5, 6, 8)).astype(np.float32)
    full = SliceMaps(ks, planes, SAME).full((45, 6, 8)).astype(np.float32)
    assert full[ks] == pytest.approx(planes, abs=1e-3)
    assert full[5] == pytest.approx(planes[0] / 3 + planes[1] * 2 / 3, abs=1e-3)
    assert full[25] == pytest.approx(planes[2] * 15 / 31 + planes[3] * 16 / 31, abs=1e-3)
    assert not full[:3].any() and not full[42:].any()


def test_painting_and_looking_up_agree_with_the_full_map():
    rng = np.random.default_rng(1)
    maps = SliceMaps(np.array([2, 4, 6, 7]), rng.random((4, 6, 8)).astype(np.float32), SAME)
    labels = np.zeros((9, 6, 8), np.uint8)
    maps.paint(labels, 0.5, 2)
    full = maps.full(labels.shape)
    clear = np.abs(full - 0.5) > 1e-3
    assert np.array_equal((labels == 2)[clear], (full >= 0.5)[clear])
    kji = np.argwhere(np.ones(labels.shape, bool)[maps.ks]) * [0, 1, 1] + maps.ks.repeat(48)[:, None] * [1, 0, 0]
    assert maps.at(kji) == pytest.approx(full[tuple(kji.T)], abs=1e-3)


def test_a_single_slice():
    maps = SliceMaps(np.array([4]), np.full((1, 6, 8), 0.75, np.float32), SAME)
    assert maps.full((6, 6, 8)).sum(axis=(1, 2)).tolist() == [0, 0, 0, 0, 36, 0]
    assert maps.at(np.array([[4, 1, 1]])).tolist() == [0.75]


@given(first=st.integers(0, 50), count=st.integers(1, 400), slice_mm=st.floats(0.1, 12))
def test_slices_shown_to_a_network(first, count, slice_mm):
    shown = _shown_slices(range(first, first + count), slice_mm)
    assert shown[0] == first and shown[-1] == first + count - 1
    gaps = np.diff(shown)
    assert (gaps > 0).all() and (gaps * slice_mm <= max(SLICE_STEP_MM, slice_mm) + 1e-3).all()
    assert len(shown) <= 2 + count * slice_mm / (SLICE_STEP_MM / 2)


@settings(deadline=None)
@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9)),
    slice_mm=st.floats(0.3, 10),
    pixel_mm=st.floats(0.5, 3),
    margin_mm=st.sampled_from([0.0, 1.0, 4.9, 20.0]),
)
def test_what_is_within_a_margin_is_what_the_distance_says(seed, shape, slice_mm, pixel_mm, margin_mm):
    mask = np.random.default_rng(seed).random(shape) > 0.9
    mask[0, 0, 0] = True
    distance = distance_transform_edt(~mask, sampling=(slice_mm, pixel_mm, pixel_mm))
    near = within(mask, np.arange(shape[0]) * slice_mm, pixel_mm, margin_mm)
    clear = np.abs(distance - margin_mm) > 1e-3
    assert np.array_equal(near[clear], (distance <= margin_mm)[clear])
    assert (near[mask]).all()


def test_uneven_slices_keep_their_distances():
    mask = np.zeros((3, 5, 5), bool)
    mask[0, 2, 2] = True
    near = within(mask, np.array([0.0, 4.0, 4.5]), 1.0, 4.2)
    assert near[1, 2, 2] and near[1, 2, 3] and not near[2].any()
