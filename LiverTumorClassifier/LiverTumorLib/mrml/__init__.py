"""MRML: volume nodes in; segmentations, tables and plots out. The only part of the library that knows Slicer's nodes.

Works in Slicer and with the slicer-core package alone. Nodes go to the scene of the CT node.
"""

from .evidence import remove_evidence, show_evidence
from .results import CaseNodes, measure_again, show_segmentation, show_slices, threshold_again
from .runs import CaseRun, options_from
from .segmentations import labels_from_segmentation, labels_to_segmentation
from .sequences import SequenceRun, frames_of
from .start import start_run
from .undo import can_undo, undo
from .volumes import ct_from_node, ct_to_node

__all__ = [
    "CaseNodes",
    "CaseRun",
    "SequenceRun",
    "can_undo",
    "ct_from_node",
    "ct_to_node",
    "frames_of",
    "labels_from_segmentation",
    "labels_to_segmentation",
    "measure_again",
    "options_from",
    "remove_evidence",
    "show_evidence",
    "show_segmentation",
    "show_slices",
    "start_run",
    "threshold_again",
    "undo",
]
