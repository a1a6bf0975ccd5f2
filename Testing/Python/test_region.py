"""Parts, holes and shells of masks, against SciPy's."""

import numpy as np
import pytest
from LiverTumorLib.ct.region import bounding_box, components, fill_holes, outermost
from scipy import ndimage

MASKS = [
    np.random.default_rng(seed).random(shape) < share
    for seed, (shape, share) in enumerate(
        [((5, 9, 11), 0.2), ((5, 9, 11), 0.5), ((1, 8, 8), 0.6), ((6, 1, 7), 0.5), ((7, 6, 1), 0.5), ((4, 5, 6), 0.9)]
    )
]
MASKS += [np.zeros((3, 4, 5), bool), np.ones((3, 4, 5), bool), MASKS[1][:, ::-1].transpose(2, 0, 1)]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("faces_only", [False, True])
def test_parts_are_numbered_as_scipy_numbers_them(mask, faces_only):
    numbered, count = ndimage.label(mask, None if faces_only else np.ones((3, 3, 3)))
    found = components(mask, faces_only)
    assert found.sizes.tolist() == np.bincount(numbered.ravel(), minlength=count + 1)[1:].tolist()
    for number, box in enumerate(ndimage.find_objects(numbered)):
        own, where = found.part(number)
        assert where == box and (own == (numbered[box] == number + 1)).all()
    even = np.arange(count) % 2 == 0
    assert found.voxels(even).tolist() == np.flatnonzero(numbered % 2 == 1).tolist()


@pytest.mark.parametrize("mask", MASKS)
def test_holes_are_filled_slice_by_slice(mask):
    filled = mask.copy()
    fill_holes(filled)
    assert (filled == np.stack([ndimage.binary_fill_holes(plane) for plane in mask])).all()


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("outside", [False, True])
def test_outermost_voxels_are_those_that_erosion_takes(mask, outside):
    assert (outermost(mask, outside) == mask & ~ndimage.binary_erosion(mask, border_value=outside)).all()


@pytest.mark.parametrize("mask", MASKS)
def test_the_box_is_the_smallest(mask):
    assert (bounding_box(mask),) == (tuple(ndimage.find_objects(mask.astype(int))) or (None,))
