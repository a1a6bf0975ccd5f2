"""Mirrored training samples. Needs no TensorFlow."""

from __future__ import annotations

import numpy as np
from CompressionTrainerLib.data.augmentation import Augmentation, augment
from LiverTumorLib.models.manifest import InputSpec

STILL = {"rotation_deg": 0.0, "scale": 0.0, "shift_px": 0.0, "probability": 0.0}
SPEC = InputSpec((64, 64), 2.0)


def sample() -> tuple[np.ndarray, np.ndarray]:
    """An image that differs from all of its mirror images, and masks that are its first two channels."""
    image = np.random.default_rng(0).random((128, 128, 3), np.float32)
    return image, image[..., :2].copy()


def test_flips_mirror_image_and_masks_alike_along_the_axis_they_name():
    image, masks = sample()
    plain, _ = augment(image, masks, SPEC, Augmentation(**STILL), np.random.default_rng(1))
    for strength, axis in (({"flip_horizontal": 1.0}, 1), ({"flip_vertical": 1.0}, 0)):
        mirrored, labels = augment(image, masks, SPEC, Augmentation(**STILL, **strength), np.random.default_rng(1))
        assert np.array_equal(mirrored, np.flip(plain, axis))
        assert np.array_equal(labels, mirrored[..., :2])


def test_flips_come_as_often_as_asked():
    image, masks = sample()
    plain, _ = augment(image, masks, SPEC, Augmentation(**STILL), np.random.default_rng(1))
    strength = Augmentation(**STILL, flip_horizontal=0.25)
    draws = [augment(image, masks, SPEC, strength, np.random.default_rng(seed))[0] for seed in range(200)]
    assert 25 <= sum(not np.array_equal(drawn, plain) for drawn in draws) <= 75
