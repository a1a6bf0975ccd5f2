"""The sections of the report in their order, and what stands at its beginning and end."""

from __future__ import annotations

from datetime import UTC, datetime

from ..provenance import code_of
from .inputs import Inputs, LoggedTraining
from .page import Section, Table, Text
from .section_accuracy import agreement_section, pictures_section, segmentation_section, slices_section
from .section_cross_validation import cross_validation_section
from .section_folds import folds_section, leak_section
from .section_models import models_section, paper_section
from .section_network import network_section
from .section_training import data_section, training_section

_LIMITS = (
    "Intervals say how much the figures would change with other patients of the same kind. They say nothing about "
    "other scanners, countries and diseases than those in the data.",
    (
        "With few test patients the intervals are wide, and a figure inside another's interval does not prove that the "
        "two are equal."
    ),
    "Validation figures were used to choose epochs, thresholds and settings, so they are optimistic. Only those of "
    "test patients, who took part in no choice, tell what to expect; where this page gives others, it says so.",
    (
        "A lesion is whatever the readers of the data set marked as tumor: metastases, primary tumors and cysts are "
        "not told apart."
    ),
    "Speed and memory hold for the machine they were measured on.",
)


def make_sections(inputs: Inputs) -> list[Section]:
    """All sections for which there is something to say."""
    made = [
        _summary(inputs),
        data_section(inputs),
        training_section(inputs),
        cross_validation_section(inputs),
        segmentation_section(inputs),
        slices_section(inputs),
        leak_section(inputs),
        folds_section(inputs),
        models_section(inputs),
        network_section(inputs),
        agreement_section(inputs),
        paper_section(inputs),
        pictures_section(inputs),
        Section("Limits", [Text(text) for text in _LIMITS]),
        _provenance(inputs),
    ]
    return [section for section in made if section is not None]


def about(inputs: Inputs) -> dict:
    """What stands under the title: the lead, and the date."""
    what = {
        "training run": len(inputs.runs),
        "cross-validation": len(inputs.cross_validations),
        "evaluation on labeled CT": len(inputs.evaluations),
        "comparison of networks": len(inputs.comparisons),
        "benchmark": len(inputs.benchmarks),
    }
    plural = {
        "evaluation on labeled CT": "evaluations on labeled CT",
        "comparison of networks": "comparisons of networks",
    }
    parts = [f"{count} {name if count == 1 else plural.get(name, name + 's')}" for name, count in what.items() if count]
    lead = (
        "Networks that find the liver and its tumors on CT, how they were trained and made smaller, and how good and "
        "how fast they are."
    )
    if parts:
        lead += f" Made from {', '.join(parts)}."
    return {"lead": lead, "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}


def _summary(inputs: Inputs) -> Section:
    texts = [
        "A CT scan is a stack of axial slices. One small network says which pixels are liver, a second which of those "
        "are tumor, and a third, on its own, whether a slice holds tumor at all. Each is trained as an ordinary "
        "(float) network and then rounded to 8-bit numbers, so that it is small and runs without a graphics card.",
        "Patients are divided before anything is trained: those a network learns from, those on whom settings are "
        "chosen (validation), and those who are only measured (test). Figures in brackets are 95 % intervals, made by "
        "drawing whole patients again and again.",
        (
            "Numbers marked 'reported' are other people's, copied from their papers. All others were measured by the "
            "commands at the end."
        ),
    ]
    return Section("How to read this page", [Text(text) for text in texts])


def _provenance(inputs: Inputs) -> Section | None:
    blocks: list = []
    measured = [("evaluation", each.content) for each in inputs.evaluations]
    # Earlier versions kept the commit of a cross-validation only.
    measured += [
        ("cross-validation", {"title": each.name, **each.content})
        for each in inputs.cross_validations
        if "provenance" in each.content
    ]
    measured += [("comparison", each.content) for each in inputs.comparisons]
    rows = [_measurement_row(what, content["title"], content["provenance"]) for what, content in measured]
    if rows:
        blocks.append(Table("provenance", "Measurements", rows))
    models = [model for _, content in measured for model in content["provenance"]["models"]]
    if models:
        distinct = {(model["id"], model["version"], model["sha256"]): model for model in models}
        blocks.append(Table("models", "Models measured", [_model_row(model) for model in distinct.values()]))
    if inputs.runs:
        blocks.append(Table("run-provenance", "Training runs", [_run_row(run) for run in inputs.runs]))
    return Section("How to reproduce it", blocks) if blocks else None


def _measurement_row(what: str, title: str, provenance: dict) -> dict:
    changed = " with changes" if provenance["uncommitted_changes"] else ""
    return {
        "what": what,
        "title": title,
        "date": provenance["date"],
        "code": code_of(provenance, 12) + changed,
        "command": provenance["command"],
    }


def _model_row(model: dict) -> dict:
    return {"model": model["id"], "version": model["version"], "SHA-256": model["sha256"][:16]}


def _run_row(run: LoggedTraining) -> dict:
    versions = run.record.get("versions", {})
    return {
        "run": run.name,
        "seed": str(run.record["config"].get("seed", "–")),
        "code": code_of(run.record, 12),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "machine": run.record.get("machine", "–"),
    }
