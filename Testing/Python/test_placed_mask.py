"""Masks that know where they lie, against masks of the whole grid."""

import numpy as np
import pytest
from LiverTumorLib.ct.placed_mask import PlacedMask, enclosed

GRID = (9, 11, 13)


def random_mask(seed: int) -> np.ndarray:
    mask = np.zeros(GRID, bool)
    mask[2:7, 3:9, 1:12] = np.random.default_rng(seed).random((5, 6, 11)) < 0.3
    return mask


def whole(mask: PlacedMask) -> np.ndarray:
    return mask.within((0, 0, 0), GRID)


def test_what_is_in_two_masks_in_one_or_in_both():
    one, two = random_mask(1), np.roll(random_mask(2), (2, 1, 0), axis=(0, 1, 2))
    a, b, empty = PlacedMask.of(one), PlacedMask.of(two), PlacedMask.of(np.zeros(GRID, bool))
    np.testing.assert_array_equal(whole(a), one)
    np.testing.assert_array_equal(whole(PlacedMask.union(a, empty, b)), one | two)
    np.testing.assert_array_equal(whole(a.common(b)), one & two)
    np.testing.assert_array_equal(whole(a.without(b)), one & ~two)
    for nothing in (PlacedMask.union(), PlacedMask.union(empty), a.common(empty), empty.without(a)):
        assert not nothing.voxels.size and not whole(nothing).any()
    moved = PlacedMask.of(one, (-4, 100, -7))
    np.testing.assert_array_equal(moved.within((-4, 100, -7), GRID), one)
    assert not whole(moved).any()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
@pytest.mark.parametrize("values", [[3], [1, 3], [7]])
def test_where_labels_have_some_values(dtype, values):
    labels = np.random.default_rng(3).integers(0, 5, GRID).astype(dtype)
    np.testing.assert_array_equal(whole(PlacedMask.of_values(labels, values)), np.isin(labels, values))


def test_as_a_text():
    mask = PlacedMask.of(random_mask(4), (-5, 3, 0))
    text = mask.text()
    assert not set(text) & set("|:")
    read = PlacedMask.from_text(text)
    assert read.first == mask.first
    np.testing.assert_array_equal(read.voxels, mask.voxels)
    assert not PlacedMask.from_text(PlacedMask.of(np.zeros(GRID, bool)).text()).voxels.size
    *numbers, packed = text.split(" ")
    larger = " ".join([*numbers[:3], "90000", "90000", "90000", packed])
    longer = " ".join([*numbers[:3], "4", "4", "4", packed])
    for other in ("", "1", "a b c d e f g", text[:-8], text + "!", larger, longer, text.replace(" ", "  ", 1)):
        with pytest.raises(ValueError, match="."):
            PlacedMask.from_text(other)


def test_what_is_enclosed():
    around = np.ones(GRID, bool)
    around[:, 8:] = False
    part = np.zeros(GRID, bool)
    part[4, 4, 4:6] = part[6, 6:9, 6] = part[0, 2, 2] = True
    around &= ~part
    expected = np.zeros(GRID, bool)
    expected[4, 4, 4:6] = True
    np.testing.assert_array_equal(enclosed(part, around), expected)
