"""Random changes of a training sample: what differs between patients, scanners and protocols, and nothing that does
not.

No flips by default: a liver on the left is another disease.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from LiverTumorLib.ct.canvas import InputSpec
from scipy.ndimage import affine_transform, gaussian_filter, zoom

from .pasting import LesionBank
from .synthetic import paint_lesions, paint_mass


@dataclass(frozen=True)
class Augmentation:
    """Strengths; 0 switches a change off. Intensities are fractions of the window, lengths canvas pixels.

    `probability` is that of each change of intensity, `synthetic_lesions` that of painting lesions into a sample, with
    radii of `lesion_radius_mm`, `pasted_lesions` that of pasting a real lesion of another patient, `outer_mass` that of
    painting a mass beside the liver, `thick_slices` that of a slice that averages over its neighbors, `low_resolution`
    that of a slice with up to two and a half times larger pixels, and `flip_horizontal` and `flip_vertical` those of a
    mirrored slice.
    """

    rotation_deg: float = 15.0
    scale: float = 0.2
    shift_px: float = 20.0
    gain: float = 0.2
    offset: float = 0.1
    gamma: float = 0.25
    noise: float = 0.06
    blur_px: float = 1.2
    liver_offset: float = 0.2
    tumor_contrast: float = 0.6
    probability: float = 0.5
    synthetic_lesions: float = 0.0
    lesion_radius_mm: tuple[float, float] = (2.5, 16.0)
    outer_mass: float = 0.0
    thick_slices: float = 0.15
    pasted_lesions: float = 0.0
    low_resolution: float = 0.0
    flip_horizontal: float = 0.0
    flip_vertical: float = 0.0


def augment(
    image: np.ndarray,
    masks: np.ndarray,
    spec: InputSpec,
    strength: Augmentation | None,
    rng: np.random.Generator,
    bank: LesionBank | None = None,
    patient: str = "",
) -> tuple[np.ndarray, np.ndarray]:
    """One training sample from a cached canvas.

    Args:
        image: float32 (rows, columns, 3) in 0..1, larger than the network's input.
        masks: float32 (rows, columns, 2) liver and tumor in 0..1.
        spec: the network's input.
        strength: None cuts the middle out unchanged.
        rng: source of all randomness.
        bank, patient: lesions to paste, and whose slice this is.

    Returns:
        image and masks of the input's size, still in 0..1.
    """
    if strength is None:
        return _middle(image, spec.size), _middle(masks, spec.size)
    image, masks = _moved(image, masks, spec.size, strength, rng)
    for axis, probability in enumerate((strength.flip_vertical, strength.flip_horizontal)):
        if probability and rng.random() < probability:
            image, masks = np.flip(image, axis), np.flip(masks, axis)
    if bank and rng.random() < strength.pasted_lesions:
        image, masks = bank.paste(image, masks, patient, rng)
    if strength.synthetic_lesions and rng.random() < strength.synthetic_lesions:
        image, masks = paint_lesions(image, masks, spec.spacing_mm, spec.neighbor_mm, strength.lesion_radius_mm, rng)
    if strength.outer_mass and rng.random() < strength.outer_mass:
        image, masks = paint_mass(image, masks, spec.spacing_mm, spec.neighbor_mm, rng)
    return np.clip(_intensity(image, masks, strength, rng), 0, 1), masks


def _middle(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    top, left = ((have - want) // 2 for have, want in zip(array.shape, size, strict=False))
    return array[top : top + size[0], left : left + size[1]]


def _moved(image, masks, size, strength, rng):
    angle = np.radians(rng.uniform(-1, 1) * strength.rotation_deg)
    zoom = np.exp(rng.uniform(-1, 1, 2) * strength.scale * 0.35 + rng.uniform(-1, 1) * strength.scale)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn / zoom[:, None]
    middle_in = (np.array(image.shape[:2]) - 1) / 2
    middle_out = (np.array(size) - 1) / 2
    offset = middle_in + rng.uniform(-1, 1, 2) * strength.shift_px - matrix @ middle_out
    planes = [*np.moveaxis(image, -1, 0), *np.moveaxis(masks, -1, 0)]
    moved = [
        affine_transform(plane, matrix, offset, output_shape=size, order=1, mode="constant", cval=0) for plane in planes
    ]
    return np.stack(moved[: image.shape[-1]], -1), np.stack(moved[image.shape[-1] :], -1)


def _intensity(image, masks, strength, rng):
    def happens() -> bool:
        return rng.random() < strength.probability

    if happens() and strength.liver_offset:  # fatty liver, iron, another contrast phase
        image = image + masks[..., :1] * np.float32(rng.normal() * strength.liver_offset / 2)
    if happens() and strength.tumor_contrast:  # fainter or clearer lesions, at their own shape
        liver_only = masks[..., :1] * (1 - masks[..., 1:])
        level = (image * liver_only).sum() / max(float(liver_only.sum()) * 3, 1.0)
        image = image + masks[..., 1:] * (image - level) * np.float32(
            rng.uniform(-strength.tumor_contrast, strength.tumor_contrast)
        )
    if happens():
        image = image * np.float32(1 + rng.uniform(-1, 1) * strength.gain) + np.float32(
            rng.uniform(-1, 1) * strength.offset
        )
    if happens():
        image = np.clip(image, 0, 1) ** np.float32(np.exp(rng.uniform(-1, 1) * strength.gamma))
    if happens() and strength.blur_px:  # soft kernels and thick slices
        sigma = rng.uniform(0.3, strength.blur_px)
        image = gaussian_filter(image, (sigma, sigma, 0))
    if strength.low_resolution and rng.random() < strength.low_resolution:
        coarse = zoom(image, [1 / rng.uniform(1.3, 2.5)] * 2 + [1], order=1)
        image = zoom(coarse, [fine / few for fine, few in zip(image.shape, coarse.shape, strict=True)], order=1)
    if happens() and strength.noise:  # low dose; the grain of a reconstruction is not white
        grain = rng.normal(size=image.shape).astype(np.float32)
        sigma = rng.uniform(0, 1.0)
        grain = gaussian_filter(grain, (sigma, sigma, 0))
        image = image + grain * np.float32(rng.uniform(0, strength.noise) / max(float(grain.std()), 1e-6))
    return image
