"""Boxes around masks, so that costly steps see only what they need, and the parts that masks fall into."""

from __future__ import annotations

import numpy as np


def bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    """Smallest box (k, j, i) that holds all of a 3-D mask (anything but 0); None when the mask is empty."""
    ks = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(ks):
        return None
    inner = mask[ks[0] : ks[-1] + 1]
    js, is_ = np.flatnonzero(inner.any(axis=(0, 2))), np.flatnonzero(inner.any(axis=(0, 1)))
    return tuple(slice(int(used[0]), int(used[-1]) + 1) for used in (ks, js, is_))


def components(mask: np.ndarray) -> tuple[np.ndarray, tuple[slice, slice, slice]] | None:
    """Connected parts of a 3-D mask, which touch by a face, edge or corner: numbered from 1, in the box that holds them
    all.

    None when the mask is empty.
    """
    from scipy.ndimage import label

    box = bounding_box(mask)
    return None if box is None else (label(mask[box], np.ones((3, 3, 3)))[0], box)


def component_sizes(numbered: np.ndarray) -> np.ndarray:
    """Voxels of each component, the background's first; slice by slice, since `bincount` copies what it counts to 64
    bits."""
    count = int(numbered.max()) + 1
    return sum(np.bincount(plane.ravel(), minlength=count) for plane in numbered)
