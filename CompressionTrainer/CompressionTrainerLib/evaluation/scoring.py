"""Run the pipeline on one labeled case and measure it, in this process or in a worker of a cluster."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from LiverTumorLib.cluster.connection import ClusterSettings, connected
from LiverTumorLib.cluster.distribution import distribute
from LiverTumorLib.cluster.tasks import check_models
from LiverTumorLib.errors import LiverTumorError
from LiverTumorLib.models.catalogue import get_bundle
from LiverTumorLib.pipelines.segmentation import segment_case
from LiverTumorLib.records.options import RunOptions

from ..data.anatomy import anatomy_notes
from ..data.labeled import read_case_apart
from ..data.splits import LabeledCase
from .agreement import compare_runs, segmented
from .case import CaseScores, Parts, score_case
from .pictures import draw_slices

PICTURES = "pictures"


@dataclass(frozen=True)
class NumberedCase:
    """A case and its place among those that are evaluated, from 0."""

    number: int
    case: LabeledCase


@dataclass(frozen=True)
class Scoring:
    """What is done with every case.

    Attributes:
        options: what it is run with.
        twins: models of the float twins, by their field of RunOptions.
        true_liver: the mask's liver is taken instead of the one that is found.
        complete: a mask without label 2 is one of a patient without tumor, so that tumor can be measured.
        slices: how many slices are drawn.
        out: folder of the evaluation.
    """

    options: RunOptions
    twins: Mapping[str, str]
    true_liver: bool
    complete: bool
    slices: int
    out: Path

    def models(self) -> list[str]:
        """The models that are run, beside the float twins."""
        options = self.options
        used = (
            (options.liver_model, not self.true_liver),
            (options.tumor_model, options.tumor),
            (options.slice_model, options.slices),
        )
        return [model for model, is_used in used if is_used]

    def picture(self, number: int) -> Path | None:
        """Where slices of a case are drawn; None where none are."""
        return self.out / PICTURES / f"{number + 1:03d}.png" if self.slices > 0 else None


def score(scoring: Scoring, numbered: NumberedCase, tell: Callable[[float, str], None]) -> CaseScores:
    """Run one case, hold it against its truth, and draw slices of it; `tell` is told how much of that is done.

    Raises InputError for a case that cannot be used, and what the pipeline raises.
    """
    case, options = numbered.case, scoring.options
    labeled = read_case_apart(case)
    volume, truth = labeled.volume, labeled.labels
    liver = (truth > 0).astype(np.uint8) if scoring.true_liver else None
    runs = [options]
    if scoring.twins:
        kept = replace(options, keep_probabilities=True)
        runs = [kept, with_models(kept, scoring.twins)]
    outputs = []
    for place, each in enumerate(runs):

        def progress(stage: str, fraction: float, message: str, place: int = place) -> None:
            tell((place + fraction) / len(runs), message)

        outputs.append(segment_case(volume, each, progress, liver=liver))
    agreement = compare_runs(outputs[0], outputs[1], truth) if scoring.twins else None
    doubtful = [f"{problem.what}; {problem.remedy}." for problem in anatomy_notes(case, labeled)]
    notes = list(dict.fromkeys([*doubtful, *outputs[0].result.summary.notes]))
    if picture := scoring.picture(numbered.number):
        draw_slices(picture, volume, segmented(outputs[0]), truth, scoring.slices)
    is_labeled = case.holds != "liver" and (scoring.complete or bool((truth == 2).any()))
    parts = Parts(
        liver=not scoring.true_liver, tumor=options.tumor and is_labeled, slices=options.slices and is_labeled
    )
    return replace(score_case(outputs[0], truth, volume, case.patient, parts, agreement), notes=notes)


def score_on_cluster(
    scoring: Scoring, cases: Sequence[NumberedCase], settings: ClusterSettings, say: Callable[[str], None]
) -> Iterator[tuple[NumberedCase, CaseScores | LiverTumorError]]:
    """`score` as tasks of a cluster, whose workers see the files under the same paths: each case as it ends, with its
    scores or the error it failed with. Raises what `connected` and `distribute` raise."""
    options = replace(scoring.options, threads=scoring.options.threads or 1)
    alike = replace(scoring, options=options, out=scoring.out.absolute())
    absolute = [replace(each, case=_absolute(each.case)) for each in cases]
    run = uuid.uuid4().hex
    with connected(settings, say, len(cases)) as client:
        shared = alike, _described(alike)
        yield from distribute(client, _score_in_worker, shared, absolute, lambda each: f"score-{each.number}-{run}")


def _absolute(case: LabeledCase) -> LabeledCase:
    return replace(case, ct=case.ct.absolute(), mask=case.mask and case.mask.absolute())


def _score_in_worker(shared: tuple[Scoring, list[dict]], numbered: NumberedCase) -> CaseScores:
    scoring, models = shared
    check_models(_described(scoring), models)
    return score(scoring, numbered, lambda fraction, message: None)


def _described(scoring: Scoring) -> list[dict]:
    return [get_bundle(model).describe() for model in (*scoring.models(), *scoring.twins.values())]


def with_models(options: RunOptions, models: Mapping[str, str]) -> RunOptions:
    """The options with other models, by their fields."""
    changes: dict[str, Any] = dict(models)
    return replace(options, **changes)
