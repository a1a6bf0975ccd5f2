"""Made-up lesions painted into real liver, and masses beside it, for training only.

Thirteen patients show few lesions; blobs of plausible size, shape and contrast in healthy parenchyma teach what else a
lesion may look like (after Hu et al., Label-Free Liver Tumor Segmentation, CVPR 2023, much simplified). Masses of other
organs teach that what is dark and round is liver only where liver surrounds it.
"""

from __future__ import annotations

import numpy as np

DARKER = (0.05, 0.35)  # share of the window by which a lesion is darker than its surroundings
BRIGHTER = (0.08, 0.25)
BRIGHTER_SHARE = 0.15
CORE_SHARE = 0.3  # of lesions with a rim around a core of another density
CORE = (-0.2, 0.1)
LEAST_LIVER_PX = 400
MASS_RADIUS_MM = (10.0, 50.0)
MASS_DEPTH_MM = 20.0  # of its middle below the skin, at least
MASS_LEVEL = (0.2, 0.8)  # density, as a share of the window
MASS_COVER = 0.7  # of what is painted over; the rest shines through as texture
SOFT_TISSUE = 0.2  # share of the window above which soft tissue lies


def paint_lesions(
    image: np.ndarray,
    masks: np.ndarray,
    pixel_mm: float,
    neighbor_mm: float,
    radius_mm: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Paint one to three lesions into healthy liver.

    Args:
        image: float32 (rows, columns, 3) in 0..1; the channels are slices `neighbor_mm` apart, the middle one labeled.
        masks: float32 (rows, columns, 2) liver and tumor in 0..1.
        pixel_mm, neighbor_mm: pixel size and distance of the channels.
        radius_mm: smallest and largest radius.
        rng: source of all randomness.

    Returns:
        image and masks with the lesions; the inputs themselves where there is too little healthy liver.
    """
    healthy = (masks[..., 0] > 0.9) & (masks[..., 1] < 0.1)
    places = np.argwhere(healthy)
    if len(places) < LEAST_LIVER_PX:
        return image, masks
    image, masks = image.copy(), masks.copy()
    for _ in range(rng.integers(1, 4)):
        row, column = places[rng.integers(len(places))]
        radius = float(np.exp(rng.uniform(*np.log(radius_mm))))
        outline, distance = _ball(healthy.shape, (row, column), radius, pixel_mm, rng)
        contrast = rng.uniform(*BRIGHTER) if rng.random() < BRIGHTER_SHARE else -rng.uniform(*DARKER)
        core = rng.uniform(*CORE) if rng.random() < CORE_SHARE else 0.0
        core_part, edge_mm = rng.uniform(0.4, 0.8), rng.uniform(1.0, 4.0)
        height = rng.uniform(-0.6, 0.6) * radius  # of the lesion's center above the labeled slice
        for channel in range(3):
            section = 1 - (((channel - 1) * neighbor_mm - height) / radius) ** 2
            if section <= 0:
                continue
            border = outline * np.float32(np.sqrt(section))
            inside = _filled(border, distance, edge_mm) * masks[..., 0]
            image[..., channel] += inside * np.float32(contrast)
            if core:
                middle = _filled(border * np.float32(core_part), distance, edge_mm)
                image[..., channel] += inside * middle * np.float32(core)
            if channel == 1:
                masks[..., 1] = np.maximum(masks[..., 1], inside)
    return np.clip(image, 0, 1), masks


def paint_mass(
    image: np.ndarray, masks: np.ndarray, pixel_mm: float, neighbor_mm: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paint one mass into the body beside the liver, more often near it; arguments as of `paint_lesions`.

    The masks stay as they are: the liver keeps its outline, and the mass is not part of it.
    """
    from scipy.ndimage import binary_erosion, binary_fill_holes

    body = binary_fill_holes(image[..., 1] > SOFT_TISSUE)  # the skin closes it around fat and bowel
    deep = binary_erosion(body, iterations=round(MASS_DEPTH_MM / pixel_mm))
    places = np.argwhere(deep & (masks[..., 0] < 0.1))
    if not len(places):
        return image, masks
    candidates = places[rng.integers(len(places), size=4)]
    liver = np.argwhere(masks[..., 0] > 0.5)
    middle = liver.mean(axis=0) if len(liver) else candidates[0]
    place = candidates[np.hypot(*(candidates - middle).T).argmin()]
    radius = float(np.exp(rng.uniform(*np.log(MASS_RADIUS_MM))))
    outline, distance = _ball(masks.shape[:2], place, radius, pixel_mm, rng)
    level, edge_mm, height = rng.uniform(*MASS_LEVEL), rng.uniform(1.0, 4.0), rng.uniform(-0.6, 0.6) * radius
    image = image.copy()
    for channel in range(3):
        section = 1 - (((channel - 1) * neighbor_mm - height) / radius) ** 2
        if section > 0:
            inside = _filled(outline * np.float32(np.sqrt(section)), distance, edge_mm)
            cover = inside * (1 - masks[..., 0]) * body * np.float32(MASS_COVER)
            image[..., channel] += cover * (np.float32(level) - image[..., channel])
    return image, masks


def _filled(border: np.ndarray, distance: np.ndarray, edge_mm: float) -> np.ndarray:
    """1 inside an outline, 0 outside, with a soft edge `edge_mm` wide; arguments as `_ball` gives them."""
    return np.clip((border - distance) / np.float32(edge_mm) + 0.5, 0, 1)


def _ball(shape, place, radius: float, pixel_mm: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Distance (mm) of a lumpy ball's outline from its middle in each pixel's direction, and of each pixel itself."""
    rows, columns = np.indices(shape, dtype=np.float32)
    y, x = (rows - place[0]) * pixel_mm, (columns - place[1]) * pixel_mm
    outline = _outline(np.arctan2(y, x), rng) * radius
    return outline, np.hypot(y, x * np.float32(np.exp(rng.normal() * 0.2)))


def _outline(angle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Distance of a lumpy outline from its center, by direction, near 1."""
    outline = np.ones_like(angle)
    for wave in range(2, 6):
        outline += np.float32(rng.normal() * 0.25 / wave) * np.cos(wave * angle + np.float32(rng.uniform(0, 2 * np.pi)))
    return outline
