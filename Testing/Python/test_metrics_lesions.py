"""Lesion-wise detection on scenes small enough to count by hand."""

import numpy as np
import pytest
from LiverTumorLib.metrics import detect_lesions, size_bin

VOXEL_ML = 0.1


@pytest.fixture
def scene():
    return np.zeros((6, 20, 20), dtype=bool), np.zeros((6, 20, 20), dtype=bool)


def test_found_missed_and_extra_are_counted(scene):
    prediction, truth = scene
    truth[1:3, 2:6, 2:6] = True  # 32 voxels, predicted in full
    truth[4, 15:17, 2:4] = True  # 4 voxels, missed
    prediction[1:3, 2:6, 2:6] = True
    prediction[0, 10:13, 10] = True  # 3 voxels of nothing
    detection = detect_lesions(prediction, truth, VOXEL_ML)
    assert (detection.found, detection.missed, detection.extra) == (1, 1, 1)
    assert [lesion.volume_ml for lesion in detection.lesions] == pytest.approx([3.2, 0.4])
    assert [lesion.found for lesion in detection.lesions] == [True, False]
    assert detection.extra_ml == pytest.approx([0.3])


def test_a_touch_is_not_a_find(scene):
    prediction, truth = scene
    truth[1, 2:6, 2:6] = True
    prediction[1, 5:9, 2:6] = True  # shares one row of four: IoU 4 / 28
    detection = detect_lesions(prediction, truth, VOXEL_ML)
    assert (detection.found, detection.touched, detection.extra) == (0, 1, 0)
    assert detection.lesions[0].group_iou == pytest.approx(4 / 28)
    assert detection.lesions[0].covered == pytest.approx(0.25)


def test_the_overlap_asked_for_decides(scene):
    prediction, truth = scene
    truth[1, 2:6, 2:6] = True
    prediction[1, 2:4, 2:6] = True  # exactly half
    assert detect_lesions(prediction, truth, VOXEL_ML, min_overlap=0.5).found == 1
    assert detect_lesions(prediction, truth, VOXEL_ML, min_overlap=0.51).found == 0


def test_one_prediction_over_two_lesions_finds_both(scene):
    prediction, truth = scene
    truth[1, 2:6, 2:6] = truth[1, 2:6, 7:11] = True
    prediction[1, 2:6, 2:11] = True  # the two and the column between: IoU 32 / 36
    detection = detect_lesions(prediction, truth, VOXEL_ML)
    assert (detection.found, detection.extra) == (2, 0)
    assert detection.lesions[0].group_iou == pytest.approx(32 / 36)


def test_a_lesion_predicted_in_two_pieces_is_found_once(scene):
    prediction, truth = scene
    truth[1, 2:6, 2:11] = True
    prediction[1, 2:6, 2:6] = prediction[1, 2:6, 7:11] = True
    detection = detect_lesions(prediction, truth, VOXEL_ML)
    assert (detection.found, detection.missed, detection.extra) == (1, 0, 0)


def test_a_large_neighbor_does_not_lend_its_overlap(scene):
    prediction, truth = scene
    truth[0:4, 2:10, 2:10] = True  # large
    truth[0, 2:6, 12:14] = True  # small, beside it
    prediction[0:4, 2:10, 2:10] = True
    prediction[0, 2, 10:13] = True  # a thread that touches the small one with a single voxel
    large, small = detect_lesions(prediction, truth, VOXEL_ML).lesions
    assert large.found and small.touched and not small.found
    assert small.group_iou > 0.9 and small.covered == pytest.approx(1 / 8)


def test_diagonal_neighbors_are_one_lesion(scene):
    _, truth = scene
    truth[1, 1, 1] = truth[2, 2, 2] = True
    assert len(detect_lesions(truth, truth, VOXEL_ML).lesions) == 1


def test_empty_masks(scene):
    prediction, truth = scene
    nothing = detect_lesions(prediction, truth, VOXEL_ML)
    assert (nothing.found, nothing.missed, nothing.extra) == (0, 0, 0)
    prediction[0, 0, 0] = True
    assert detect_lesions(prediction, truth, VOXEL_ML).extra == 1
    assert detect_lesions(truth, prediction, VOXEL_ML).missed == 1


@pytest.mark.parametrize(
    ("ml", "name"), [(0.2, "< 1 ml"), (1, "1-5 ml"), (4.99, "1-5 ml"), (5, "5-20 ml"), (300, ">= 20 ml")]
)
def test_size_bins_are_closed_below(ml, name):
    assert size_bin(ml) == name
