"""Boxes around masks, so that costly steps see only what they need."""

from __future__ import annotations

import numpy as np


def bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    """Smallest box (k, j, i) that holds all of a 3-D mask; None when the mask is empty."""
    ks = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(ks):
        return None
    inner = mask[ks[0] : ks[-1] + 1]
    js, is_ = np.flatnonzero(inner.any(axis=(0, 2))), np.flatnonzero(inner.any(axis=(0, 1)))
    return slice(ks[0], ks[-1] + 1), slice(js[0], js[-1] + 1), slice(is_[0], is_[-1] + 1)
