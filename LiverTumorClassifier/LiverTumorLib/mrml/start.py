"""How a logic starts its run: on a CT or on all frames of a sequence, waited for or not."""

from __future__ import annotations

from collections.abc import Callable

from ..records.options import Progress
from .case_nodes import CaseNodes
from .runs import CaseRun, options_from
from .segmentations import labels_from_segmentation
from .sequences import SequenceRun
from .serving import ServedRun
from .volumes import take_ct


def start_run(
    task: str,
    volume_node,
    options: dict,
    make_nodes: Callable[..., CaseNodes],
    receivers: tuple[Progress | None, Callable[[ServedRun], None] | None],
    *,
    liver_segmentation=None,
    all_frames: bool = False,
    wait: bool = True,
):
    """Start a run and, if asked to, wait for its end.

    Args:
        task: "segment", "classify" or "evidence".
        options: keyword arguments in Slicer's spelling, see `options_from`.
        make_nodes: as for `CaseRun` or, with `all_frames`, for `SequenceRun`.
        receivers: of the progress and of the end.
        liver_segmentation: with a liver that is known already, as it is now.

    Returns:
        the run's result where it is waited for, else the run, which Slicer's event loop finishes.

    Raises:
        LiverTumorError: the volume is not a CT or not a sequence, an option is wrong, the run cannot be started, or
        ended badly.
    """
    source = volume_node if all_frames else take_ct(volume_node)
    liver = labels_from_segmentation(liver_segmentation, volume_node) if liver_segmentation else None
    kind: type[SequenceRun | CaseRun] = SequenceRun if all_frames else CaseRun
    run = kind(task, source, options_from(options), make_nodes, *receivers, liver=liver)
    if wait:
        return run.wait()
    run.serve()
    return run
