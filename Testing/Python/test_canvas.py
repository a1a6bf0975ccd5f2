"""The canvas that networks see: no ripple, no shift, air outside, and the way back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.ct.canvas import Canvas, body_canvas, liver_offset, neighbor_channels, network_slices, region_canvas


@pytest.mark.parametrize("voxel", [0.3, 0.7, 0.977, 2.0, 3.0])
def test_a_uniform_image_stays_uniform(voxel):
    canvas = Canvas((32, 48), 2.0, (255.3, 255.7), (voxel, voxel * 1.1))
    sampled = canvas.sample(np.full((1, 512, 512), 100.0, np.float32))
    assert sampled == pytest.approx(np.full((1, 32, 48), 100.0), abs=1e-3)


def test_off_the_scan_is_zero():
    sampled = Canvas((64, 64), 2.0, (10, 10), (1.0, 1.0)).sample(np.ones((1, 21, 21), np.float32))
    assert sampled[0, 0].max() == 0 and sampled[0, 32, 32] == pytest.approx(1)


@pytest.mark.parametrize(
    "center", [(30.0, 25.0), (5.0, 44.0), (300.0, 25.0)], ids=["inside", "at a corner", "beside the scan"]
)
def test_a_change_is_the_same_before_and_while_sampling(center):
    """Only what lies under the canvas is changed, which must not be seen, and the scan itself is left alone."""
    scan = np.random.default_rng(1).integers(-900, 900, (2, 60, 50)).astype(np.int16)
    canvas, before = Canvas((16, 16), 1.7, center, (0.8, 0.9)), scan.copy()
    sampled = canvas.sample(scan, lambda part: np.clip(part, -100, 200, out=part))
    assert sampled == pytest.approx(canvas.sample(scan.clip(-100, 200)), abs=1e-3)
    assert np.array_equal(scan, before) and sampled.any() == (center[0] < 100)


@settings(deadline=None, max_examples=25)
@given(
    voxel=st.tuples(st.floats(0.4, 2.5), st.floats(0.4, 2.5)),
    spacing=st.floats(1.0, 2.5),
    shift=st.tuples(st.floats(-8, 8), st.floats(-8, 8)),
)
def test_a_smooth_shape_goes_there_and_back(voxel, spacing, shift):
    """A soft disc is where it was after sampling and restoring, whatever the two grids."""
    j, i = np.indices((120, 140)).astype(np.float32)
    middle = (60 + shift[0], 70 + shift[1])
    radius = np.hypot((j - middle[0]) * voxel[0], (i - middle[1]) * voxel[1])
    disc = np.clip((14 - radius) / 6 + 0.5, 0, 1)[None].astype(np.float32)
    canvas = Canvas((96, 96), spacing, (59.5, 69.5), voxel)
    back = canvas.restore(canvas.sample(disc), disc.shape[1:])
    total = back.sum()
    assert total == pytest.approx(disc.sum(), rel=0.05)
    assert (back * j).sum() / total == pytest.approx(middle[0], abs=0.3)
    assert (back * i).sum() / total == pytest.approx(middle[1], abs=0.3)


def test_body_frame_is_centered_on_the_patient():
    array = np.full((5, 200, 200), -1000, np.int16)
    array[:, 40:120, 100:180] = 60
    canvas = body_canvas(CTVolume(array, np.eye(4)), (64, 64), 2.0)
    assert canvas.center == pytest.approx((79.5, 139.5))


def test_region_frame_holds_all_of_a_large_region():
    array = np.zeros((4, 300, 300), np.int16)
    region = np.zeros(array.shape, bool)
    region[1:3, 20:280, 60:200] = True
    canvas = region_canvas(CTVolume(array, np.eye(4)), region, (128, 128), 1.25, margin_mm=10)
    assert canvas.spacing_mm == pytest.approx((264 + 20) / 128)  # room for the canvas' step of 4 mm
    seen = canvas.sample(region.astype(np.float32))
    assert seen[1].sum() * canvas.spacing_mm**2 == pytest.approx(260 * 140, rel=0.01)


def test_a_stray_pixel_does_not_move_the_region_frame():
    region = np.zeros((4, 200, 200), bool)
    region[1:3, 41:120, 60:139] = True
    volume = CTVolume(np.zeros(region.shape, np.int16), np.eye(4))
    canvas = region_canvas(volume, region, (128, 128), 1.25, margin_mm=10)
    region[1, 40, 60] = True
    assert region_canvas(volume, region, (128, 128), 1.25, margin_mm=10) == canvas


def test_the_liver_is_brought_to_its_level_and_the_window_clips_first():
    array = np.full((1, 8, 8), 60, np.int16)
    array[0, 0] = 3000
    volume = CTVolume(array, np.eye(4))
    offset = liver_offset(volume, array == 60, 100.0)
    assert offset == 40 and liver_offset(volume, array == 60, None) == 0
    canvas = Canvas((8, 8), 1.0, (3.5, 3.5), (1.0, 1.0))
    shown = network_slices(volume, canvas, (-40.0, 160.0), offset_hu=offset)
    clipped = network_slices(volume.with_array(array.clip(-40, 160)), canvas, (-40.0, 160.0), offset_hu=offset)
    assert shown[0, 4, 4] == round(140 * 255 / 200)
    assert (shown == clipped).all()


def test_network_slices_window_and_chosen_slices():
    array = np.stack([np.full((64, 64), hu, np.int16) for hu in (-1000, -40, 60, 160, 3000)])
    canvas = Canvas((16, 16), 2.0, (31.5, 31.5), (1.0, 1.0))
    shown = network_slices(CTVolume(array, np.eye(4)), canvas, (-40, 160), np.array([0, 2, 4]))
    assert shown.dtype == np.uint8
    assert [int(plane[8, 8]) for plane in shown] == [0, 128, 255]


def test_neighbors_are_interpolated_and_repeat_at_the_ends():
    slices = np.stack([np.full((2, 2), value, np.uint8) for value in (0, 100, 200)])
    assert neighbor_channels(slices, 1, 0.5)[0, 0].tolist() == [50, 100, 150]
    assert neighbor_channels(slices, 0, 2.0)[0, 0].tolist() == [0, 0, 200]
    assert neighbor_channels(slices, 2, 1.0)[0, 0].tolist() == [100, 200, 200]
