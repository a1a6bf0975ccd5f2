"""The slice classifier: a calibrated probability of tumor for axial slices."""

from __future__ import annotations

import numpy as np

from ..ct import AxialView, CTVolume, to_axial
from ..models.catalogue import get_bundle
from ..models.session import Session
from ..records.options import CaseOutput, Progress, RunOptions, no_progress
from ..records.results import TUMOR, CaseResult, CaseSummary, SliceRecord
from .doubt import liver_notes
from .liver import segment_liver
from .run import Report, Run
from .run import load_ahead as load_ahead
from .slicewise import score_slices


def classify_case(
    volume: CTVolume,
    options: RunOptions | None = None,
    progress: Progress = no_progress,
    liver: np.ndarray | None = None,
) -> CaseOutput:
    """Score the axial slices of a CT, without looking for tumor's outline.

    A classifier of the liver region needs the liver, and stage 1 finds it where it is not given. Where the liver is
    known, slices without it get probability 0; otherwise (a classifier of whole slices, no liver given) every slice is
    scored and marked "unknown", since such a classifier was trained on slices from near the liver.

    Args:
        volume: any orientation.
        options: see `RunOptions`.
        progress: called with (stage, fraction, message); may raise `Cancelled`.
        liver: (k, j, i) on the volume's grid, above 0 in a liver that is known already, TUMOR in its lesions.

    Raises:
        ModelError, RequirementError, UsageError: a model is missing, damaged, of another task, or cannot be run.
    """
    options = options or RunOptions()
    view = to_axial(volume)
    run = Run([*liver_stage(options, liver), "slices"], options.threads, progress)
    labels = liver_labels(run, view, options, liver)
    records = slice_records(view.volume, labels)
    with run.stage("slices") as report:
        session, threshold = run.session(options.slice_model, "slice", options.slice_threshold)
        suspicious = score_records(session, view.volume, records, labels, threshold, report)
    progress("done", 1.0, "Done")
    summary = CaseSummary(suspicious_slices=suspicious, notes=[*run.notes, *volume.notes])
    return CaseOutput(CaseResult(volume.name, summary, [], records, run.models, run.seconds))


def liver_stage(options: RunOptions, liver: np.ndarray | None) -> list[str]:
    """The stage that a run of the classifier needs to know the liver: none where it is given or the classifier does not
    ask."""
    return ["liver"] if liver is None and get_bundle(options.slice_model).manifest.input.region == "liver" else []


def liver_labels(run: Run, view: AxialView, options: RunOptions, liver: np.ndarray | None) -> np.ndarray | None:
    """Labels in axial order of the liver that is given or, where the run has the stage, found; None where nobody knows
    it.

    Notes of the run tell what is doubtful in it.

    `view` is the `to_axial` of the CT, `liver` lies on the CT's own grid.
    """
    if "liver" in run.stages:
        return segment_liver(run, view.volume, options)[0]
    if liver is None:
        return None
    labels = view.bring(liver)
    run.notes += liver_notes(labels, view.volume)
    return labels


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
        liver = np.count_nonzero(labels[k])
        tumor = np.count_nonzero(labels[k] == TUMOR) if liver else 0
        field = "liver" if liver else "no liver"
        records.append(SliceRecord(k, s, field, None, round(liver * pixel_mm2, 1), round(tumor * pixel_mm2, 1)))
    return records


def score_records(
    session: Session,
    volume: CTVolume,
    records: list[SliceRecord],
    labels: np.ndarray | None,
    threshold: float,
    report: Report,
) -> list[int]:
    """Fill the records' probabilities, 0 by rule in slices without liver; returns suspicious slices, likeliest first.

    Args:
        session: of a network for task "slice".
        volume: CT in axial order, one record per slice.
        labels: what the records were made with; a network of the liver region needs it.
        threshold: probability from which a slice is suspicious.
        report: receives the stage's fraction.
    """
    wanted = np.array([record.index for record in records if record.field != "no liver"], int)
    scores = np.zeros(len(records))
    if len(wanted):
        scores[wanted] = score_slices(session, volume, labels, wanted, report)
    scores = scores.round(4)  # as users see them: of two alike, the lower slice is named first everywhere
    for record in records:
        record.probability = float(scores[record.index])
    return [int(k) for k in np.argsort(-scores, kind="stable") if scores[k] >= threshold]
