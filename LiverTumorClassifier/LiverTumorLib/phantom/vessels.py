"""Vessels as lists of tapering tubes, and the places of lesions among them. Reference mm throughout."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .organs import liver_at
from .patient import Patient, Tumor
from .seeds import RESERVED_SEEDS
from .shapes import Array, capsule

Tube = tuple[float, float, float, float, float, float, float, float]  # start xyz, end xyz, radius at start and end

_AORTA = ((8, 34, -20, 9), (10, 30, 90, 10), (12, 32, 150, 11), (20, 44, 200, 12), (26, 48, 280, 12.5))
_VENA_CAVA = ((-20, 32, -20, 11), (-20, 29, 90, 12), (-24, 22, 140, 13), (-22, 12, 180, 13.5), (-16, 0, 214, 14))
_PORTAL_SYSTEM = (
    ((-8, -2, 100, 6.5), (-26, -6, 114, 6.5), (-40, -8, 128, 6.5)),
    ((2, -14, 20, 5.0), (-4, -10, 60, 5.5), (-8, -2, 100, 6.0)),  # superior mesenteric vein
    ((-8, -2, 100, 5.0), (32, 10, 114, 4.5), (76, 32, 130, 4.0)),  # splenic vein
)
_ARTERIES = (
    ((10, 22, 112, 3.5), (10, -6, 92, 3.5), (10, -12, 20, 3.0)),  # superior mesenteric
    ((11, 22, 128, 3.5), (11, 4, 126, 3.5), (-20, -2, 122, 2.5)),  # celiac trunk
)
_TRUNKS = {
    "hepatic": (
        ((-24, 10, 184), (-60, 16, 176), (-112, 20, 148)),
        ((-22, 4, 184), (-44, -28, 168), (-66, -58, 130)),
        ((-18, 2, 184), (4, -26, 176), (36, -48, 168)),
    ),
    "portal": (
        ((-40, -8, 128), (-70, -2, 136), (-98, -30, 160)),
        ((-70, -2, 136), (-92, 22, 146), (-122, 34, 160)),
        ((-66, -2, 134), (-88, -22, 118), (-110, -40, 104)),
        ((-66, 0, 134), (-98, 30, 112), (-120, 34, 88)),
        ((-40, -8, 128), (-8, -30, 148), (22, -52, 158)),
    ),
}
_TRUNK_RADIUS = {"hepatic": 5.6, "portal": 6.0}


def network(*paths: tuple) -> Network:
    """Join the (x, y, z, radius) points of each path."""
    return Network([(*a[:3], *b[:3], a[3], b[3]) for path in paths for a, b in zip(path[:-1], path[1:], strict=True)])


class Network:
    """Many tubes with their boxes, so that a slice looks only at those it meets."""

    def __init__(self, members: list[Tube]) -> None:
        self.tubes = members
        array = np.array(members)
        radius = array[:, 6:].max(1, keepdims=True)
        self._low = np.minimum(array[:, :3], array[:, 3:6]) - radius
        self._high = np.maximum(array[:, :3], array[:, 3:6]) + radius

    def near(self, height: float, margin: float) -> Iterator[tuple[int, Array, Array]]:
        """Number, lower and upper corner of each tube that comes within `margin` mm of the slice at `height`."""
        for n in np.flatnonzero((self._low[:, 2] - margin <= height) & (height <= self._high[:, 2] + margin)):
            yield int(n), self._low[n], self._high[n]


GREAT_VESSELS = {
    "vena_cava": network(_VENA_CAVA),
    "portal": network(*_PORTAL_SYSTEM),
    "aorta": network(_AORTA, *_ARTERIES),
}


def liver_tree(patient: Patient, kind: str, rng: np.random.Generator) -> Network:
    """Grow the "hepatic" or "portal" tree: three or five trunks that fork five times."""
    grown: list[Tube] = []
    for trunk in _TRUNKS[kind]:
        points = np.array(trunk, float)
        points[1:] += rng.uniform(-5, 5, points[1:].shape)
        radius = _TRUNK_RADIUS[kind] * rng.uniform(0.85, 1.1)
        for a, b in zip(points[:-1], points[1:], strict=True):
            grown.append(_tube(a, b, radius))
            radius *= 0.8
            _fork(grown, b, b - a, radius * 0.75, 5, rng)
    ends = np.array([tube[3:6] for tube in grown])
    inside = liver_at(patient, ends) < -2
    return Network([tube for tube, keep in zip(grown, inside, strict=True) if keep])


def lung_vessels(rng: np.random.Generator) -> Network:
    """Vessels that run from the hila out and down."""
    grown: list[Tube] = []
    for sign in (-1, 1):
        for _ in range(22):
            start = np.array([sign * rng.uniform(38, 60), rng.uniform(0, 40), 272.0])
            direction = np.array([sign * rng.uniform(-0.2, 1.1), rng.uniform(-0.9, 0.9), -rng.uniform(0.4, 1.3)])
            _fork(grown, start, direction, rng.uniform(2.0, 3.6), 5, rng, length=30)
    return Network(grown)


def _tube(start: Array, end: Array, radius: float) -> Tube:
    return (*start.tolist(), *end.tolist(), float(radius), float(radius * 0.8))


def _fork(
    grown: list[Tube],
    start: Array,
    heading: Array,
    radius: float,
    levels: int,
    rng: np.random.Generator,
    length: float = 24,
) -> None:
    if levels == 0 or radius < 0.7:
        return
    for _ in range(2):
        direction = heading / np.linalg.norm(heading) + rng.normal(0, 0.55, 3)
        direction /= np.linalg.norm(direction)
        end = start + direction * length * rng.uniform(0.6, 1.2)
        grown.append(_tube(start, end, radius))
        _fork(grown, end, direction, radius * rng.uniform(0.6, 0.85), levels - 1, rng, length * 0.85)


def place_tumors(patient: Patient, trees: list[Network], rng: np.random.Generator) -> list[Tumor]:
    """Place lesions inside the liver, apart from each other and from the large vessels.

    Reserved seeds always get 40, 26, 18, 12 and 8 mm, the 18 mm one at the surface; other seeds none to nine of any
    size.
    """
    demo = patient.seed in RESERVED_SEEDS
    if demo:
        diameters = [40.0, 26.0, 18.0, 12.0, 8.0]
    elif rng.random() < 0.1:
        diameters = []
    else:
        diameters = sorted(np.exp(rng.uniform(np.log(6), np.log(60), rng.integers(1, 10))), reverse=True)
    candidates = rng.uniform((-145, -85, 40), (95, 95, 205), (6000, 3))
    depth = -liver_at(patient, candidates)
    candidates, depth = candidates[depth > 2], depth[depth > 2]
    large = [tube for tree in trees for tube in tree.tubes if tube[6] > 4.0]
    x, y, z = candidates.T
    to_vessel = np.min([capsule(x, y, z, t[:3], t[3:6], t[6], t[7]) for t in large], axis=0)
    placed: list[Tumor] = []
    for number, diameter in enumerate(diameters):
        radius = diameter / 2
        at_surface = number == 2 if demo else rng.random() < 0.3
        fits = (np.abs(depth - 0.75 * radius) < 2) if at_surface else depth > radius * 1.05 + 2
        fits &= to_vessel > 0.6 * radius
        for other in placed:
            fits &= np.linalg.norm(candidates - other.center, axis=1) > radius + other.radius + 6
        if fits.any():
            center = candidates[rng.choice(np.flatnonzero(fits))].tolist()
            placed.append(_tumor(patient, tuple(center), radius, number, demo, rng))
    return placed


def _tumor(patient: Patient, center: tuple, radius: float, number: int, demo: bool, rng: np.random.Generator) -> Tumor:
    liver, contrast = patient.hu["liver"], patient.lesion_contrast * rng.uniform(0.8, 1.2)
    ringed = number == 1 if demo else rng.random() < 0.3
    core = liver + contrast * (1.25 if ringed else 1.0)
    rim = liver + (0.15 if patient.phase == "portal" else 0.4) * abs(contrast)
    return Tumor(center, radius, core, rim, 0.22 * radius if ringed else 0.0, rng.uniform(2.0, 4.5))
