"""Checksums of what segments hold, by which a change is seen; those of a layer that has not changed are known."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from ..ct.region import Box, bounding_box

LABELMAP = "Binary labelmap"
_MOST_KNOWN = 16  # layers
_known: dict[int, dict[int, str]] = {}  # by the time of a layer's last change, the checksums of its values

Contents = dict[str, str]  # of each segment with voxels, what is in it


def checksums(segmentation, identifiers: list[str]) -> Contents:
    """A checksum of the voxels of each segment that has some."""
    layers: dict = {}
    for identifier in identifiers:
        segment = segmentation.GetSegment(identifier)
        if (image := segment.GetRepresentation(LABELMAP)) is not None:
            layers.setdefault(image, []).append((segment.GetLabelValue(), identifier))
    found = {}
    for image, values in layers.items():
        own = _of_layer(image, [value for value, _identifier in values])
        found.update({identifier: own[value] for value, identifier in values if own[value]})
    return {identifier: found[identifier] for identifier in identifiers if identifier in found}


def checksums_of(voxels: np.ndarray, first: Sequence[int], values: Sequence[int]) -> dict[int, str]:
    """A checksum of where each value lies, "" where it is nowhere, whatever extent the voxels have.

    Args:
        voxels: label values (k, j, i).
        first: the place (k, j, i) of the first voxel.
    """
    return {
        value: "" if box is None else mask_checksum(voxels[box] == value, _start(box, first))
        for value, box in _boxes(voxels, values).items()
    }


def mask_checksum(mask: np.ndarray, start: Sequence[int]) -> str:
    """A checksum of a mask (k, j, i) and of where its first voxel lies."""
    place = ",".join(map(str, (*start, *mask.shape)))
    return f"{zlib.crc32(np.packbits(mask).data, zlib.crc32(place.encode())):08x}"


def remember(image, known: dict[int, str]) -> None:
    """Keep the checksums of a layer's values until it changes."""
    _known[image.GetMTime()] = known  # VTK gives no two changes, of whatever object, the same time
    while len(_known) > _MOST_KNOWN:
        del _known[next(iter(_known))]


def voxels_of(image) -> np.ndarray | None:
    """The label values (k, j, i) of a layer, its own memory; None where it has none."""
    from vtk.util.numpy_support import vtk_to_numpy

    scalars = image.GetPointData().GetScalars() if image is not None else None
    if scalars is None or not scalars.GetNumberOfTuples():
        return None
    return vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1])


def _of_layer(image, values: list[int]) -> dict[int, str]:
    known = _known.pop(image.GetMTime(), {})
    missing = [value for value in values if value not in known]
    if missing and (voxels := voxels_of(image)) is not None:
        known.update(checksums_of(voxels, image.GetExtent()[4::-2], missing))
    known.update({value: "" for value in values if value not in known})
    remember(image, known)  # as the latest
    return known


def _boxes(voxels: np.ndarray, values: Sequence[int]) -> dict[int, Box | None]:
    from scipy.ndimage import find_objects

    outer = bounding_box(voxels >= min(values))
    if outer is None:
        return dict.fromkeys(values)
    if len(values) == 1:
        return {values[0]: bounding_box(voxels == values[0])}
    places = find_objects(voxels[outer], max(values))  # of all values at once
    return {value: _moved(places[value - 1], outer) for value in values}


def _moved(place: tuple[slice, ...] | None, outer: Box) -> Box | None:
    """A box within another one as a box of the whole."""
    if place is None:
        return None
    k, j, i = (slice(a.start + b.start, a.stop + b.start) for a, b in zip(place, outer, strict=True))
    return k, j, i


def _start(box: Box, first: Sequence[int]) -> list[int]:
    """Where a box begins in a layer whose first voxel lies at `first`."""
    return [part.start + start for part, start in zip(box, first, strict=True)]
