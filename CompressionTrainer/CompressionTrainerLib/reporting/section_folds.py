"""What several divisions of the same data show: slice-wise against patient-wise, and networks over all folds of a
cross-validation."""

from __future__ import annotations

from ..evaluation.summary import slice_figures
from ..evaluation.text import interval, number
from .inputs import ComparedModels, Inputs, Scores, both_kinds, cross_validated, pool, tested
from .page import Section, Table, Text
from .reported import SPLIT_REMARK
from .section_accuracy import INTERVALS, curve_figure


def leak_section(inputs: Inputs) -> Section | None:
    """Slice-wise beside patient-wise, where both were measured."""
    if not both_kinds(inputs):
        return None
    rows, pooled = [], {}
    for kind in ("slice", "patient"):
        own = [each for each in tested(inputs) if each.content["about"]["kind"] == kind]
        for comparison in own:
            for name, model in comparison.content["models"].items():
                rows.append(
                    {"divided by": kind, "test slices": comparison.content["title"], "model": name} | _cells(model)
                )
        pooled[f"divided by {kind}"] = scores = pool([next(iter(each.scores.values())) for each in own])
        if len(own) > 1:
            cells = _cells(_figures(scores, own))
            rows.append(
                {"divided by": kind, "test slices": "all of these together", "model": "the first of each"} | cells
            )
    text = (
        "The same kind of network, tested in two ways. Divided by slice, every patient of the test slices was also "
        "trained on: the network meets neighbors of slices that it knows. Divided by patient, all test patients are "
        "new to it, as they are in use. The difference is what the first way flatters; only the second says what to "
        "expect."
    )
    blocks: list = [Text(text), Table("leak", "Slice-wise and patient-wise", rows, INTERVALS)]
    blocks += curve_figure("curves-leak", pooled, "The first model of each, all test slices together")
    blocks.append(Text(f"Reported: {SPLIT_REMARK}", "note"))
    return Section("What dividing by slice hides", blocks)


def fold_figures(name: str, folds: list[ComparedModels]) -> dict:
    """A model's figures over the slices that hold liver of all folds' test patients."""
    return _figures(_together(name, folds), folds)


def folds_section(inputs: Inputs) -> Section | None:
    """Networks that were trained and measured on several folds, each over the test patients of all of them."""
    folds = cross_validated(inputs)
    if not folds:
        return None
    pooled = {name: _together(name, own) for name, own in folds.items()}
    rows = []
    for name, own in folds.items():
        each = ", ".join(number(comparison.content["models"][name]["auc"]["value"]) for comparison in own)
        rows.append(
            {
                "network": name,
                "patients": len(set(pooled[name].patient)),
                **_cells(_figures(pooled[name], own)),
                "AUC of each fold": each,
            }
        )
    text = (
        "Each fold's network was trained without the patients that it is measured on here, so that all patients "
        "together are a test. The folds together can be worse than each alone, since each fold's network puts its "
        "patients at another level."
    )
    blocks: list = [Text(text), Table("folds", "Networks over all folds, slices that hold liver", rows, INTERVALS)]
    return Section(
        "Cross-validation by patient",
        [*blocks, *curve_figure("curves-folds", pooled, "All folds' test slices together")],
    )


def _together(name: str, folds: list[ComparedModels]) -> Scores:
    return pool([each.scores[name] for each in folds])


def _figures(scores: Scores, comparisons: list[ComparedModels]) -> dict:
    return slice_figures(scores.by_patient(liver_only=True), comparisons[0].content["threshold"])


def _cells(figures: dict) -> dict:
    return {"AUC": interval(figures["auc"]), "accuracy": interval(figures["accuracy"])}
