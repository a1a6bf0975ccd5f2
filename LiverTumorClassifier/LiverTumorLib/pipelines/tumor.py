"""Stage 2: tumour, in the liver that stage 1 found or straight from the abdomen.

At the border of the liver tumour is believed up to a margin beyond what stage 1 predicted, because lesions at the surface
are what stage 1 misses; a believed tumour voxel outside the predicted liver counts as liver too.
"""

from __future__ import annotations

import numpy as np

from ..ct import CTVolume
from ..ct.frame import body_frame, region_frame
from ..ct.region import bounding_box
from ..errors import UsageError
from ..models.session import Session
from .results import LIVER, TUMOR
from .run import Report
from .slicemaps import SliceMaps
from .slicewise import map_slices


def find_tumor(session: Session, volume: CTVolume, labels: np.ndarray, roi: bool, margin_mm: float, report: Report) -> SliceMaps:
    """Tumour probability on a canvas, 0 where tumour is not believed.

    Args:
        session: of a network for task "tumor".
        volume: CT in axial order.
        labels: the predicted liver on the volume's grid, at least one voxel of it.
        roi: look inside the liver region only; False looks at the whole abdomen and believes all of it.
        margin_mm: how far beyond the predicted liver tumour is believed.
        report: receives the stage's fraction.

    Raises:
        UsageError: the network was trained for the other way.
    """
    spec = session.bundle.manifest.input
    if roi != (spec.region == "liver"):
        wanted = "inside the liver region" if roi else "straight from the abdomen"
        raise UsageError(f"Model '{session.bundle.id}' was not trained to find tumor {wanted}; choose another tumor model.")
    if not roi:
        return map_slices(session, volume, body_frame(volume, spec.size, spec.spacing_mm), range(volume.shape[0]), report)
    box = bounding_box(labels > 0)
    frame = region_frame(volume, labels[box[0]] > 0, spec.size, spec.spacing_mm, spec.margin_mm)
    found = map_slices(session, volume, frame, range(box[0].start, box[0].stop), report)
    return SliceMaps(found.first, np.where(_believed(found, labels, volume, margin_mm), found.maps, 0), frame)


def drop_small(labels: np.ndarray, volume: CTVolume, min_lesion_ml: float) -> None:
    """Turn connected tumour regions under `min_lesion_ml` back into liver."""
    from scipy.ndimage import label

    box = bounding_box(labels == TUMOR)
    if box is None:
        return
    components, _ = label(labels[box] == TUMOR, np.ones((3, 3, 3)))
    small = np.bincount(components.ravel()) * volume.voxel_ml < min_lesion_ml
    small[0] = False
    labels[box][small[components]] = LIVER


def _believed(found: SliceMaps, labels: np.ndarray, volume: CTVolume, margin_mm: float) -> np.ndarray:
    """Where on the canvas a pixel lies in the predicted liver or within `margin_mm` of it."""
    from scipy.ndimage import distance_transform_edt

    ks = found.slice_range
    inside = np.concatenate([found.frame.sample(labels[k : k + 1] > 0) for k in ks]) >= 0.5
    sampling = (float(volume.spacing[2]), found.frame.spacing_mm, found.frame.spacing_mm)
    return distance_transform_edt(~inside, sampling=sampling) <= margin_mm
