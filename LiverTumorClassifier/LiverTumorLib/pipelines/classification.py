"""The slice classifier: a calibrated probability of tumour for axial slices."""

from __future__ import annotations

import numpy as np

from ..ct import CTVolume, to_axial
from ..ct.frame import body_frame
from ..models.session import Session
from .options import CaseOutput, Progress, RunOptions, no_progress
from .results import TUMOR, CaseResult, CaseSummary, SliceRecord
from .run import Report, Run
from .slicewise import score_slices


def classify_case(volume: CTVolume, options: RunOptions | None = None, progress: Progress = no_progress) -> CaseOutput:
    """Score every axial slice of a CT without segmenting anything.

    The classifier was trained on slices from near the liver; since nothing says here which those are, every slice is
    marked "unknown" and none is gated.

    Raises:
        ModelError, RequirementError, UsageError: the model is missing, damaged, of another task, or cannot be run.
    """
    options = options or RunOptions()
    run = Run(["slices"], options.threads, progress)
    axial = to_axial(volume).volume
    records = slice_records(axial)
    with run.stage("slices") as report:
        session, threshold = run.session(options.slice_model, "slice", options.slice_threshold)
        suspicious = score_records(session, axial, records, threshold, report)
    progress("done", 1.0, "Done")
    summary = CaseSummary(suspicious_slices=suspicious, notes=list(volume.notes))
    return CaseOutput(CaseResult(volume.name, summary, [], records, run.models, run.seconds))


def slice_records(volume: CTVolume, labels: np.ndarray | None = None) -> list[SliceRecord]:
    """A record for every slice of a volume in axial order, with areas in mm² and the field where there are labels."""
    pixel_mm2 = float(volume.spacing[0] * volume.spacing[1])
    middle = [(volume.shape[2] - 1) / 2, (volume.shape[1] - 1) / 2]
    records = []
    for k in range(volume.shape[0]):
        s = round(float(volume.ras([*middle, k])[2]), 3)
        if labels is None:
            records.append(SliceRecord(k, s, "unknown"))
            continue
        liver, tumor = np.count_nonzero(labels[k]), np.count_nonzero(labels[k] == TUMOR)
        field = "liver" if liver else "no liver"
        records.append(SliceRecord(k, s, field, None, round(liver * pixel_mm2, 1), round(tumor * pixel_mm2, 1)))
    return records


def score_records(session: Session, volume: CTVolume, records: list[SliceRecord], threshold: float, report: Report) -> list[int]:
    """Fill the records' probabilities, 0 by rule in slices without liver; returns suspicious slices, likeliest first.

    Args:
        session: of a network for task "slice".
        volume: CT in axial order, one record per slice.
        threshold: probability from which a slice is suspicious.
        report: receives the stage's fraction.
    """
    spec = session.bundle.manifest.input
    wanted = np.array([record.index for record in records if record.field != "no liver"], int)
    scores = np.zeros(len(records))
    if len(wanted):
        scores[wanted] = score_slices(session, volume, body_frame(volume, spec.size, spec.spacing_mm), wanted, report)
    for record in records:
        record.probability = round(float(scores[record.index]), 4)
    return [int(k) for k in np.argsort(-scores, kind="stable") if scores[k] >= threshold]
