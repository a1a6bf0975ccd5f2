"""Where on a scan a network looks, as its manifest says; training and inference both ask here."""

from __future__ import annotations

import numpy as np

from ..ct import CTVolume
from ..ct.frame import Frame, body_frame, liver_offset, region_frame
from ..ct.region import bounding_box
from ..models.manifest import InputSpec


def lay_canvas(spec: InputSpec, volume: CTVolume, liver: np.ndarray | None) -> tuple[Frame, float]:
    """The canvas of a network on a scan, and the HU to add to what it shows (see `liver_offset`).

    Args:
        spec: the network's input.
        volume: CT in axial order.
        liver: (k, j, i) on the volume's grid, above 0 inside, at least one voxel; only the region "liver" needs it.
    """
    if spec.region == "body":
        return body_frame(volume, spec.size, spec.spacing_mm), 0.0
    slices = bounding_box(liver)[0]
    return region_frame(volume, liver[slices], spec.size, spec.spacing_mm, spec.margin_mm), liver_offset(volume, liver, spec.liver_hu)
