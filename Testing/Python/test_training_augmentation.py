"""Which slices an epoch draws, and what is changed in them: moved, mirrored, painted. Needs no TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from CompressionTrainerLib.data.augmentation import Augmentation, augment
from CompressionTrainerLib.data.samples import Sampling, plan_epoch
from CompressionTrainerLib.data.slices import BORDER, CaseSlices
from CompressionTrainerLib.data.synthetic import paint_lesions, paint_mass
from LiverTumorLib.ct.canvas import InputSpec

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


def _case(flags_liver, flags_tumor):
    shape = (len(flags_liver), 64 + 2 * BORDER, 64 + 2 * BORDER)
    image = np.full(shape, 120, np.uint8)
    return CaseSlices(1, 1, image, image, np.zeros_like(image), np.array(flags_liver), np.array(flags_tumor), 2.0)


def test_an_epoch_holds_its_shares_and_repeats_by_seed():
    cases = [_case([False, True, True, True], [False, False, True, True]), _case([True, True], [False, False])]
    sampling = Sampling(slices=200, tumor_share=0.5, background_share=0.1)
    plan = plan_epoch(cases, sampling, seed=3, epoch=7)
    tumor = [p for p in plan if cases[p.case].has_tumor[p.k]]
    background = [p for p in plan if not cases[p.case].has_liver[p.k]]
    assert (len(plan), len(tumor), len(background)) == (200, 100, 20)
    assert plan == plan_epoch(cases, sampling, seed=3, epoch=7)
    assert plan != plan_epoch(cases, sampling, seed=3, epoch=8)


@pytest.mark.parametrize(
    "liver", [[True] * 4, [False, False, True, True]], ids=["liver in every slice", "tumor in every liver slice"]
)
def test_the_share_of_a_kind_that_nobody_shows_goes_to_another(liver):
    cases = [_case(liver, [False, False, True, True])]
    plan = plan_epoch(cases, Sampling(slices=33, tumor_share=0.35, background_share=0.2), seed=3, epoch=7)
    assert len(plan) == 33 and {p.k for p in plan} == {0, 1, 2, 3}


def test_augmentation_moves_image_and_masks_together():
    """A bright square labeled as liver is, after any movement, where its label is."""
    spec = InputSpec((64, 64), 2.0)
    image = np.zeros((128, 128, 3), np.float32)
    image[54:74, 50:78] = 1
    masks = np.stack([image[..., 0], np.zeros((128, 128), np.float32)], -1)
    for seed in range(20):
        only_moves = Augmentation(probability=0.0)
        moved, labels = augment(image, masks, spec, only_moves, np.random.default_rng(seed))
        assert np.array_equal(moved[..., 1] > 0.5, labels[..., 0] > 0.5)
        assert labels[..., 0].sum() > 100


def test_painted_lesions_are_dark_or_bright_where_labeled_and_inside_the_liver():
    image = np.full((96, 96, 3), 0.6, np.float32)
    masks = np.zeros((96, 96, 2), np.float32)
    masks[20:80, 20:80, 0] = 1
    painted, labels = paint_lesions(
        image, masks, pixel_mm=1.25, neighbor_mm=4.0, radius_mm=(2.5, 16.0), rng=np.random.default_rng(1)
    )
    lesion = labels[..., 1] > 0.5
    assert lesion.any() and not lesion[masks[..., 0] == 0].any()
    assert np.abs(painted[..., 1][lesion] - 0.6).min() > 0.02
    untouched = labels[..., 1] == 0
    assert painted[..., 1][untouched] == pytest.approx(0.6)
    assert masks[..., 1].sum() == 0, "the inputs stay as they were"


def test_a_painted_mass_lies_in_the_body_and_leaves_the_liver_alone():
    image, masks = np.zeros((128, 128, 3), np.float32), np.zeros((128, 128, 2), np.float32)
    image[10:118, 10:118] = 0.4
    masks[30:70, 30:60, 0] = 1
    image[30:70, 30:60] = 0.7
    painted, labels = paint_mass(image, masks, pixel_mm=2.0, neighbor_mm=5.0, rng=np.random.default_rng(2))
    changed = np.abs(painted - image).max(axis=-1) > 1e-3
    assert changed.sum() > 50
    assert not changed[masks[..., 0] == 1].any() and not changed[image[..., 1] == 0].any()
    assert (labels == masks).all()
    empty = np.zeros_like(image)
    assert paint_mass(empty, masks, 2.0, 5.0, np.random.default_rng(2))[0] is empty
