"""4D scans: every frame of a volume sequence analyzed, and the results as sequences that follow the same browser.

What Slicer shows of a sequence is a proxy node, one frame at a time; an analysis of that node is one of the frame
shown. Here is what it takes to analyze the others too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..ct import CTVolume
from ..errors import InputError
from ..jobs import Job, start_job
from ..jobs.remaining import RemainingTime
from ..records.columns import SUMMARY_COLUMNS
from ..records.options import Progress, RunOptions
from ..records.results import CaseResult
from .case_nodes import CaseNodes, check_present
from .frames import Frames, frames_of
from .history import forget
from .nodes import SEQUENCE_ROLE, companion_node, no_leftovers, one_update, place_beside
from .prepared import PreparedCase, prepare
from .runs import handed_over
from .serving import ServedRun
from .tables import fill_table, summary_row
from .translation import _
from .volumes import take_ct

FRAMES_ROLE = "LiverTumor.frames"

# Makes the nodes of a frame from its output; the second argument is the nodes of the frame before, to be written over.
MakeNodes = Callable[[PreparedCase, CaseNodes | None], CaseNodes]


class SequenceRun(ServedRun):
    """A run on all frames, one after the other; nodes are made when all of them have ended well.

    Probability maps are not kept: they would fit one frame only.

    Args:
        task: "segment" or "classify".
        volume_node: shows one of the frames.
        make_nodes: see `MakeNodes`.
        progress, finished, liver: as for `CaseRun`; the liver is taken for that of every frame.

    Raises:
        InputError: not of a sequence, or no CT. The result raises as that of `CaseRun`.
    """

    def __init__(
        self,
        task: str,
        volume_node,
        options: RunOptions,
        make_nodes: MakeNodes,
        progress: Progress | None = None,
        finished: Callable[[SequenceRun], None] | None = None,
        liver=None,
    ) -> None:
        take_ct(volume_node)  # what cannot be a CT is told before anything runs
        frames = frames_of(volume_node)
        if frames is None:
            raise InputError(
                _("{name} is not part of a sequence of several frames; analyze it without 'all frames'.").format(
                    name=volume_node.GetName()
                )
            )
        options = replace(options, keep_probabilities=False)
        count = frames.count
        self._remaining = RemainingTime(time.monotonic())
        self._left: float | None = None

        def listener(number: int) -> Callable[[dict], None]:
            def listen(event: dict) -> None:
                if event["event"] == "progress":
                    fraction = (number + event["fraction"]) / count
                    self._left = self._remaining.update(time.monotonic(), fraction)
                    if progress is not None:
                        text = _("Frame {number} of {count}: {message}")
                        text = text.format(number=number + 1, count=count, message=event["message"])
                        progress(event["stage"], fraction, text)

            return listen

        def start(volume: CTVolume, listen: Callable[[dict], None]) -> Job:
            from ..files import check_ct

            return start_job(task, check_ct(volume), options, on_event=listen, liver=liver)

        def steps():
            cases = []
            for number in range(count):
                taken, volume = frames.take(number)
                output = yield from handed_over(taken, partial(start, volume, listener(number)))
                cases.append((yield partial(prepare, output, volume.ijk_to_ras)))
            return show_frames(cases, frames, make_nodes)

        super().__init__(steps(), finished)

    @property
    def remaining_s(self) -> float | None:
        return self._left


def show_frames(cases: list[PreparedCase], frames: Frames, make_nodes: MakeNodes) -> CaseNodes:
    """Nodes of all frames: each output node becomes the proxy of a sequence that the CT's browser moves; and a table of
    all frames.

    Corrections of the frame that is shown are kept in its sequence.

    Returns:
        The nodes, which show what the CT shows; `frames` has the figures of all frames, `frameTable` their summary.

    Raises:
        InputError: the CT or its sequence has left the scene or changed since the run began.
    """
    check_present(frames.node)
    if frames.sequence.GetScene() is None or frames.browser.GetScene() is None or frames.count != len(cases):
        raise InputError(
            _("The sequence of {name} was changed while it was analyzed, so its results were dropped.").format(
                name=frames.node.GetName()
            )
        )
    with no_leftovers(frames.node.GetScene()), one_update(frames.browser):
        nodes: CaseNodes | None = None
        order = [number for number in range(frames.count) if number != frames.shown]
        for number in [*order, frames.shown]:  # last the one that is shown, so that its results are
            nodes = made = make_nodes(cases[number], nodes)
            for node in _outputs(made):
                _sequence(node, frames).SetDataNodeAtValue(node, frames.sequence.GetNthIndexValue(number))
        for node in _outputs(made):
            _follow(node, frames.browser)
        forget(made.segmentationNode)  # which knows one frame after the other
        results = [case.result for case in cases]
        return replace(made, frames=results, frameTable=_frame_table(_outputs(made)[0], results, frames))


def _outputs(nodes: CaseNodes) -> list:
    return [
        node
        for node in (nodes.segmentationNode, nodes.lesionTable, nodes.summaryTable, nodes.sliceTable)
        if node is not None
    ]


def _sequence(node, frames: Frames):
    sequence = companion_node(node, SEQUENCE_ROLE, "vtkMRMLSequenceNode", f"{node.GetName()} sequence")
    sequence.SetIndexName(frames.sequence.GetIndexName())
    sequence.SetIndexUnit(frames.sequence.GetIndexUnit())
    sequence.SetIndexType(frames.sequence.GetIndexType())
    return sequence


def _follow(node, browser) -> None:
    sequence = node.GetNodeReference(SEQUENCE_ROLE)
    if browser.GetProxyNode(sequence) is not node:
        browser.AddSynchronizedSequenceNodeID(sequence.GetID())
        browser.AddProxyNode(node, sequence, False)
        browser.SetOverwriteProxyName(sequence, False)
        browser.SetSaveChanges(sequence, True)


def _frame_table(owner, results: list[CaseResult], frames: Frames):
    table = companion_node(owner, FRAMES_ROLE, "vtkMRMLTableNode", f"{frames.node.GetName()} frames")
    rows = [summary_row(frames.name(number), result.summary) for number, result in enumerate(results)]
    fill_table(table, SUMMARY_COLUMNS, rows)
    place_beside(table, frames.node)
    return table
