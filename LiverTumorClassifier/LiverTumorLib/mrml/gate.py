"""Slice probabilities gated by a liver that a segmentation shows already."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ct import CTVolume, to_axial
from ..pipelines.classification import slice_records
from ..pipelines.options import CaseOutput
from .segmentations import labels_from_segmentation
from .volumes import ct_from_node


def gate_slices(output: CaseOutput, volume: CTVolume, labels: np.ndarray) -> CaseOutput:
    """Set the probability of slices without liver to 0, as a run that segments does, and fill in liver and tumor areas.

    Args:
        output: of a "classify" run on `volume`.
        labels: (k, j, i) on the volume's grid, above 0 in the liver, lesions included.
    """
    view = to_axial(volume)
    gated = slice_records(view.volume, view.bring(labels))
    for record, scored in zip(gated, output.result.slices, strict=True):
        record.probability = scored.probability if record.field == "liver" else 0.0
    summary = output.result.summary
    suspicious = [index for index in summary.suspicious_slices if gated[index].field == "liver"]
    result = replace(output.result, slices=gated, summary=replace(summary, suspicious_slices=suspicious))
    return replace(output, result=result)


def slices_with_liver(segmentation_node, ct_node) -> list[bool]:
    """For every axial slice of a CT, from inferior to superior, whether a segmentation shows liver in it.

    Raises:
        InputError: see `ct_from_node` and `labels_from_segmentation`.
    """
    labels = labels_from_segmentation(segmentation_node, ct_node)
    return to_axial(ct_from_node(ct_node)).bring(labels).any(axis=(1, 2)).tolist()
