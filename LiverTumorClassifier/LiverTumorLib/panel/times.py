"""How long each model takes on this computer, known from its earlier runs and kept in the user's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..models.bundle import Bundle
    from ..records.results import CaseResult

_STAGES = {"liver": "liver", "tumor": "tumor", "slice": "slices"}  # the stage of a run that a model of a task works in
_KEY = "LiverTumor/secondsPerSlice/{id}-{sha256:.8}"


def remember_times(result: CaseResult) -> None:
    """Keep what the models of a run took; a run without records of its slices says nothing."""
    import slicer

    for model in result.models if result.slices else ():
        if (seconds := result.seconds.get(_STAGES[model["task"]])) is not None:
            slicer.app.userSettings().setValue(_KEY.format(**model), seconds / len(result.slices))


def known_time(bundle: Bundle) -> float | None:
    """Seconds a slice that the model took in its latest run on this computer; None before the first one."""
    import slicer

    value = slicer.app.userSettings().value(_KEY.format(**bundle.describe()))
    try:
        return float(value)
    except (TypeError, ValueError):  # nothing there, or edited by hand
        return None
