"""The nodes of one case: what they are called in each other's references, and what a run hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .translation import _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records.results import CaseResult, CaseSummary

LESIONS_ROLE = "LiverTumor.lesions"
SUMMARY_ROLE = "LiverTumor.summary"
SLICES_ROLE = "LiverTumor.slices"
MODELS = "LiverTumor.models"  # what a run says of its models, an attribute of its segmentation
TABLES = (LESIONS_ROLE, SUMMARY_ROLE, SLICES_ROLE)
CT_ROLE = "LiverTumor.ct"  # from a slice table to the volume it speaks of


@dataclass(frozen=True)
class CaseNodes:
    """The nodes of one case and the figures in them; None for what the run did not make.

    Attributes:
        result: the figures as records (lesions, slices, models, seconds).
        segmentationNode: vtkMRMLSegmentationNode with the segments Liver and Lesion 1, Lesion 2 …
        lesionTable, summaryTable, sliceTable: vtkMRMLTableNode.
        plotChart: vtkMRMLPlotChartNode of the tumor probability over the slices.
        evidenceVolume: vtkMRMLScalarVolumeNode, where the slice classifier sees tumor, in percent.
        frames, frameTable: figures of every frame where all of a sequence were analyzed, and a vtkMRMLTableNode with
        their summaries;
            the other nodes then show the frame that the CT node shows.
    """

    result: CaseResult
    segmentationNode: Any = None
    lesionTable: Any = None
    summaryTable: Any = None
    sliceTable: Any = None
    plotChart: Any = None
    evidenceVolume: Any = None
    frames: Sequence[CaseResult] = ()
    frameTable: Any = None

    @property
    def summary(self) -> CaseSummary:
        """Volumes in ml, tumor burden in percent, number of lesions, suspicious slices, notes."""
        return self.result.summary


def check_present(ct_node) -> None:
    """Raises InputError where the CT has left the scene."""
    if ct_node.GetScene() is None:
        raise InputError(
            _("{name} was removed while it was analyzed, so its results were dropped; load it again.").format(
                name=ct_node.GetName()
            )
        )


def ct_of(segmentation_node):
    """The volume node that gave a segmentation its grid; None where there is none anymore."""
    return segmentation_node.GetNodeReference(segmentation_node.GetReferenceImageGeometryReferenceRole())
