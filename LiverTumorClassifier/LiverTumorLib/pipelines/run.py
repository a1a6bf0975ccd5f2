"""What the stages of one run share: progress over all stages, their clocks, the models used, and notes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import UsageError
from ..models.catalogue import get_bundle
from ..models.session import Session, load_runtimes, open_session
from ..records.options import Progress

# Name of each stage: (share of a run's time on a 512x512x129 CT, what the user reads).
STAGES = {
    "liver": (5.0, "Finding the liver"),
    "tumor": (3.0, "Looking for tumor in the liver"),
    "slices": (2.0, "Scoring slices"),
    "measure": (1.0, "Measuring"),
    "evidence": (2.0, "Mapping where the network sees tumor"),
}

Report = Callable[[float], None]


def load_ahead() -> None:
    """Load the libraries that all stages need, which takes as long as reading a scan (see `jobs.worker`)."""
    import scipy.ndimage
    import scipy.sparse  # noqa: F401

    load_runtimes()


class Run:
    """One run through some of the stages.

    Attributes:
        seconds: of each stage that is over.
        models: what the result tells of the models used.
        notes: sentences for the user on what the stages found doubtful.
    """

    def __init__(self, stages: list[str], threads: int | None, progress: Progress) -> None:
        self.stages, self.threads, self.progress = stages, threads, progress
        self.seconds: dict[str, float] = {}
        self.models: list[dict[str, Any]] = []
        self.notes: list[str] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[Report]:
        """Time a stage; yields the function that reports the stage's own fraction."""
        total = sum(STAGES[stage][0] for stage in self.stages)
        before = sum(STAGES[stage][0] for stage in self.stages[: self.stages.index(name)])
        share, message = STAGES[name]

        def report(fraction: float) -> None:
            self.progress(name, (before + share * fraction) / total, message)

        report(0.0)
        start = time.perf_counter()
        yield report
        self.seconds[name] = round(time.perf_counter() - start, 3)

    def session(self, model: str, task: str, threshold: float | None) -> tuple[Session, float]:
        """A session of a model made for `task`, and the threshold to use: the given one, else the model's own.

        Raises ModelError, RequirementError or UsageError.
        """
        bundle = get_bundle(model)
        if bundle.manifest.task != task:
            raise UsageError(
                f"Model '{bundle.id}' is for task '{bundle.manifest.task}', not for '{task}'; choose another model."
            )
        used = threshold or bundle.manifest.threshold
        session = open_session(bundle, self.threads)
        self.models.append({**bundle.describe(), "threshold": used, "runtime": session.runtime})
        return session, used
