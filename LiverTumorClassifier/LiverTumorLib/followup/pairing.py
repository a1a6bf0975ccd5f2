"""Which lesion of an earlier date has become which lesion of a later one: one to one, split, merged, new or
vanished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .alignment import Alignment, to_earlier, to_later
from .study import Study

TOUCH, PART = 0.1, 0.3  # overlap from which two lesions can be one; share of a lesion that makes it a part of another
REACH_MM, MOST_REACH_MM = 6.0, 12.0  # distance of the centroids up to which lesions can be one without overlap
_SCALE_MM = 10.0


@dataclass(frozen=True)
class Nearness:
    """How p lesions of an earlier date lie to c lesions of a later one, after registration.

    Attributes:
        inside: (p, c) share of the earlier lesion that lies in the later one.
        covered: (p, c) share of the later lesion that lies in the earlier one.
        distance_mm: (p, c) between their centroids.
    """

    inside: np.ndarray
    covered: np.ndarray
    distance_mm: np.ndarray

    @property
    def overlap(self) -> np.ndarray:
        """(p, c) share of the smaller one, about."""
        return np.maximum(self.inside, self.covered)


def nearness(
    prior: Study,
    current: Study,
    chain: Sequence[Alignment],
    rows: Sequence[int] | None = None,
    columns: Sequence[int] | None = None,
) -> Nearness:
    """Compare the lesions of two dates.

    Args:
        chain: leads from the one to the other, see `to_earlier`.
        rows, columns: the lesions of either that take part, from 0; None is all.
    """
    rows = range(len(prior.points)) if rows is None else rows
    columns = range(len(current.points)) if columns is None else columns
    shape = (len(rows), len(columns))
    if 0 in shape:
        return Nearness(np.zeros(shape), np.zeros(shape), np.full(shape, np.inf))
    clouds = [current.points[number] for number in columns]
    moved = [to_later(chain, prior.points[number]) for number in rows]
    inside = np.array([_shares(current.lesion_at(cloud), columns) for cloud in moved])
    covered = np.array([_shares(prior.lesion_at(to_earlier(chain, cloud)), rows) for cloud in clouds]).T
    centers = [np.array([cloud.mean(axis=0) for cloud in group]) for group in (moved, clouds)]
    return Nearness(inside, covered, np.linalg.norm(centers[0][:, None] - centers[1][None], axis=2))


def pair(near: Nearness, reach_mm: float = REACH_MM) -> list[tuple[int, int]]:
    """Links (earlier, later) between lesions, counted from 0, in order; a lesion without one is new or has vanished.

    First every lesion gets at most one partner, so that all together overlap most and lie nearest (Kuhn, Naval Res
    Logist Q 2 (1955)
    83-97). Then lesions left over that lie largely in one of the other date are its parts: a later one was split off,
    an
    earlier one has merged.

    Args:
        reach_mm: how far centroids may lie apart where lesions do not overlap.
    """
    from scipy.optimize import linear_sum_assignment

    possible = (near.overlap >= TOUCH) | (near.distance_mm <= reach_mm)
    score = np.where(possible, near.overlap + np.exp(-((near.distance_mm / _SCALE_MM) ** 2)), 0.0)
    links = {
        (int(p), int(c)) for p, c in zip(*linear_sum_assignment(score, maximize=True), strict=True) if possible[p, c]
    }
    with_p, with_c = {p for p, _ in links}, {c for _, c in links}
    for c in sorted(set(range(score.shape[1])) - with_c):
        if score.shape[0] and near.covered[:, c].max() >= PART:
            links.add((int(near.covered[:, c].argmax()), c))
    for p in sorted(set(range(score.shape[0])) - with_p):
        if score.shape[1] and near.inside[p].max() >= PART:
            links.add((p, int(near.inside[p].argmax())))
    return sorted(links)


def _shares(numbers: np.ndarray, lesions: Sequence[int]) -> np.ndarray:
    """Share of the places, of which the lesions' numbers (from 1) are given, that lie in each of some lesions (from
    0)."""
    return np.array([np.count_nonzero(numbers == lesion + 1) for lesion in lesions]) / max(1, len(numbers))
