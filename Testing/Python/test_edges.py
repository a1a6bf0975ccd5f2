"""Maps brought to the scan's grid along its edges."""

import numpy as np
import pytest
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.ct.canvas import Canvas
from LiverTumorLib.pipelines.edges import along_edges
from LiverTumorLib.pipelines.slicemaps import SliceMaps
from scipy.ndimage import gaussian_filter

PIXEL_MM, CANVAS_MM = 0.75, 2.0
FRAME = Canvas((64, 64), CANVAS_MM, (79.5, 79.5), (PIXEL_MM, PIXEL_MM))
SHAPE = (3, 160, 160)


def _disc(radius_mm: float) -> np.ndarray:
    j, i = np.indices(SHAPE[1:])
    return np.broadcast_to(np.hypot(j - 79.5, i - 79.5) * PIXEL_MM < radius_mm, SHAPE)


def _scan(inside_hu: float, outside_hu: float) -> CTVolume:
    """A noisy organ, 40 mm in radius, in other tissue."""
    noise = np.random.default_rng(3).normal(0, 15, SHAPE)
    array = np.where(_disc(40), inside_hu, outside_hu) + noise
    return CTVolume(array.astype(np.int16), np.diag([PIXEL_MM, PIXEL_MM, 5.0, 1.0]))


def _maps(radius_mm: float) -> SliceMaps:
    """What a network says that is unsure within some millimeters of its edge."""
    sharp = FRAME.sample(_disc(radius_mm).astype(np.float32))
    return SliceMaps(np.arange(SHAPE[0]), gaussian_filter(sharp, (0, 1.5, 1.5)), FRAME)


def _off(maps, radius_mm: float) -> float:
    """Mean distance in mm of a painted disc's edge from where it belongs, by the area that is wrong."""
    labels = np.zeros(SHAPE, np.uint8)
    maps.paint(labels, 0.5, 1)
    return np.count_nonzero((labels > 0) != _disc(radius_mm)) * PIXEL_MM**2 / SHAPE[0] / (2 * np.pi * radius_mm)


@pytest.mark.parametrize("outside_hu", [-90, 40, 160])
@pytest.mark.parametrize("said_mm", [38, 42])
def test_an_edge_in_the_scan_draws_the_answer_to_it(said_mm, outside_hu):
    maps = _maps(said_mm)
    assert _off(along_edges(maps, _scan(100, outside_hu)), 40) < 0.7 * _off(maps, 40)


@pytest.mark.parametrize("radius_mm", [25, 40])
def test_without_an_edge_the_answer_stays(radius_mm):
    assert _off(along_edges(_maps(radius_mm), _scan(60, 60)), radius_mm) < CANVAS_MM / 2


def test_probabilities_and_labels_agree_and_nothing_is_found_beyond_the_canvas():
    small = Canvas((40, 40), CANVAS_MM, (79.5, 79.5), (PIXEL_MM, PIXEL_MM))
    maps = along_edges(SliceMaps(np.arange(1, 3), np.ones((2, 40, 40), np.float32), small), _scan(100, -90))
    full = maps.full(SHAPE)
    labels = np.zeros(SHAPE, np.uint8)
    maps.paint(labels, 0.5, 1)
    clear = np.abs(full - 0.5) > 1e-3
    assert full.dtype == np.float16 and full.min() >= 0 and full.max() <= 1
    assert np.array_equal((labels > 0)[clear], (full >= 0.5)[clear])
    assert labels[1:, 60:100, 60:100].all() and not labels[0].any() and not labels[:, :25].any()


def test_slices_between_mapped_ones_follow_their_own_edges():
    """Maps of every other slice, the organ narrower in the slice between them."""
    volume = _scan(100, -90)
    volume.array[1][~_disc(37)[1]] = -90
    found = _maps(40)
    maps = along_edges(SliceMaps(np.array([0, 2]), found.maps[[0, 2]], FRAME), volume)
    labels = np.zeros(SHAPE, np.uint8)
    maps.paint(labels, 0.5, 1)
    assert np.count_nonzero(labels[1]) < 0.97 * np.count_nonzero(labels[0])
