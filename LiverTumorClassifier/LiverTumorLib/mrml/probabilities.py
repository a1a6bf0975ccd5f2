"""Probability maps kept as volume nodes beside their segmentation, and other thresholds tried on them without a
network.

A map is kept in whole percent, see `percent`; thresholds of whole percent are exact but for the half precision in which
the worker hands it over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ct import to_axial
from ..ct.region import bounding_box
from ..errors import InputError
from ..records.results import LIVER, TUMOR, CaseResult
from .nodes import companion_node, remove_node
from .percent import fill_percent, percent_of
from .segmentations import numbered_layer
from .translation import _
from .volumes import TakenCT, take_ct

if TYPE_CHECKING:
    from .layers import Layer
    from .prepared import PreparedCase

ROLES = {"liver": "LiverTumor.liverProbability", "tumor": "LiverTumor.tumorProbability"}
MAPS = tuple(ROLES.values())
_THRESHOLD = "LiverTumor.threshold"
_GIVEN_LIVER = 0.5  # a liver that was drawn, not predicted, is 0 or 1


def show_probabilities(case: PreparedCase, ct_node, segmentation_node) -> None:
    """Keep a run's maps as volume nodes of the segmentation; maps of an earlier run, which would not fit it, are
    removed."""
    thresholds = {model["task"]: model["threshold"] for model in case.result.models}
    segmentation_node.SetAttribute(_THRESHOLD, str(thresholds["tumor"]) if "tumor" in thresholds else None)
    for name, role in ROLES.items():
        if name in case.maps:
            node = companion_node(
                segmentation_node, role, "vtkMRMLScalarVolumeNode", f"{ct_node.GetName()} {name} probability (%)"
            )
            fill_percent(node, case.maps[name], ct_node)
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


def keep_threshold(segmentation_node, tumor_threshold: float) -> None:
    """Note the tumor threshold (0 to 1) that a segmentation with kept maps was made again with."""
    for node in (segmentation_node.GetNodeReference(ROLES["tumor"]), segmentation_node):
        node.SetAttribute(_THRESHOLD, str(tumor_threshold))


@dataclass(frozen=True)
class TakenMaps:
    """Kept maps and their CT, as they were when they were taken; the voxels are the nodes' own memory.

    Attributes:
        ct: on whose grid they are.
        liver, tumor: uint8 (k, j, i), whole percent.
        liver_threshold: 0 to 1, of the run.
        nodes: that hold the maps.
        changed_at: VTK's time of the last change of each.
    """

    ct: TakenCT
    liver: np.ndarray
    tumor: np.ndarray
    liver_threshold: float
    nodes: tuple
    changed_at: tuple[int, ...]

    @classmethod
    def of(cls, segmentation_node, ct_node) -> TakenMaps:
        """Raises InputError: the maps were not kept, or belong to another grid; see `take_ct` too."""
        if kept_threshold(segmentation_node) is None:
            raise InputError(
                _("The probability maps of {name} were not kept; switch that on and run again.").format(
                    name=segmentation_node.GetName()
                )
            )
        ct = take_ct(ct_node)
        nodes = tuple(segmentation_node.GetNodeReference(role) for role in ROLES.values())
        liver, tumor = map(percent_of, nodes)
        if liver.shape != ct.volume.shape or tumor.shape != ct.volume.shape:
            raise InputError(
                _("The probability maps of {name} do not fit {other}; run the analysis again.").format(
                    name=segmentation_node.GetName(), other=ct_node.GetName()
                )
            )
        return cls(ct, liver, tumor, float(nodes[0].GetAttribute(_THRESHOLD)), nodes, _changes(nodes))

    def segmented(self, tumor_threshold: float, min_lesion_ml: float) -> tuple[Layer, CaseResult]:
        """The segmentation with another tumor threshold (0 to 1), see `numbered_layer`, and its figures: lesions have
        their mean probability, slices are not scored again. Touches no node. Raises InputError, see `check_ct`."""
        from ..pipelines.doubt import corrected_notes
        from ..pipelines.lesions import measure_axial
        from ..pipelines.tumor import drop_small

        volume = self.ct.checked()
        labels = np.zeros(volume.shape, np.uint8)
        thresholds = (self.liver, self.liver_threshold, LIVER), (self.tumor, tumor_threshold, TUMOR)
        for percent, threshold, label in thresholds:
            if (box := bounding_box(percent)) is not None:  # most of a map is 0
                labels[box][percent[box] >= _as_percent(threshold)] = label
        drop_small(labels, volume, min_lesion_ml)
        view = to_axial(volume)
        axial = view.bring(self.tumor)
        axial_labels = view.bring(labels)
        lesions, summary = measure_axial(axial_labels, view.volume, lambda kji: axial[tuple(kji.T)] / 100)
        found = bounding_box(labels)
        sure = None if found is None else float(self.liver[found].mean(where=labels[found] > 0)) / 100
        summary.notes = corrected_notes(axial_labels, view.volume, summary, sure)
        return numbered_layer(labels, volume.ijk_to_ras), CaseResult(volume.name, summary, lesions)

    def check_unchanged(self) -> None:
        """Raises InputError where CT or maps are not what was taken."""
        self.ct.check_unchanged()
        if _changes(self.nodes) != self.changed_at:
            raise InputError(
                _("The probability maps of {name} were changed meanwhile; start again.").format(
                    name=self.ct.volume.name
                )
            )


def _changes(nodes: tuple) -> tuple[int, ...]:
    return tuple(node.GetImageData().GetMTime() if node.GetImageData() is not None else 0 for node in nodes)


def _as_percent(threshold: float) -> float:
    return round(100 * threshold, 6)
