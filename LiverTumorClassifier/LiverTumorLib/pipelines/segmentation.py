"""Liver, then tumor inside it, then slices and measurements: the whole analysis of one CT."""

from __future__ import annotations

import numpy as np

from ..ct import to_axial
from ..ct.volume import CTVolume
from ..records.options import CaseOutput, Progress, RunOptions, no_progress
from ..records.results import LIVER, TUMOR, CaseResult
from .classification import score_records, slice_records
from .doubt import burden_doubts, liver_notes
from .lesions import measure_axial
from .liver import segment_liver
from .run import Run
from .run import load_ahead as load_for_all
from .tumor import drop_small, find_tumor


def load_ahead() -> None:
    """As `run.load_ahead`, and what measures lesions."""
    load_for_all()
    import scipy.spatial  # noqa: F401


def segment_case(
    volume: CTVolume,
    options: RunOptions | None = None,
    progress: Progress = no_progress,
    liver: np.ndarray | None = None,
) -> CaseOutput:
    """Segment liver and tumor of a CT, score its slices and measure its lesions.

    Args:
        volume: any orientation; results come back on exactly its grid.
        options: see `RunOptions`.
        progress: called with (stage, fraction, message); may raise `Cancelled`.
        liver: (k, j, i) on the volume's grid, above 0 in a liver that is known already, lesions included; it takes the
          place of stage 1.

    Raises:
        ValueError: a liver on another grid.
        ModelError, RequirementError, UsageError: a model is missing, damaged, of another task, or cannot be run.
    """
    options = options or RunOptions()
    if liver is not None and liver.shape != volume.shape:
        raise ValueError(f"a liver of shape {liver.shape} is not on the volume's grid {volume.shape}")
    wanted = {"liver": liver is None, "tumor": options.tumor, "slices": options.slices, "measure": True}
    stages = [stage for stage, yes in wanted.items() if yes]
    run = Run(stages, options.threads, progress)
    view = to_axial(volume)
    axial = view.volume

    liver_probability = None
    if liver is None:
        labels, liver_probability = segment_liver(run, axial, options)
    else:
        labels = np.where(view.bring(liver) > 0, np.uint8(LIVER), np.uint8(0))
        run.notes += liver_notes(labels, axial)
    tumor = None
    if options.tumor:
        with run.stage("tumor") as report:
            session, threshold = run.session(options.tumor_model, "tumor", options.tumor_threshold)
            if labels.any():
                tumor = find_tumor(session, axial, labels, options.roi, options.roi_margin_mm, report, threshold)
                tumor.paint(labels, threshold, TUMOR, session.lanes)
                drop_small(labels, axial, options.min_lesion_ml)
    records = slice_records(axial, labels)
    suspicious: list[int] = []
    if options.slices:
        with run.stage("slices") as report:
            session, threshold = run.session(options.slice_model, "slice", options.slice_threshold)
            suspicious = score_records(session, axial, records, labels, threshold, report)
    with run.stage("measure"):
        lesions, summary = measure_axial(labels, axial, None if tumor is None else tumor.at)
        summary.suspicious_slices = suspicious
        summary.notes = [*run.notes, *burden_doubts(summary), *volume.notes]
        if not options.tumor:
            summary.tumor_ml = summary.tumor_burden_percent = summary.lesion_count = None
        output = CaseOutput(
            CaseResult(volume.name, summary, lesions, records, run.models, run.seconds), view.restore(labels)
        )
        if options.keep_probabilities:
            if liver is not None:
                output.probabilities["liver"] = (liver > 0).astype(np.float16)
            elif liver_probability is not None:
                output.probabilities["liver"] = view.restore(liver_probability, order=1)
            if options.tumor:
                full = np.zeros(axial.shape, np.float16) if tumor is None else tumor.full(axial.shape)
                output.probabilities["tumor"] = view.restore(full, order=1)
    progress("done", 1.0, "Done")
    return output
