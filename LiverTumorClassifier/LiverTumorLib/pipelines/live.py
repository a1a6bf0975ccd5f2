"""Single slices scored as somebody looks at them: the network stays warm, and the scan is prepared once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ct import CTVolume, to_axial
from ..ct.frame import body_frame, neighbour_channels, network_slices
from ..errors import Cancelled
from ..models.session import Session
from .classification import slice_records
from .options import CaseOutput, Progress, RunOptions
from .run import Run
from .slicewise import calibrated, slice_logits, smoothed_logits, smoothing_reach

if TYPE_CHECKING:
    from ..jobs.dialog import Dialog

_BLOCK = 16  # slices prepared between two reports, so that a stop is obeyed at once


class SliceScorer:
    """The calibrated tumor probability of any axial slice of one scan, the same as that of `classify_case`.

    What the network said of a slice is kept, so that the average over its neighbours costs their time only once: a step to the next
    slice takes about as long as the network does.

    Args:
        session: of a network for task "slice".
        volume: CT in axial order.
        report: called with the done fraction while the scan is prepared; may raise to stop.
    """

    def __init__(self, session: Session, volume: CTVolume, report) -> None:
        spec = session.bundle.manifest.input
        frame = body_frame(volume, spec.size, spec.spacing_mm)
        self._session = session
        self._offset = spec.neighbour_mm / float(volume.spacing[2])
        self._slice_mm = float(volume.spacing[2])
        self._reach = smoothing_reach(self._slice_mm)
        self._logits = np.full(volume.shape[0], np.nan, np.float32)
        self._canvas = np.empty((volume.shape[0], *spec.size), np.uint8)
        for start in range(0, volume.shape[0], _BLOCK):
            report(start / volume.shape[0])
            ks = np.arange(start, min(start + _BLOCK, volume.shape[0]))
            self._canvas[ks] = network_slices(volume, frame, spec.window_hu, ks, 0.0, spec.filters)

    def score(self, k: int) -> float:
        """Probability (0 to 1) that axial slice `k` shows tumor."""
        around = np.clip(np.arange(k - self._reach, k + self._reach + 1), 0, len(self._logits) - 1)
        new = np.unique(around[np.isnan(self._logits[around])])
        if len(new):
            output = self._session.predict([neighbour_channels(self._canvas, each, self._offset) for each in new])
            self._logits[new] = slice_logits(output)
        logit = smoothed_logits(self._logits[around], self._slice_mm)[self._reach]
        return float(calibrated(logit, self._session.bundle.manifest.calibration))


def answer_slices(volume: CTVolume, options: RunOptions, progress: Progress, dialog: Dialog) -> CaseOutput:
    """A worker's task that goes on until it is stopped: each question is the index of an axial slice (0 is the most inferior one).

    The first answer is `{"heights": S coordinate in mm of every slice}`, the others are `{"index": int, "probability": float}`.

    Raises:
        Cancelled: when nobody asks any more, which is how it ends.
        ModelError, RequirementError, UsageError: the model is missing, damaged, of another task, or cannot be run.
    """
    run = Run(["slices"], options.threads, progress)
    axial = to_axial(volume).volume
    with run.stage("slices") as report:
        session, _ = run.session(options.slice_model, "slice", options.slice_threshold)
        scorer = SliceScorer(session, axial, report)
    dialog.answer(heights=[record.ras_s for record in slice_records(axial)])
    while (question := dialog.question()) is not None:
        k = min(max(int(question), 0), axial.shape[0] - 1)
        dialog.answer(index=k, probability=round(scorer.score(k), 4))
    raise Cancelled("The run was stopped.")
