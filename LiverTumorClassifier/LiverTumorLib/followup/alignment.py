"""Where each place of one date lies at the date before: a field of displacements, and chains of such fields over
several dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_ROUNDS, _CLOSE_MM = 30, 0.05  # of the search for the way back


@dataclass(frozen=True)
class Alignment:
    """The way from one date to the date before it, and back.

    Attributes:
        field: displacements (k, j, i, 3) in RAS mm, on an upright grid round the liver of the later date.
        origin: RAS mm of the field's first node.
        step: RAS mm from node to node along (i, j, k), with signs.
    """

    field: np.ndarray
    origin: np.ndarray
    step: np.ndarray

    @classmethod
    def shift(cls, by: np.ndarray) -> Alignment:
        """The same displacement everywhere, `by` in RAS mm."""
        return cls(np.broadcast_to(np.asarray(by, float), (2, 2, 2, 3)).copy(), np.zeros(3), np.ones(3))

    def to_prior(self, ras: np.ndarray) -> np.ndarray:
        """Places (n, 3) of the later date, RAS mm, at the date before; beyond the field it goes on as at its border."""
        from scipy.ndimage import map_coordinates

        kji = ((ras - self.origin) / self.step).T[::-1]
        return ras + np.stack(
            [map_coordinates(self.field[..., axis], kji, order=1, mode="nearest") for axis in range(3)], axis=1
        )

    def to_current(self, ras: np.ndarray) -> np.ndarray:
        """Places (n, 3) of the date before, RAS mm, at the later date: fixed-point inversion, as Chen et al., Med Phys
        35 (2008) 81-88."""
        found = ras - self.field.mean(axis=(0, 1, 2))
        for _ in range(_ROUNDS):
            miss = ras - self.to_prior(found)
            found = found + miss
            if not len(miss) or np.abs(miss).max() < _CLOSE_MM:
                break
        return found

    def linear(self) -> np.ndarray:
        """The 3x3 part of the affine way to the date before that comes closest to this one, by least squares over the
        field: how directions of the later date lie there."""
        nodes = np.moveaxis(np.indices(self.field.shape[:3])[::-1], 0, -1) * self.step
        here, there = (points.reshape(-1, 3) for points in (nodes, nodes + self.field))
        solved, *_rest = np.linalg.lstsq(here - here.mean(axis=0), there - there.mean(axis=0), rcond=None)
        return solved.T

    def jacobian(self) -> np.ndarray:
        """Determinant (k, j, i) of the deformation's Jacobian: how much larger a place is at the date before; 0 and
        less is a fold."""
        rows = [np.gradient(self.field[..., axis], *self.step[::-1]) for axis in range(3)]
        matrix = np.stack([np.stack(row[::-1], axis=-1) for row in rows], axis=-2) + np.eye(3)
        return np.linalg.det(matrix)


def to_earlier(chain: Sequence[Alignment], ras: np.ndarray) -> np.ndarray:
    """Places of the latest date at the earliest; `chain` runs from the earliest pair of dates to the latest."""
    for alignment in reversed(chain):
        ras = alignment.to_prior(ras)
    return ras


def to_later(chain: Sequence[Alignment], ras: np.ndarray) -> np.ndarray:
    """Places of the earliest date at the latest."""
    for alignment in chain:
        ras = alignment.to_current(ras)
    return ras
