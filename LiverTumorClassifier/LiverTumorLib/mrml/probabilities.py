"""Probability maps kept as volume nodes beside their segmentation, and other thresholds tried on them without a
network.

A map is kept in whole percent, see `percent`; thresholds of whole percent are exact but for the half precision in which
the worker hands it over.
"""

from __future__ import annotations

import numpy as np

from ..ct import to_axial
from ..ct.region import bounding_box
from ..errors import InputError
from ..pipelines.doubt import corrected_notes
from ..pipelines.lesions import measure_axial
from ..pipelines.tumor import drop_small
from ..records.options import CaseOutput
from ..records.results import LIVER, TUMOR, CaseResult
from .nodes import companion_node, remove_node
from .percent import fill_percent, in_percent, percent_of
from .segmentations import labels_to_segmentation
from .translation import _
from .volumes import ct_from_node

ROLES = {"liver": "LiverTumor.liverProbability", "tumor": "LiverTumor.tumorProbability"}
_THRESHOLD = "LiverTumor.threshold"
_GIVEN_LIVER = 0.5  # a liver that was drawn, not predicted, is 0 or 1


def show_probabilities(output: CaseOutput, ct_node, segmentation_node) -> None:
    """Keep a run's maps as volume nodes of the segmentation; maps of an earlier run, which would not fit it, are
    removed."""
    thresholds = {model["task"]: model["threshold"] for model in output.result.models}
    segmentation_node.SetAttribute(_THRESHOLD, str(thresholds["tumor"]) if "tumor" in thresholds else None)
    for name, role in ROLES.items():
        if name in output.probabilities:
            node = companion_node(
                segmentation_node, role, "vtkMRMLScalarVolumeNode", f"{ct_node.GetName()} {name} probability (%)"
            )
            fill_percent(node, in_percent(output.probabilities[name]), ct_node)
            node.SetAttribute(_THRESHOLD, str(thresholds.get(name, _GIVEN_LIVER)))
        elif (old := segmentation_node.GetNodeReference(role)) is not None:
            remove_node(old)


def used_threshold(segmentation_node) -> float | None:
    """The tumor threshold (0 to 1) that the segmentation was last made with; None where no network looked for tumor."""
    threshold = segmentation_node.GetAttribute(_THRESHOLD)
    return None if threshold is None else float(threshold)


def kept_threshold(segmentation_node) -> float | None:
    """As `used_threshold`, for a segmentation whose maps were kept, so that another can be tried; None for others."""
    maps = [segmentation_node.GetNodeReference(role) for role in ROLES.values()]
    return None if None in maps else float(maps[1].GetAttribute(_THRESHOLD))


def kept_probability(segmentation_node, shape: tuple[int, int, int]) -> np.ndarray | None:
    """The tumor's map in percent, uint8 (k, j, i) and the node's own memory; None where none of that shape was kept."""
    node = segmentation_node.GetNodeReference(ROLES["tumor"])
    percent = percent_of(node) if node is not None and node.GetImageData() is not None else None
    return percent if percent is not None and percent.shape == shape else None


def segment_again(segmentation_node, ct_node, tumor_threshold: float, min_lesion_ml: float) -> CaseResult:
    """Make the segmentation again from the kept maps with another tumor threshold (0 to 1), and measure it.

    The user's corrections of the liver and the lesions are lost, as by a new run.

    Returns:
        The figures; lesions have their mean probability, slices are not scored again.

    Raises:
        InputError: the maps were not kept, or belong to another grid.
    """
    if kept_threshold(segmentation_node) is None:
        raise InputError(
            _("The probability maps of {name} were not kept; switch that on and run again.").format(
                name=segmentation_node.GetName()
            )
        )
    volume = ct_from_node(ct_node, copy=False)
    liver_node, tumor_node = (segmentation_node.GetNodeReference(role) for role in ROLES.values())
    liver, tumor = percent_of(liver_node), percent_of(tumor_node)
    if liver.shape != volume.shape or tumor.shape != volume.shape:
        raise InputError(
            _("The probability maps of {name} do not fit {other}; run the analysis again.").format(
                name=segmentation_node.GetName(), other=ct_node.GetName()
            )
        )
    labels = np.zeros(volume.shape, np.uint8)
    liver_threshold = float(liver_node.GetAttribute(_THRESHOLD))
    for percent, threshold, label in ((liver, liver_threshold, LIVER), (tumor, tumor_threshold, TUMOR)):
        if (box := bounding_box(percent)) is not None:  # most of a map is 0
            labels[box][percent[box] >= _as_percent(threshold)] = label
    drop_small(labels, volume, min_lesion_ml)
    labels_to_segmentation(labels, ct_node, segmentation_node)
    for node in (tumor_node, segmentation_node):
        node.SetAttribute(_THRESHOLD, str(tumor_threshold))
    view = to_axial(volume)
    axial = view.bring(tumor)
    axial_labels = view.bring(labels)
    lesions, summary = measure_axial(axial_labels, view.volume, lambda kji: axial[tuple(kji.T)] / 100)
    found = bounding_box(labels)
    sure = None if found is None else float(liver[found].mean(where=labels[found] > 0)) / 100
    summary.notes = corrected_notes(axial_labels, view.volume, summary, sure)
    return CaseResult(volume.name, summary, lesions)


def _as_percent(threshold: float) -> float:
    return round(100 * threshold, 6)
