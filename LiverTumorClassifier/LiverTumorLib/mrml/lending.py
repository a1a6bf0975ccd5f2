"""Voxels that two segments have: one gives its own to another one too, and gets them back.

Slicer keeps segments that do not overlap in one layer, so the one that gives gets a layer of its own meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ..ct.region import bounding_box
from .checksums import LABELMAP, voxels_of


def lend(segmentation, lender: str, borrower: str) -> bool:
    """Let a segment have the voxels of another one too, but for those that a third one in its layer has.

    Returns whether both segments have voxels, without which nothing is done.
    """
    own, other = segmentation.GetSegment(lender), segmentation.GetSegment(borrower)
    image, target = own.GetRepresentation(LABELMAP), other.GetRepresentation(LABELMAP)
    voxels, borrowed = voxels_of(image), voxels_of(target)
    if voxels is None or borrowed is None or not (borrowed == other.GetLabelValue()).any():
        return False
    mask = voxels == own.GetLabelValue()
    if (box := bounding_box(mask)) is None:
        return False
    first = np.add(image.GetExtent()[4::-2], [part.start for part in box])
    apart = _copied(image, first, mask[box].shape)
    _voxels(apart)[...] = mask[box]
    own.SetLabelValue(1)
    own.AddRepresentation(LABELMAP, apart)
    voxels[box][mask[box]] = 0  # or its value could become another segment's
    _modified(image)
    mask, at = _on_grid_of(target, apart, 1)
    _make_room(target, at, mask.shape)
    with _changed(target, at, mask) as (view, part):
        view[part & (view == 0)] = other.GetLabelValue()
    return True


def take_back(segmentation, lender: str, borrower: str) -> None:
    """Take from a segment the voxels that another one has, which then shares its layer again where there is room."""
    own, other = segmentation.GetSegment(lender), segmentation.GetSegment(borrower)
    image, target = own.GetRepresentation(LABELMAP), other.GetRepresentation(LABELMAP)
    if voxels_of(image) is None or voxels_of(target) is None:
        return
    mask, at = _on_grid_of(target, image, own.GetLabelValue())
    with _changed(target, at, mask) as (view, part):
        view[part & (view == other.GetLabelValue())] = 0
        if image is not target and _is_same_grid(image, target) and part.shape == mask.shape and not view[part].any():
            view[part] = own_value = _free_value(segmentation, target)
            own.SetLabelValue(own_value)
            own.AddRepresentation(LABELMAP, target)


def _free_value(segmentation, image) -> int:
    segments = [segmentation.GetSegment(each) for each in segmentation.GetSegmentIDs()]
    taken = {each.GetLabelValue() for each in segments if each.GetRepresentation(LABELMAP) is image}
    return next(value for value in range(1, len(taken) + 2) if value not in taken)


def _is_same_grid(image, other) -> bool:
    import slicer

    return slicer.vtkOrientedImageDataResample.DoGeometriesMatch(image, other)


def _on_grid_of(target, image, value: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a layer has a value, on the grid of another one: a mask, and its first voxel (k, j, i) there."""
    import slicer

    if not _is_same_grid(image, target):
        alone, moved = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
        alone.DeepCopy(image)
        _voxels(alone)[...] = _voxels(image) == value
        resample = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage
        resample(alone, target, moved, False, True)  # to the nearest voxel, as large as it needs to be
        image, value = moved, 1
    return _voxels(image) == value, np.array(image.GetExtent()[4::-2])


def _copied(image, first: np.ndarray, shape: tuple[int, ...]):
    """A layer's voxels in a box of its grid, 0 beyond its own."""
    import slicer

    extent = [bound for a, n in zip(first[::-1], shape[::-1], strict=True) for bound in (int(a), int(a + n - 1))]
    copy = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.CopyImage(image, copy, extent)
    return copy


def _make_room(image, first: np.ndarray, shape: tuple[int, ...]) -> None:
    """Enlarge a layer, in place for all that share it, so that it reaches over a box of its grid."""
    start = np.array(image.GetExtent()[4::-2])
    low, high = np.minimum(start, first), np.maximum(start + _voxels(image).shape, np.add(first, shape))
    if (high - low != _voxels(image).shape).any():
        image.DeepCopy(_copied(image, low, tuple(high - low)))


@contextmanager
def _changed(image, first: np.ndarray, mask: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The voxels of a layer in a box of its grid, to be changed, and that part of the box's mask."""
    voxels, start = _voxels(image), np.array(image.GetExtent()[4::-2])
    low = np.maximum(start, first)
    high = np.maximum(low, np.minimum(start + voxels.shape, np.add(first, mask.shape)))

    def part(of: np.ndarray) -> tuple[slice, ...]:
        return tuple(slice(a, b) for a, b in zip(low - of, high - of, strict=True))

    yield voxels[part(start)], mask[part(first)]
    _modified(image)


def _voxels(image) -> np.ndarray:
    voxels = voxels_of(image)
    assert voxels is not None
    return voxels


def _modified(image) -> None:
    image.GetPointData().GetScalars().Modified()
    image.Modified()
