"""Colon, small bowel and the mesenteric vessels between them, drawn from the seed. Reference mm."""

from __future__ import annotations

import numpy as np

from .vessels import Network, Tube

_ASCENDING = ((-98, 10, -30), (-100, 4, 0), (-94, -4, 26), (-86, -24, 42))
_TRANSVERSE = ((-86, -34, 42), (-50, -64, 38), (-8, -72, 30), (36, -72, 40), (78, -58, 72), (104, -22, 98))
_DESCENDING = ((106, -8, 98), (114, 22, 74), (112, 26, 30), (108, 20, -30))
_REGIONS = (  # lower and upper corner, loops
    ((-62, -60, -30), (80, 8, 44), 46),
    ((22, -46, 40), (92, 22, 96), 22),  # jejunum
)


def bowel_loops(rng: np.random.Generator) -> tuple[Network, list[float]]:
    """Small bowel and colon as short tubes, and the share of gas in each."""
    loops: list[Tube] = []
    gas: list[float] = []
    for low, high, count in _REGIONS:
        for _ in range(count):
            start = rng.uniform(low, high)
            end = start + rng.normal(0, 1, 3) * (18, 11, 11)
            radius = float(rng.uniform(8, 12))
            loops.append((*start.tolist(), *end.tolist(), radius, radius * 0.9))
            gas.append(float(rng.choice([0.0, 0.0, 0.0, 0.3])))
    for path, radius, gas_range in (
        (_ASCENDING, 20, (0.1, 0.5)),
        (_TRANSVERSE, 15, (0.3, 0.8)),
        (_DESCENDING, 12, (0.1, 0.5)),
    ):
        points = [np.add(point, rng.uniform(-4, 4, 3)).tolist() for point in path]
        for a, b in zip(points[:-1], points[1:], strict=True):
            r0, r1 = (radius * rng.uniform(0.85, 1.15, 2)).tolist()
            loops.append((*a, *b, r0, r1))
            gas.append(float(rng.uniform(*gas_range)))
    return Network(loops), gas


def mesentery(rng: np.random.Generator) -> Network:
    """Thin vessels that fan out from the mesenteric root to the bowel."""
    fan = []
    for _ in range(70):
        start = np.array([4, -12, rng.uniform(0, 80)]) + rng.normal(0, 5, 3)
        aim = rng.uniform((-90, -75, -20), (105, 15, 100))
        middle = start + 0.55 * (aim - start) + rng.normal(0, 6, 3)
        fan.append((*start.tolist(), *middle.tolist(), 1.7, 1.4))
        fan.append((*middle.tolist(), *aim.tolist(), 1.4, 1.0))
    return Network(fan)
