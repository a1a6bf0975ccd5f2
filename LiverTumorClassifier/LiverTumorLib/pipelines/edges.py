"""Probability maps of a coarse canvas brought to the scan's grid along the edges that the scan shows.

The fast guided filter (He and Sun, "Fast Guided Filter", arXiv:1505.00996): around every canvas pixel the probability
is explained as a linear function of the scan's density, and that function, not the probability, is interpolated to the
scan's grid and applied to the density there. Where the scan shows no edge, what remains is an average, which cuts bends
short by a fraction of a millimeter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..ct import CTVolume
from ..ct.region import Box, bounding_box
from .slicemaps import RestoredMaps, SliceMaps

WINDOW_HU = (-60.0, 200.0)  # what lies beyond, gas and bone, counts as its end, or it would decide for its surroundings
# Chosen on validation patients, whose mean liver Dice changes by less than 0.001 with half or twice of each.
AROUND_MM = 10.0  # side of the square whose pixels explain the one in its middle
NOISE_HU = 14.0  # differences of density well under this explain nothing
SMOOTH_MM = 0.8  # standard deviation of what smooths the scan's noise within slices


@dataclass(frozen=True)
class EdgeMaps(RestoredMaps):
    """Maps that follow the edges of a scan, as `along_edges` makes them.

    Attributes:
        slope, intercept: probability is slope * HU + intercept; on the same canvas and of the same slices.
        volume: the scan, in axial order.
    """

    slope: SliceMaps
    intercept: SliceMaps
    volume: CTVolume

    @property
    def starts(self) -> range:
        return self.slope.starts

    def block(self, start: int, shape: tuple[int, int], least: float) -> tuple[Box, NDArray[np.float32]] | None:
        from scipy.ndimage import gaussian_filter

        sigma = (0, SMOOTH_MM / float(self.volume.spacing[1]), SMOOTH_MM / float(self.volume.spacing[0]))
        restore = self.slope.canvas.restore_part
        block, (rows, columns) = restore(self.intercept.between(start), shape)
        if (used := bounding_box(block)) is None:
            return None
        block, factor = block[used], restore(self.slope.between(start), shape)[0][used]
        begins = (start, rows.start, columns.start)
        k, j, i = (slice(at + side.start, at + side.stop) for at, side in zip(begins, used, strict=True))
        density = _within_window(self.volume.array[k, j, i])
        block += factor * gaussian_filter(density, sigma, truncate=3.0)
        return (k, j, i), np.clip(block, 0, 1, out=block)


def along_edges(maps: SliceMaps, volume: CTVolume) -> EdgeMaps:
    """Maps of a volume in axial order, along the volume's edges."""
    from scipy.ndimage import uniform_filter

    reach = round((AROUND_MM / maps.canvas.spacing_mm - 1) / 2)

    def around(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return uniform_filter(values, (0, 2 * reach + 1, 2 * reach + 1), mode="nearest")

    if (box := bounding_box(maps.maps)) is not None:  # farther than twice the filter's reach from it all stays 0
        near = [slice(max(side.start - 2 * reach, 0), side.stop + 2 * reach) for side in box[1:]]
        maps = maps.cropped(*(slice(*side.indices(n)[:2]) for side, n in zip(near, maps.canvas.size, strict=True)))
    density = maps.sampled(volume.array, _within_window)
    mean, mean_density = around(maps.maps), around(density)
    covariance = around(maps.maps * density) - mean * mean_density
    slope = covariance / (around(density**2) - mean_density**2 + NOISE_HU**2)
    intercept = mean - slope * mean_density
    return EdgeMaps(replace(maps, maps=around(slope)), replace(maps, maps=around(intercept)), volume)


def _within_window(density: np.ndarray) -> NDArray[np.float32]:
    return np.asarray(np.clip(density, *WINDOW_HU), np.float32)
