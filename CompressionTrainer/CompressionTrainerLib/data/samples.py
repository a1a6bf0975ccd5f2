"""Batches for training: which slice comes next, and what is done to it, decided by (seed, epoch, position) alone.

Since nothing else decides, a run that is resumed at an epoch's start sees exactly the data it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from LiverTumorLib.ct.canvas import InputSpec, neighbor_channels

from .augmentation import Augmentation, augment
from .pasting import LesionBank
from .slices import CaseSlices


@dataclass(frozen=True)
class Sampling:
    """How an epoch is drawn: slices per epoch, and the shares with tumor and without liver (the rest: healthy
    liver)."""

    slices: int
    tumor_share: float
    background_share: float


@dataclass(frozen=True)
class Position:
    """One slice of one case."""

    case: int
    k: int


def plan_epoch(cases: Sequence[CaseSlices], sampling: Sampling, seed: int, epoch: int) -> list[Position]:
    """Draw an epoch's slices. Within each share every patient has a weight near the root of its slices: neither a
    patient with one huge tumor, nor one with several scans, nor the number of slices alone decides what is learned. The
    share of a kind that no patient shows goes to another."""
    rng = np.random.default_rng([seed, epoch, 0])
    kinds = {
        "tumor": [c.ks(c.has_tumor) for c in cases],
        "background": [c.ks(~c.has_liver) for c in cases],
        "healthy": [c.ks(c.has_liver & ~c.has_tumor) for c in cases],
    }
    counts = {
        "tumor": round(sampling.slices * sampling.tumor_share),
        "background": round(sampling.slices * sampling.background_share),
    }
    counts["healthy"] = sampling.slices - sum(counts.values())
    missing = [kind for kind, slices in kinds.items() if not any(map(len, slices))]
    substitute = next(kind for kind in ("healthy", "tumor", "background") if kind not in missing)
    counts[substitute] += sum(counts.pop(kind) for kind in missing)
    plan = []
    for kind, slices in kinds.items():
        if kind in missing:
            continue
        weights = _weights([case.patient for case in cases], [len(ks) for ks in slices])
        chosen = rng.choice(len(cases), size=counts[kind], p=weights)
        plan += [Position(int(c), int(rng.choice(slices[c]))) for c in chosen]
    rng.shuffle(plan)
    return plan


def _weights(patients: Sequence[str], counts: Sequence[int]) -> np.ndarray:
    """Probability of each case: that of its patient, by the root of all its slices, shared among its cases by
    theirs."""
    total: dict[str, int] = {}
    for patient, count in zip(patients, counts, strict=True):
        total[patient] = total.get(patient, 0) + count
    weights = np.array([count / max(total[patient], 1) ** 0.5 for patient, count in zip(patients, counts, strict=True)])
    return weights / weights.sum()


def every_slice(cases: Sequence[CaseSlices], step: int = 1) -> list[Position]:
    """All slices of all cases in order (every `step`-th), for validation; of those that the split gives to the
    subset."""
    return [
        Position(c, int(k)) for c, case in enumerate(cases) for k in case.ks(np.ones(len(case.image), bool))[::step]
    ]


def load_sample(
    case: CaseSlices,
    k: int,
    spec: InputSpec,
    strength: Augmentation | None,
    rng: np.random.Generator,
    bank: LesionBank | None = None,
):
    """Image float32 (rows, columns, 3) in [-1, 1] and masks float32 (rows, columns, 2), liver and tumor, in [0, 1]."""
    offset = spec.neighbor_mm / case.slice_mm
    if strength is not None:
        offset *= rng.uniform(0.6, 1.4)  # scanners' slice distances and thicknesses differ
        if rng.random() < 0.1:
            offset = 0.0  # the ends of a scan, and single slices
    image = neighbor_channels(case.image, k, offset).astype(np.float32) / 255
    if strength is not None and rng.random() < strength.thick_slices:
        image[..., 1] = image[..., 1] * 0.6 + (image[..., 0] + image[..., 2]) * 0.2  # what a thicker slice averages
    masks = np.stack([case.liver[k], case.tumor[k]], -1).astype(np.float32) / 255
    image, masks = augment(image, masks, spec, strength, rng, bank, case.patient)
    return image * 2 - 1, masks
