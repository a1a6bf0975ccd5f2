"""The person a seed stands for: body size, organ positions, contrast phase and tumors, drawn once and independent of
the grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from .seeds import RESERVED_SEEDS
from .shapes import SmoothField

# Mean HU of each tissue by contrast phase.
_TISSUES = (
    *("liver", "spleen", "vena_cava", "portal", "hepatic", "aorta", "cortex", "medulla"),
    *("muscle", "pancreas", "blood", "heart", "gut"),
)
_PHASES = {
    "portal": (110, 120, 148, 180, 172, 155, 192, 160, 60, 94, 150, 108, 82),
    "arterial": (74, 112, 75, 105, 76, 285, 178, 85, 57, 104, 255, 105, 88),
    "plain": (58, 50, 43, 42, 42, 43, 36, 33, 54, 41, 43, 45, 38),
}
_LESION_CONTRAST = {"portal": -48.0, "arterial": -24.0, "plain": -18.0}
_LIVER_SPREAD = {"slope": (-0.05, 0.05), "height": (-8, 8), "reach": (-20, 15), "dome": (-6, 6)}
_JITTERED = ("spleen", "right_kidney", "left_kidney", "stomach", "gallbladder", "heart", "pancreas")
MAX_WARP_MM = 9.0


@dataclass(frozen=True)
class Tumor:
    """A lesion in reference mm: soft-edged blob of `radius`, `core` HU inside and, where rim_width > 0, a shell of
    `rim` HU."""

    center: tuple[float, float, float]
    radius: float
    core: float
    rim: float
    rim_width: float
    edge: float


@dataclass(frozen=True)
class Patient:
    """All random choices of one phantom.

    Lengths are in mm of a reference body about 300 mm wide inside its subcutaneous fat; `scale` (x, y, z) takes them to
    this patient.

    Attributes:
        fat: thickness of subcutaneous fat at the sides, front and back, in mm.
        hu: mean HU by tissue.
        shift: small displacement of each organ.
        liver: slope and height of the visceral surface, reach of the left lobe, and height of the dome, as offsets.
        warp: three fields that bend everything by a few mm, so that no organ is a perfect shape.
        mottle, strands: texture of parenchyma (about 6 mm) and of fat and lobulated organs (about 14 mm).
    """

    seed: int
    phase: str
    scale: tuple[float, float, float]
    fat: tuple[float, float, float]
    hu: dict[str, float]
    shift: dict[str, tuple[float, float, float]]
    liver: dict[str, float]
    warp: tuple[SmoothField, SmoothField, SmoothField]
    mottle: SmoothField
    strands: SmoothField
    noise_sd: float
    lesion_contrast: float
    tumors: list[Tumor] = field(default_factory=list)

    @classmethod
    def draw(cls, seed: int, rng: np.random.Generator) -> Patient:
        """Draw a patient. Reserved seeds are always in portal-venous phase with a healthy liver, so that demonstrations
        look alike."""
        demo = seed in RESERVED_SEEDS
        phase = "portal" if demo else str(rng.choice(list(_PHASES), p=[0.7, 0.15, 0.15]))
        spread = 0.03 if demo else 0.08
        hu = {name: float(value * rng.normal(1, spread)) for name, value in zip(_TISSUES, _PHASES[phase], strict=True)}
        contrast = _LESION_CONTRAST[phase] * (1.0 if demo else rng.uniform(0.6, 1.5))
        if demo:
            hu["liver"] = _PHASES[phase][0] + rng.uniform(-4, 4)
        elif rng.random() < 0.15:  # fatty liver
            hu["liver"] -= rng.uniform(25, 55)
            contrast *= float(rng.choice([0.5, -0.5]))
        hu["fat"] = float(rng.uniform(-108, -98))
        size = rng.uniform(0.95, 1.03) if demo else rng.uniform(0.9, 1.06)
        return cls(
            seed=seed,
            phase=phase,
            scale=_three(size * rng.uniform(0.97, 1.03, 3)),
            fat=(rng.uniform(8, 20), rng.uniform(8, 26), rng.uniform(10, 22)),
            hu=hu,
            shift={name: tuple(rng.uniform(-4, 4, 3).tolist()) for name in _JITTERED},
            liver=dict(zip(_LIVER_SPREAD, (rng.uniform(*span) for span in _LIVER_SPREAD.values()), strict=True)),
            warp=(_warp(rng), _warp(rng), _warp(rng)),
            mottle=SmoothField.draw(rng, (5, 16), 64),
            strands=SmoothField.draw(rng, (11, 40), 48),
            noise_sd=12.0 if demo else rng.uniform(7, 20),
            lesion_contrast=float(contrast),
        )

    def place(self, name: str, center: tuple[float, float, float]) -> tuple[float, float, float]:
        """Where this patient's organ lies, given its reference position."""
        return _three(c + d for c, d in zip(center, self.shift[name], strict=True))


def _three(lengths: Iterable[float]) -> tuple[float, float, float]:
    x, y, z = map(float, lengths)
    return x, y, z


def _warp(rng: np.random.Generator) -> SmoothField:
    return SmoothField.draw(rng, (70, 160), 10)
