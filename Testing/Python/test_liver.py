"""What becomes of the liver network's answer: one liver without holes, on any canvas and at any threshold."""

import numpy as np
import pytest
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.ct.canvas import Canvas, lay_canvas
from LiverTumorLib.models.catalogue import SHIPPED, get_bundle
from LiverTumorLib.models.session import open_session
from LiverTumorLib.phantom import make_phantom
from LiverTumorLib.pipelines.liver import SMOOTH_MM, clean_liver
from LiverTumorLib.pipelines.slicemaps import SliceMaps, smoothed
from LiverTumorLib.pipelines.slicewise import map_slices

FRAME = Canvas((64, 64), 1.7, (60.3, 61.2), (0.77, 0.81))


def _maps(*planes: np.ndarray) -> SliceMaps:
    return SliceMaps(np.arange(len(planes)), np.stack(planes).astype(np.float32), FRAME)


@pytest.mark.parametrize("threshold", [0.2, 0.3, 0.35, 0.45, 0.5, 0.6, 0.8])
def test_a_filled_hole_leaves_no_speckle(threshold):
    """Interpolation to the scan's grid must not round filled pixels below the threshold."""
    plane = np.zeros((64, 64))
    plane[10:54, 10:54] = 0.9
    plane[20:44, 20:44] = 0.1
    liver = clean_liver(_maps(plane), threshold)
    labels = np.zeros((1, 120, 120), np.uint8)
    liver.paint(labels, threshold, 1)
    j, i = np.argwhere(labels[0]).T
    assert labels[0, j.min() + 1 : j.max(), i.min() + 1 : i.max()].all()


def test_only_the_largest_component_stays():
    plane = np.zeros((64, 64))
    plane[10:40, 10:40] = 0.9
    plane[40:46, 40:46] = 0.9  # touches it by a corner
    plane[52:60, 52:60] = 0.9
    plane[41:45, 20:25] = 0.4  # doubtful pixels at the rim are kept as they are, for interpolation
    kept = clean_liver(_maps(plane), 0.5).maps[0]
    assert kept[10:40, 10:40].min() == pytest.approx(0.9)
    assert kept.sum() == pytest.approx(0.9 * 900, rel=1e-5)


def test_a_stray_answer_is_no_liver():
    plane = np.zeros((64, 64))
    plane[10:20, 10:20] = 0.9
    assert clean_liver(_maps(plane), 0.5) is None


def test_one_slice_alone_neither_makes_nor_breaks_a_liver():
    maps = np.zeros((20, 4, 4), np.float32)
    maps[5:15] = 0.9
    maps[10] = 0.0
    maps[2] = 0.9
    smooth = smoothed(maps, SMOOTH_MM, (1.0, 2.0))
    assert smooth[10].min() > 0.5 and smooth[2].max() < 0.5
    assert smooth[7].min() > 0.6 and smooth.dtype == np.float32
    assert smoothed(maps, SMOOTH_MM, (10.0, 2.0)) == pytest.approx(maps, abs=0.02), "thick slices hardly share anything"
    assert smoothed(maps[:1], SMOOTH_MM, (1.0, 2.0)) == pytest.approx(maps[:1])


def test_slices_far_from_the_liver_are_not_shown_to_the_network():
    """What is left out changes no voxel."""
    abdomen, _ = make_phantom(shape=(64, 160, 160))
    ends = np.full((40, 160, 160), -1000, np.int16)
    volume = CTVolume(np.concatenate([ends, abdomen.array, ends]), abdomen.ijk_to_ras)
    session, shown = open_session(get_bundle(SHIPPED / "liver-roi"), 1), []
    predict = session.predict_each
    session.predict_each = lambda images: predict(shown.append(image) or image for image in images)
    canvas, _ = lay_canvas(session.bundle.manifest.input, volume, None)

    def found(**organ) -> tuple[SliceMaps, int]:
        shown.clear()
        maps = map_slices(session, volume, canvas, range(volume.shape[0]), lambda fraction: None, **organ)
        return clean_liver(maps.smoothed(SMOOTH_MM, float(volume.spacing[2])), 0.5), len(shown)

    (whole, all_slices), (part, some) = found(), found(organ=0.5)
    assert np.array_equal(whole.ks, part.ks) and np.abs(whole.maps - part.maps).max() < 1e-6
    assert all_slices == volume.shape[0] and some < 0.75 * all_slices
