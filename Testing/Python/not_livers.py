"""Scans in which there is no liver, drawn: what a network without doubt would still find one in."""

from __future__ import annotations

import numpy as np
from LiverTumorLib.ct import CTVolume

SHAPE, SPACING = (50, 128, 128), (3.0, 3.0, 5.0)


def _grid(shape, spacing):
    """Coordinates in mm from the middle: to left, posterior, superior."""
    k, j, i = np.ogrid[tuple(slice(n) for n in shape)]
    return tuple((axis - (n - 1) / 2) * mm for axis, n, mm in zip((i, j, k), shape[::-1], spacing, strict=True))


def _ct(hu: np.ndarray, spacing=SPACING, noise: float = 12.0) -> CTVolume:
    hu = hu + np.random.default_rng(0).normal(0, noise, hu.shape) if noise else hu
    matrix = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    matrix[:3, 3] = 190, 190, -400
    return CTVolume(np.clip(np.rint(hu), -1024, 3071).astype(np.int16), matrix, "not a liver")


def ellipse(noise: float = 12.0) -> CTVolume:
    x, y, z = _grid(SHAPE, SPACING)
    return _ct(np.where((x / 160) ** 2 + (y / 110) ** 2 + 0 * z < 1, 50.0, -1000.0), noise=noise)


def noise() -> CTVolume:
    return _ct(np.full(SHAPE, 60.0), noise=30)


def box() -> CTVolume:
    hu = np.full(SHAPE, -1000.0)
    hu[10:40, 30:100, 30:100] = 60
    return _ct(hu)


def box_in_fat() -> CTVolume:
    hu = np.full(SHAPE, -100.0)
    hu[15:35, 40:75, 30:65] = 80
    return _ct(hu)


def head(brain: float = 40.0) -> CTVolume:
    spacing = (1.8, 1.8, 3.0)
    x, y, z = _grid((60, 128, 128), spacing)
    hu = np.full((60, 128, 128), -1000.0)
    for right, back, up, value in ((80, 100, 88, 45), (75, 95, 83, 900), (68, 88, 76, brain)):
        hu[(x / right) ** 2 + (y / back) ** 2 + (z / up) ** 2 < 1] = value
    return _ct(hu, spacing, noise=6)


def legs(fat: bool = False) -> CTVolume:
    x, y, z = _grid(SHAPE, SPACING)
    hu = np.full(SHAPE, -1000.0)
    for middle in (-85, 85):
        radius = np.hypot(x - middle, y) + 0 * z
        for size, value in ((80, -100.0 if fat else 60.0), (68, 60.0), (15, 700.0)):
            hu[radius < size] = value
    return _ct(hu)


SCANS = {"ellipse": ellipse, "noise": noise, "box": box, "box in fat": box_in_fat, "head": head, "legs": legs}
