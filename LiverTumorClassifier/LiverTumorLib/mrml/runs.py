"""A run on a volume node: the work is done by a job in a child process, the nodes are made when it has ended well.

Nothing is put into the scene before that, so a run that is stopped or fails leaves the scene as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields
from functools import partial

import numpy as np

from ..errors import InputError, UsageError
from ..jobs import Job, start_job
from ..records.options import Progress, RunOptions
from .case_nodes import CaseNodes
from .prepared import PreparedCase, prepare
from .serving import ServedRun, Steps
from .translation import _
from .volumes import TakenCT


class CaseRun(ServedRun):
    """A run on a CT that has been started.

    Args:
        task: "segment", "classify" or "evidence".
        ct: as it is now.
        make_nodes: makes the nodes from the results; called once, on the thread that polls or waits.
        progress: called with (stage, fraction, message).
        finished: called with this run when it is over, whether it went well or not; `result` then returns or raises.
        liver: uint8 (k, j, i) on the volume's grid, a liver that is known already.

    The result raises what `check_ct` raises, InputError where the CT was changed while it was handed over, and
    UsageError, OutputError or WorkerError where the job cannot be started.
    """

    def __init__(
        self,
        task: str,
        ct: TakenCT,
        options: RunOptions,
        make_nodes: Callable[[PreparedCase], CaseNodes],
        progress: Progress | None = None,
        finished: Callable[[CaseRun], None] | None = None,
        liver: np.ndarray | None = None,
    ) -> None:
        def listen(event: dict) -> None:
            if progress is not None and event["event"] == "progress":
                progress(event["stage"], event["fraction"], event["message"])

        def steps():
            output = yield from handed_over(
                ct, lambda: start_job(task, ct.checked(), options, on_event=listen, liver=liver)
            )
            return make_nodes((yield partial(prepare, output, ct.volume.ijk_to_ras)))

        super().__init__(steps(), finished)
        logging.info("%s of %s started", task, ct.volume.name)


def handed_over(ct: TakenCT, start: Callable[[], Job]) -> Steps:
    """A CT handed over to a child process, and what came of it.

    Args:
        start: checks the CT and starts the job. Touches no node.

    Raises InputError where the CT was changed while it was handed over, and what `start` and the job raise.
    """
    job = yield start
    try:
        ct.check_unchanged()
    except InputError:
        job.cancel()
        raise
    return (yield job)


def options_from(arguments: dict) -> RunOptions:
    """RunOptions from keyword arguments in Slicer's spelling: `minLesionMl=0.1` is `min_lesion_ml=0.1`.

    Raises:
        UsageError: an argument that is not an option, or a value out of range.
    """
    names = {_camel(option.name): option.name for option in fields(RunOptions)}
    for argument in arguments:
        if argument not in names:
            raise UsageError(
                _("Unknown option {argument!r}; known are {names}.").format(argument=argument, names=", ".join(names))
            )
    return RunOptions(**{names[argument]: value for argument, value in arguments.items()})


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)
