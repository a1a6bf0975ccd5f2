"""Named filters against noise and for contrast, slice by slice: the same in training and, through the manifest, at
inference.

They work on what the window shows, at the scan's own resolution and before the canvas. So a scan that was stored
clipped to the window is filtered as one that was not, and where a canvas lies and ends changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from ..errors import RequirementError
from .spec import Filters as Filters
from .spec import check_filters as check_filters

Plane = NDArray[np.float32]

WHITE = 255.0
TILE_MM = 60.0  # of CLAHE: a part of the liver with its surroundings
BINS = 256
BILATERAL_MM = 1.5


def apply_filters(slices: NDArray[np.float32], filters: Filters, voxel_mm: tuple[float, float]) -> NDArray[np.float32]:
    """Filter axial slices one by one, in the order of `filters`.

    Args:
        slices: float32 (n, j, i), 0 to WHITE between the window's ends.
        filters: as `check_filters` gives them; none leaves the slices as they are.
        voxel_mm: (j, i) voxel size.

    Raises:
        RequirementError: SimpleITK, which one of the filters needs, is not installed.
    """
    for name, strength in filters:
        slices = np.stack([FILTERS[name](plane, strength, voxel_mm) for plane in slices])
    return slices


def _median(plane: Plane, radius_mm: float, voxel_mm: tuple[float, float]) -> Plane:
    """Median of the square that reaches `radius_mm` each way, and one voxel at least."""
    from scipy.ndimage import median_filter

    return median_filter(plane, [2 * max(1, round(radius_mm / mm)) + 1 for mm in voxel_mm], mode="nearest")


def _gaussian(plane: Plane, sigma_mm: float, voxel_mm: tuple[float, float]) -> Plane:
    """Gaussian smoothing of standard deviation `sigma_mm`."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(plane, [sigma_mm / mm for mm in voxel_mm], mode="nearest")


def _curvature_anisotropic(plane: Plane, conductance: float, voxel_mm: tuple[float, float]) -> Plane:
    """Edge-preserving smoothing: modified curvature diffusion (Whitaker and Xue, ICIP 2001), five steps of ITK's
    filter.

    The higher the `conductance` (0.5 to 3 are usual), the stronger an edge must be to be kept.
    """
    sitk = _simple_itk("curvature-anisotropic")
    # Steps are those of an image with unit spacing: 0.0625 is stable for it in two dimensions.
    smoothed = sitk.CurvatureAnisotropicDiffusion(sitk.GetImageFromArray(plane), 0.0625, conductance, 1, 5)
    array: Plane = sitk.GetArrayFromImage(smoothed)
    return array


def _bilateral(plane: Plane, range_sigma: float, voxel_mm: tuple[float, float]) -> Plane:
    """Edge-preserving smoothing: the average of what is near in place and in gray value (Tomasi and Manduchi, ICCV
    1998).

    Near in place is a standard deviation of BILATERAL_MM, near in gray value one of `range_sigma` (about the noise, 10
    to 40 of the 255 gray values): what differs by more is an edge and stays one. ITK's filter takes about half a second
    for 512 x 512.
    """
    sitk = _simple_itk("bilateral")
    image = sitk.GetImageFromArray(plane)
    image.SetSpacing(voxel_mm[::-1])  # ITK's order is (i, j)
    array: Plane = sitk.GetArrayFromImage(sitk.Bilateral(image, BILATERAL_MM, range_sigma, BINS))
    return array


def _simple_itk(name: str) -> ModuleType:
    try:
        import SimpleITK
    except ImportError:
        raise RequirementError(f"The filter '{name}' needs SimpleITK: pip install SimpleITK.") from None
    return SimpleITK


def _gamma(plane: Plane, exponent: float, voxel_mm: tuple[float, float]) -> Plane:
    """Gray values, as fractions of white, to the power of `exponent`: below 1 brightens, above 1 darkens."""
    shares: Plane = np.clip(plane / WHITE, 0, 1)
    return np.power(shares, np.float32(exponent)) * np.float32(WHITE)


def _clahe(plane: Plane, clip_limit: float, voxel_mm: tuple[float, float]) -> Plane:
    """Contrast-limited adaptive histogram equalization (Zuiderveld, Graphics Gems IV, 1994) with tiles of about
    TILE_MM.

    `clip_limit` is how many times its mean a bin of a tile's histogram may hold: 2 to 4 are usual. Black stays black.
    Own code, since the libraries that have it are not part of Slicer, and ITK's adaptive equalization takes many
    seconds a slice.
    """
    gray = np.clip(np.rint(plane), 0, BINS - 1).astype(np.intp)
    rows, columns = (_tile_edges(n, mm) for n, mm in zip(gray.shape, voxel_mm, strict=True))
    curves = np.empty((len(rows) - 1, len(columns) - 1, BINS), np.float32)
    for row, (top, bottom) in enumerate(pairwise(rows)):
        for column, (left, right) in enumerate(pairwise(columns)):
            curves[row, column] = _equalizing_curve(gray[top:bottom, left:right], clip_limit)
    j0, j1, down = (part[:, None] for part in _between(len(rows) - 1, gray.shape[0]))
    i0, i1, along = _between(len(columns) - 1, gray.shape[1])
    upper: Plane = curves[j0, i0, gray] * (1 - along) + curves[j0, i1, gray] * along
    lower: Plane = curves[j1, i0, gray] * (1 - along) + curves[j1, i1, gray] * along
    return upper * (1 - down) + lower * down


def _tile_edges(pixels: int, pixel_mm: float) -> NDArray[np.intp]:
    """Where the tiles of an axis begin and end."""
    tiles = max(1, round(pixels * pixel_mm / TILE_MM))
    return np.linspace(0, pixels, tiles + 1).round().astype(np.intp)


def _equalizing_curve(tile: NDArray[np.intp], clip_limit: float) -> NDArray[np.float32]:
    """New gray value, float32, for each of BINS old ones: the clipped histogram's cumulative sum, from 0 to WHITE."""
    counts = np.bincount(tile.ravel(), minlength=BINS).astype(np.float32)
    clipped = np.minimum(counts, clip_limit * tile.size / BINS)
    clipped += (counts.sum() - clipped.sum()) / BINS
    total: NDArray[np.float32] = np.cumsum(clipped)
    span: np.float32 = total[-1] - total[0]
    curve: NDArray[np.float32] = (total - total[0]) * (np.float32(WHITE) / span)
    return curve


def _between(tiles: int, n: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each of n pixels the two tiles between whose centers it lies, and the weight of the second; at the ends one
    tile twice."""
    position = np.clip((np.arange(n) + 0.5) * tiles / n - 0.5, 0, tiles - 1)
    first = position.astype(np.intp)
    return first, np.minimum(first + 1, tiles - 1), (position - first).astype(np.float32)


FILTERS: dict[str, Callable[[Plane, float, tuple[float, float]], Plane]] = {
    "median": _median,
    "gaussian": _gaussian,
    "bilateral": _bilateral,
    "curvature-anisotropic": _curvature_anisotropic,
    "clahe": _clahe,
    "gamma": _gamma,
}
