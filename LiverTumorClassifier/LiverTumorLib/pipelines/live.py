"""Single slices scored as somebody looks at them: the network stays warm, and each slice is prepared once."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..ct import CTVolume, to_axial
from ..ct.canvas import lay_canvas, neighbor_channels
from ..errors import Cancelled
from ..models.session import Session
from ..records.options import CaseOutput, Progress, RunOptions
from .classification import liver_labels, liver_stage, slice_records
from .run import Run
from .run import load_ahead as load_ahead
from .slicewise import PreparedSlices, calibrated, slice_logits, smoothed_logits, smoothing_reach


class Dialog(Protocol):
    """Who asks, see `jobs.dialog`."""

    def question(self) -> str | None:
        """Wait for a question and return the newest one; None when nobody will ask anymore."""

    def answer(self, **fields: object) -> None:
        """Send an answer. Raises OSError when nobody listens anymore."""


class SliceScorer:
    """The calibrated tumor probability of any axial slice of one scan, the same as that of `classify_case`.

    What the network said of a slice is kept, so that the average over its neighbors costs their time only once: a step
    to the next slice takes about as long as the network does.

    Args:
        session: of a network for task "slice".
        volume: CT in axial order.
        labels: (k, j, i) on the volume's grid, above 0 in the liver; None where nobody knows it. A network of the liver
          region needs it.
    """

    def __init__(self, session: Session, volume: CTVolume, labels: np.ndarray | None) -> None:
        spec = session.bundle.manifest.input
        everywhere = np.arange(volume.shape[0])
        self._scored = everywhere if labels is None else everywhere[labels.any(axis=(1, 2))]
        self._session = session
        self._offset = spec.neighbor_mm / float(volume.spacing[2])
        self._slice_mm = float(volume.spacing[2])
        self._reach = smoothing_reach(self._slice_mm)
        self._logits = np.full(volume.shape[0], np.nan, np.float32)
        if not len(self._scored):
            return
        canvas, offset_hu = lay_canvas(spec, volume, labels)
        self._images = PreparedSlices(spec, volume, canvas, offset_hu)
        self._canvas, self._labels = canvas, labels if spec.region == "liver" else None

    def score(self, k: int) -> float:
        """Probability (0 to 1) that axial slice `k` shows tumor, 0 by rule in a slice without liver."""
        place = int(np.searchsorted(self._scored, k))
        if place == len(self._scored) or self._scored[place] != k:
            return 0.0
        around = self._scored[
            np.clip(np.arange(place - self._reach, place + self._reach + 1), 0, len(self._scored) - 1)
        ]
        new = np.unique(around[np.isnan(self._logits[around])])
        if len(new):
            outputs = self._session.predict_all([neighbor_channels(self._images, each, self._offset) for each in new])
            liver = None if self._labels is None else self._canvas.sample(self._labels[new] > 0)
            self._logits[new] = slice_logits(outputs, liver)
        logit = smoothed_logits(self._logits[around], self._slice_mm)[self._reach]
        return float(calibrated(logit, self._session.bundle.manifest.calibration))


def answer_slices(
    volume: CTVolume, options: RunOptions, progress: Progress, dialog: Dialog, liver: np.ndarray | None = None
) -> CaseOutput:
    """A worker's task that continues until it is stopped: each question is the index of an axial slice (0 is the most
    inferior one).

    The first answer is `{"heights": S coordinate in mm of every slice, "fields": of every slice, as in `SliceRecord`,
    "notes": on the scan and its liver}`, the others are `{"index": int, "probability": float}`. `liver` is as for
    `classify_case`.

    Raises:
        Cancelled: when nobody asks anymore, which is how it ends.
        ModelError, RequirementError, UsageError: the model is missing, damaged, of another task, or cannot be run.
    """
    run = Run([*liver_stage(options, liver), "slices"], options.threads, progress)
    view = to_axial(volume)
    axial, labels = view.volume, liver_labels(run, view, options, liver)
    records = slice_records(axial, labels)
    with run.stage("slices"):
        session, _ = run.session(options.slice_model, "slice", options.slice_threshold)
        scorer = SliceScorer(session, axial, labels)
    heights, fields = [record.ras_s for record in records], [record.field for record in records]
    dialog.answer(heights=heights, fields=fields, notes=[*run.notes, *volume.notes])
    while (question := dialog.question()) is not None:
        k = min(max(int(question), 0), axial.shape[0] - 1)
        dialog.answer(index=k, probability=round(scorer.score(k), 4))
    raise Cancelled("The run was stopped.")
