"""Signed distances (mm, negative inside) of simple shapes on broadcastable coordinate arrays, and smooth random fields.

Coordinates are x to the patient's left, y to posterior, z to superior, in mm. All functions work on whole slices and on
lists of points alike. Distances are exact near the surface and only roughly scaled far from it, which is all that soft
painting needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Point = Sequence[float]


def ellipsoid(
    x: Array, y: Array, z: Array, center: Point, radii: Point, turn_deg: float = 0.0, tilt_deg: float = 0.0
) -> Array:
    """An ellipsoid, turned about z in the axial plane, its long axis tilted towards x by `tilt_deg`."""
    x, y, z = x - center[0], y - center[1], z - center[2]
    if tilt_deg:
        c, s = _cos_sin(tilt_deg)
        x, z = c * x - s * z, s * x + c * z
    if turn_deg:
        c, s = _cos_sin(turn_deg)
        x, y = c * x + s * y, c * y - s * x
    u, v, w = x / radii[0], y / radii[1], z / radii[2]
    inner = u * u + v * v + w * w
    u, v, w = u / radii[0], v / radii[1], w / radii[2]
    k0 = np.sqrt(inner)
    return k0 * (k0 - 1) / np.sqrt(u * u + v * v + w * w + 1e-9)


def rounded_oval(x: Array, y: Array, a: Array | float, b: Array | float, squareness: float) -> Array:
    """A vertical cylinder over an oval between ellipse (squareness 0) and rounded rectangle; distances along the ray
    from the center."""
    u, v = (x / a) ** 2, (y / b) ** 2
    radius = np.sqrt(u + v - squareness * u * v / (u + v + 1e-6)) + 1e-4
    return np.sqrt(x * x + y * y) * (1 - 1 / radius)


def capsule(x: Array, y: Array, z: Array, start: Point, end: Point, r0: float, r1: float) -> Array:
    """A round-ended tube whose radius runs from r0 to r1."""
    dx, dy, dz = (float(b - a) for a, b in zip(start, end, strict=True))
    px, py, pz = x - start[0], y - start[1], z - start[2]
    t = np.clip((px * dx + py * dy + pz * dz) / (dx * dx + dy * dy + dz * dz + 1e-9), 0, 1)
    px, py, pz = px - t * dx, py - t * dy, pz - t * dz
    return np.sqrt(px * px + py * py + pz * pz) - (r0 + t * (r1 - r0))


def join(a: Array, b: Array, blend: float) -> Array:
    """Union whose seam is rounded over about `blend` mm."""
    h = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.minimum(a, b) - h * h * (blend / 4)


def meet(a: Array, b: Array, blend: float) -> Array:
    """Intersection whose edge is rounded over about `blend` mm."""
    h = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.maximum(a, b) + h * h * (blend / 4)


def _cos_sin(degrees: float) -> tuple[float, float]:
    angle = np.radians(degrees)
    return float(np.cos(angle)), float(np.sin(angle))


@dataclass(frozen=True)
class SmoothField:
    """A smooth random function of space with mean 0 and sd about 1, the same on every grid.

    A sum of products of sine waves, so a slice of it is one small matrix product.
    """

    waves: Array  # (3, modes): angular frequency per mm along x, y, z
    phases: Array  # (3, modes)

    @classmethod
    def draw(cls, rng: np.random.Generator, wavelength_mm: tuple[float, float], modes: int) -> SmoothField:
        """Draw a field whose waves run in all directions with wavelengths between the two given."""
        direction = rng.normal(size=(3, modes))
        direction /= np.linalg.norm(direction, axis=0)
        waves = direction * (2 * np.pi / rng.uniform(*wavelength_mm, modes))
        return cls(waves, rng.uniform(0, 2 * np.pi, (3, modes)))

    def on_slice(self, xs: Array, ys: Array, z: float) -> Array:
        """Values on the axial slice at height z: (len(ys), len(xs)) float32."""
        along_x = np.sin(np.outer(self.waves[0], xs) + self.phases[0][:, None]).astype(np.float32)
        height = np.sin(self.waves[2] * z + self.phases[2]) * self._scale
        along_y = np.sin(np.outer(ys, self.waves[1]) + self.phases[1]) * height
        # not BLAS: its threads would fight with ours, and its rounding differs between machines
        return np.einsum("ym,mx->yx", along_y.astype(np.float32), along_x)

    @property
    def _scale(self) -> float:
        return float(np.sqrt(8 / self.waves.shape[1]))
