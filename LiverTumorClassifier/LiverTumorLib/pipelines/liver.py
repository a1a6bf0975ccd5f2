"""Stage 1: the liver on the whole scan."""

from __future__ import annotations

import math

import numpy as np

from ..ct import CTVolume
from ..ct.canvas import lay_canvas
from ..ct.region import bounding_box, box_of, components, fill_holes
from ..models.session import Session
from ..records.options import RunOptions
from ..records.results import LIVER
from .doubt import NO_LIVER, doubts, rejection, scan_doubts
from .edges import AROUND_MM, EdgeMaps, along_edges
from .run import Report, Run
from .slicemaps import SliceMaps
from .slicewise import map_slices
from .survey import survey

# What is smaller than this in every axial slice is not liver but a stray answer (bowel, spleen tip) of the network.
SMALLEST_LIVER_MM2 = 800.0
# Smoothing along and within slices, see `smoothed`; chosen on validation patients.
SMOOTH_MM = (3.0, 0.0)


def segment_liver(run: Run, volume: CTVolume, options: RunOptions) -> tuple[np.ndarray, np.ndarray | None]:
    """The stage "liver" of a run; notes of the run tell what was rejected or is doubtful.

    Returns:
        labels, uint8 (k, j, i) on the grid of a volume in axial order, and where the options keep probabilities that of
        the liver there, float16; at the threshold it makes the same liver.
    """
    labels, probability = np.zeros(volume.shape, np.uint8), None
    with run.stage("liver") as report:
        session, threshold = run.session(options.liver_model, "liver", options.liver_threshold)
        maps, sure = find_liver(session, volume, threshold, report)
        if maps is not None:
            maps.paint(labels, threshold, LIVER, session.lanes)
            # Noise at the edge leaves single voxels beside the liver and small holes in it.
            if (box := bounding_box(labels)) is not None:
                largest = _largest_component(labels[box] > 0)
                labels[box] = 0 if largest is None else largest * np.uint8(LIVER)
        found = survey(labels, volume, sure)
        if found is not None and (reason := rejection(found)):
            labels[:] = 0
            run.notes += [NO_LIVER, reason, *scan_doubts(volume)]
        else:
            run.notes += [NO_LIVER, *scan_doubts(volume)] if found is None else doubts(found)
        if options.keep_probabilities:
            probability = np.zeros(volume.shape, np.float16) if maps is None else maps.full(volume.shape)
            probability[(labels > 0) & (probability < threshold)] = (1 + threshold) / 2
            probability[(labels == 0) & (probability >= threshold)] = threshold / 2
    return labels, probability


def find_liver(session: Session, volume: CTVolume, threshold: float, report: Report) -> tuple[EdgeMaps | None, float]:
    """Liver probability of a volume in axial order, cleaned to one liver, along the volume's edges, and its mean in the
    liver; None, 0 when there is none."""
    canvas, _ = lay_canvas(session.bundle.manifest.input, volume, None)
    found = map_slices(session, volume, canvas, range(volume.shape[0]), report, organ=threshold)
    if (box := bounding_box(found.maps >= threshold)) is None:
        return None, 0.0
    # Averages along slices reach the threshold nowhere beside this; edges are looked for a little farther.
    margin = math.ceil(AROUND_MM / canvas.spacing_mm) + 1
    near = (slice(max(side.start - margin, 0), side.stop + margin) for side in box[1:])
    rows, columns = (slice(*side.indices(n)[:2]) for side, n in zip(near, canvas.size, strict=True))
    found = found.cropped(rows, columns)
    liver = clean_liver(found.smoothed(SMOOTH_MM, float(volume.spacing[2])), threshold)
    if liver is None:
        return None, 0.0
    return along_edges(liver, volume), float(liver.maps[liver.maps >= threshold].mean())


def clean_liver(found: SliceMaps, threshold: float) -> SliceMaps | None:
    """The liver is the largest connected component above the threshold, its holes filled slice by slice.

    Probability elsewhere is 0, except in the component's direct neighbourhood, where interpolation to the scan's grid
    needs it. Slices far from the liver are left out. None when nothing is large enough for a liver.
    """
    region = _largest_component(found.maps >= threshold)
    if region is None or region.sum(axis=(1, 2)).max() * found.canvas.spacing_mm**2 < SMALLEST_LIVER_MM2:
        return None
    used = np.flatnonzero(region.any(axis=(1, 2)))
    part = slice(max(used[0] - 1, 0), used[-1] + 2)
    region, maps = region[part], found.maps[part]
    near = region.copy()
    for axis in range(3):
        grown, before = np.moveaxis(near, axis, 0), np.moveaxis(near.copy(), axis, 0)
        grown[1:] |= before[:-1]
        grown[:-1] |= before[1:]
    doubtful = maps < threshold
    # Well above the threshold, or rounding in the interpolation would leave specks in what was filled.
    filled = np.where(region & doubtful, (1 + threshold) / 2, maps)
    return SliceMaps(found.ks[part], np.where(region | (near & doubtful), filled, 0).astype(np.float32), found.canvas)


def _largest_component(mask: np.ndarray) -> np.ndarray | None:
    """Largest component, connected by faces, of a (k, j, i) mask, its holes filled in every slice; None when the mask
    is empty."""
    found = components(mask, faces_only=True)
    if not len(found.sizes):
        return None
    region = mask.copy()
    region.ravel()[found.voxels(np.arange(len(found.sizes)) != found.sizes.argmax())] = False
    fill_holes(region[box_of(region)])
    return region
