"""Voxels that two segments have: one gives its own to another one too, and gets them back.

Slicer keeps segments that do not overlap in one layer, so the one that gives gets a layer of its own meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from ..ct.placed_mask import PlacedMask
from ..ct.region import bounding_box, shared_boxes
from .checksums import LABELMAP, voxels_of


def places_of(segmentation, identifiers: Iterable[str], image) -> PlacedMask:
    """Where any of some segments has a voxel, on the grid of a layer, as the nearest voxel of it."""
    layers: dict = {}
    for identifier in identifiers:
        segment = segmentation.GetSegment(identifier)
        own = segment.GetRepresentation(LABELMAP)
        if voxels_of(own) is not None:
            layers.setdefault(own, []).append(segment.GetLabelValue())
    return PlacedMask.union(*(_on_grid_of(image, own, values) for own, values in layers.items()))


def lend(segmentation, lender: str, borrower: str, allowed: PlacedMask) -> PlacedMask | None:
    """Let a segment have voxels of another one too, which gets a layer of its own.

    Args:
        allowed: which voxels, on the borrower's grid; those that the borrower or any segment of its layer has already
            stay as they are.

    Returns:
        the voxels that were lent; None where one of the segments has none at all, without which nothing is done.
    """
    own, other = segmentation.GetSegment(lender), segmentation.GetSegment(borrower)
    image, target = own.GetRepresentation(LABELMAP), other.GetRepresentation(LABELMAP)
    voxels, borrowed = voxels_of(image), voxels_of(target)
    if voxels is None or borrowed is None or not (borrowed == other.GetLabelValue()).any():
        return None
    mask = voxels == own.GetLabelValue()
    if (box := bounding_box(mask)) is None:
        return None
    first = np.add(image.GetExtent()[4::-2], [part.start for part in box])
    apart = _copied(image, first, mask[box].shape)
    _voxels(apart)[...] = mask[box]
    own.SetLabelValue(1)
    own.AddRepresentation(LABELMAP, apart)
    voxels[box][mask[box]] = 0  # or its value could become another segment's
    _modified(image)
    lent = _on_grid_of(target, apart, [1]).common(allowed)
    _make_room(target, lent)
    with _changed(target, lent) as (view, part):
        part &= view == 0
        view[part] = other.GetLabelValue()
        return PlacedMask(part, lent.first)


def take_back(segmentation, lender: str, borrower: str, lent: PlacedMask | None) -> None:
    """Take from a segment the voxels that another one has lent it, which then shares its layer again where there is
    room.

    Args:
        lent: which of them; without it all that the lender has.
    """
    own, other = segmentation.GetSegment(lender), segmentation.GetSegment(borrower)
    image, target = own.GetRepresentation(LABELMAP), other.GetRepresentation(LABELMAP)
    if voxels_of(image) is None or voxels_of(target) is None:
        return
    mask = _on_grid_of(target, image, [own.GetLabelValue()])
    with _changed(target, mask if lent is None else mask.common(lent)) as (view, part):
        view[part & (view == other.GetLabelValue())] = 0
    with _changed(target, mask) as (view, part):
        is_whole = part.shape == mask.voxels.shape and part.size > 0
        if image is not target and _is_same_grid(image, target) and is_whole and not view[part].any():
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


def _on_grid_of(target, image, values: list[int]) -> PlacedMask:
    """Where a layer has one of some values, on the grid of another one."""
    import slicer

    if not _is_same_grid(image, target):
        alone, moved = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
        alone.DeepCopy(image)
        _voxels(alone)[...] = np.isin(_voxels(image), values)
        resample = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage
        resample(alone, target, moved, False, True)  # to the nearest voxel, as large as it needs to be
        image, values = moved, [1]
    return PlacedMask.of_values(_voxels(image), values, image.GetExtent()[4::-2])


def _copied(image, first: np.ndarray, shape: tuple[int, ...]):
    """A layer's voxels in a box of its grid, 0 beyond its own."""
    import slicer

    extent = [bound for a, n in zip(first[::-1], shape[::-1], strict=True) for bound in (int(a), int(a + n - 1))]
    copy = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.CopyImage(image, copy, extent)
    return copy


def _make_room(image, mask: PlacedMask) -> None:
    """Enlarge a layer, in place for all that share it, so that it reaches over a mask."""
    if not mask.voxels.size:
        return
    start, size = np.array(image.GetExtent()[4::-2]), _voxels(image).shape
    low, high = np.minimum(start, mask.first), np.maximum(start + size, np.add(mask.first, mask.voxels.shape))
    if (high - low != size).any():
        image.DeepCopy(_copied(image, low, tuple(high - low)))


@contextmanager
def _changed(image, mask: PlacedMask) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The voxels of a layer in the box of a mask, to be changed, and that part of the mask, to be changed too."""
    voxels = _voxels(image)
    own, part = shared_boxes(image.GetExtent()[4::-2], voxels.shape, mask.first, mask.voxels.shape)
    yield voxels[own], mask.voxels[part]
    _modified(image)


def _voxels(image) -> np.ndarray:
    voxels = voxels_of(image)
    assert voxels is not None
    return voxels


def _modified(image) -> None:
    image.GetPointData().GetScalars().Modified()
    image.Modified()
