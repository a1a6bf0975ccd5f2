"""How far a workflow is, from how far its stages are and how long each takes."""

from __future__ import annotations

import time

from ..progress import ProgressReport
from .estimate import Estimate
from .plan import Stage

# Where a stage tells nothing of its progress, its time does, but never that it is over.
_MOST = 0.95


class WorkflowProgress:
    """Tells a report of the whole workflow's progress; called with the events of the stage that runs, and with None as
    time goes by."""

    def __init__(
        self, report: ProgressReport, stages: list[Stage], to_do: list[Stage], estimates: dict[str, Estimate]
    ) -> None:
        """`stages` are all, for their numbers; the fraction is that of those `to_do`, weighed by the seconds they are
        to take."""
        self._report = report
        self._numbers = {
            stage.name: f"[{number}/{len(stages)}] {stage.name}" for number, stage in enumerate(stages, start=1)
        }
        self._seconds = {stage.name: estimates[stage.name].seconds for stage in to_do}
        self._over = self._whole = 0.0
        self._told: float | None = None  # by the stage that runs

    def begin(self, stage: Stage) -> None:
        """A stage starts."""
        self._name, self._started, self._told, self._message = stage.name, time.monotonic(), None, ""
        self(None)

    def __call__(self, event: dict | None) -> None:
        if event:
            self._told, self._message = event["fraction"], event["message"]
        seconds = self._seconds[self._name]
        fraction = min(_MOST, (time.monotonic() - self._started) / seconds) if self._told is None else self._told
        self._tell(fraction, event.get("metrics") if event else None)

    def end(self) -> None:
        """The stage is finished."""
        self._told, self._message = 1.0, "done"
        self._tell(1.0)
        self._over += self._seconds[self._name]

    def _tell(self, fraction: float, metrics: dict[str, float] | None = None) -> None:
        whole = (self._over + fraction * self._seconds[self._name]) / sum(self._seconds.values())
        self._whole = max(self._whole, whole)  # what a stage tells may be less than what its time told before
        message = f"{self._numbers[self._name]}: {self._message}" if self._message else self._numbers[self._name]
        self._report(self._name, self._whole, message, metrics)
