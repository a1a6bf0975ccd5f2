"""Losses by their values on a few numbers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.training.losses import class_entropy, dice_loss, pixel_focal, tversky

# One row of four pixels, the last of which does not count.
TRUTH = np.array([1, 1, 0, 1], np.float32)
REGION = np.array([1, 1, 1, 0], np.float32)
PREDICTED = np.array([0.9, 0.2, 0.3, 0.1], np.float32)
TARGET = np.stack([TRUTH, REGION], -1)[None, None]
OUTPUT = PREDICTED[None, None, :, None]


def test_dice_and_tversky():
    overlap = 0.9 + 0.2
    assert float(dice_loss(TARGET, OUTPUT)) == pytest.approx(1 - (2 * overlap + 1) / (2 + 1.4 + 1), abs=1e-5)
    false_positives, false_negatives = 0.3, 0.1 + 0.8
    expected = 1 - (overlap + 1) / (overlap + 0.3 * false_positives + 0.7 * false_negatives + 1)
    assert float(tversky(0.3, 0.7)(TARGET, OUTPUT)) == pytest.approx(expected, abs=1e-5)


def test_focal_counts_sure_pixels_less_and_without_gamma_is_cross_entropy():
    right = np.array([0.9, 0.2, 0.7])
    for gamma in (0.0, 2.0):
        expected = (-((1 - right) ** gamma) * np.log(right)).sum() / (3 + 1)
        assert float(pixel_focal(gamma)(TARGET, OUTPUT)) == pytest.approx(expected, abs=1e-5)


def test_class_entropy_weighs_classes_and_is_focal_with_gamma():
    target, predicted = np.array([0, 1]), np.array([[0.8, 0.2], [0.6, 0.4]], np.float32)
    assert np.allclose(class_entropy((1.0, 3.0))(target, predicted), [-np.log(0.8), -3 * np.log(0.4)], atol=1e-5)
    focal = class_entropy((1.0, 1.0), gamma=2.0)(target, predicted)
    assert np.allclose(focal, [-(0.2**2) * np.log(0.8), -(0.6**2) * np.log(0.4)], atol=1e-5)
