"""MRML: volume nodes in; segmentations, tables and plots out. The only part of the library that knows Slicer's nodes.

Works in Slicer and with the slicer-core package alone. Nodes go to the scene of the CT node.
"""

from typing import TYPE_CHECKING

from ..lazy import lazily

if TYPE_CHECKING:
    from .case_nodes import CaseNodes
    from .evidence import remove_evidence, show_evidence
    from .frames import frames_of
    from .history import can_undo, undo
    from .results import measure_again, show_segmentation, show_slices, threshold_again
    from .runs import CaseRun, options_from
    from .segmentations import labels_from_segmentation, labels_to_segmentation
    from .sequences import SequenceRun
    from .start import start_run
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

__getattr__ = lazily(
    __name__,
    {
        "CaseNodes": "case_nodes",
        "CaseRun": "runs",
        "SequenceRun": "sequences",
        "can_undo": "history",
        "ct_from_node": "volumes",
        "ct_to_node": "volumes",
        "frames_of": "frames",
        "labels_from_segmentation": "segmentations",
        "labels_to_segmentation": "segmentations",
        "measure_again": "results",
        "options_from": "runs",
        "remove_evidence": "evidence",
        "show_evidence": "evidence",
        "show_segmentation": "results",
        "show_slices": "results",
        "start_run": "start",
        "threshold_again": "results",
        "undo": "history",
    },
)
