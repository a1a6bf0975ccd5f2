"""A run on a volume node: the work is done by a job in a child process, the nodes are made when it has ended well.

Nothing is put into the scene before that, so a run that is stopped or fails leaves the scene as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields

import numpy as np

from ..ct import CTVolume
from ..errors import UsageError
from ..jobs import start_job
from ..records.options import CaseOutput, Progress, RunOptions
from .results import CaseNodes
from .serving import ServedRun
from .translation import _


class CaseRun(ServedRun):
    """A run on a CT that has been started.

    Args:
        task: "segment", "classify" or "evidence".
        volume: the CT as it is now.
        make_nodes: makes the nodes from the results; called once, on the thread that polls or waits.
        progress: called with (stage, fraction, message).
        finished: called with this run when it is over, whether it went well or not; `result` then returns or raises.
        liver: uint8 (k, j, i) on the volume's grid, a liver that is known already.

    Raises:
        UsageError, OutputError, WorkerError: the job cannot be started.
    """

    def __init__(
        self,
        task: str,
        volume: CTVolume,
        options: RunOptions,
        make_nodes: Callable[[CaseOutput], CaseNodes],
        progress: Progress | None = None,
        finished: Callable[[CaseRun], None] | None = None,
        liver: np.ndarray | None = None,
    ) -> None:
        def listen(event: dict) -> None:
            if progress is not None and event["event"] == "progress":
                progress(event["stage"], event["fraction"], event["message"])

        def steps():
            output = yield start_job(task, volume, options, on_event=listen, liver=liver)
            return make_nodes(output)

        super().__init__(steps(), finished)
        logging.info("%s of %s started", task, volume.name)


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
