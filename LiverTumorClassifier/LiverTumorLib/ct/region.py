"""Boxes around masks, so that costly steps see only what they need, and the parts that masks fall into."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice, slice]


def bounding_box(mask: np.ndarray) -> Box | None:
    """Smallest box (k, j, i) that holds all of a 3-D mask (anything but 0); None when the mask is empty."""
    ks = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(ks):
        return None
    inner = mask[ks[0] : ks[-1] + 1]
    js, is_ = np.flatnonzero(inner.any(axis=(0, 2))), np.flatnonzero(inner.any(axis=(0, 1)))
    return _span(ks), _span(js), _span(is_)


def _span(used: NDArray[np.intp]) -> slice:
    return slice(int(used[0]), int(used[-1]) + 1)


def box_of(mask: np.ndarray) -> Box:
    """`bounding_box` of a mask that holds something; ValueError where it is empty."""
    box = bounding_box(mask)
    if box is None:
        raise ValueError("the mask is empty")
    return box


def components(mask: np.ndarray) -> tuple[np.ndarray, Box] | None:
    """Connected parts of a 3-D mask, which touch by a face, edge or corner: numbered from 1, in the box that holds them
    all.

    None when the mask is empty.
    """
    from scipy.ndimage import label

    box = bounding_box(mask)
    return None if box is None else (label(mask[box], np.ones((3, 3, 3)))[0], box)


def component_sizes(numbered: np.ndarray) -> NDArray[np.int64]:
    """Voxels of each component, the background's first; slice by slice, since `bincount` copies what it counts to 64
    bits."""
    count = int(numbered.max()) + 1
    sizes = np.zeros(count, np.int64)
    for plane in numbered:
        sizes += np.bincount(plane.ravel(), minlength=count)
    return sizes
