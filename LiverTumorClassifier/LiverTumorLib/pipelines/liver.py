"""Stage 1: the liver on the whole scan."""

from __future__ import annotations

import numpy as np

from ..ct import CTVolume
from ..ct.frame import body_frame
from ..models.session import Session
from .run import Report
from .slicemaps import SliceMaps
from .slicewise import map_slices

# What is smaller than this in every axial slice is no liver but a stray answer (bowel, spleen tip) of the network.
SMALLEST_LIVER_MM2 = 800.0


def find_liver(session: Session, volume: CTVolume, threshold: float, report: Report) -> SliceMaps | None:
    """Liver probability on the canvas of a volume in axial order, cleaned to one liver; None when there is none.

    The liver is the largest connected component above the threshold, its holes filled slice by slice; probability
    elsewhere is 0, except in the component's direct neighbourhood, where interpolation to the scan's grid needs it.
    """
    spec = session.bundle.manifest.input
    frame = body_frame(volume, spec.size, spec.spacing_mm)
    found = map_slices(session, volume, frame, range(volume.shape[0]), report)
    region = liver_component(found.maps >= threshold)
    if region is None or region.sum(axis=(1, 2)).max() * spec.spacing_mm**2 < SMALLEST_LIVER_MM2:
        return None
    return SliceMaps(found.first, _cleaned(found.maps, region, threshold), frame)


def liver_component(mask: np.ndarray) -> np.ndarray | None:
    """Largest connected component of a (k, j, i) mask with its holes filled in every slice; None when the mask is empty."""
    from scipy.ndimage import binary_fill_holes, label

    components, count = label(mask)
    if not count:
        return None
    sizes = np.bincount(components.ravel())
    region = components == sizes[1:].argmax() + 1
    for plane in region:
        if plane.any():
            plane[:] = binary_fill_holes(plane)
    return region


def _cleaned(maps: np.ndarray, region: np.ndarray, threshold: float) -> np.ndarray:
    from scipy.ndimage import binary_dilation

    near = binary_dilation(region, np.ones((1, 3, 3)))
    filled = np.where(region, np.maximum(maps, threshold), maps)
    return np.where(near, filled, 0)
