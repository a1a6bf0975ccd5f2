"""Size, sparsity and speed of the models, and the classifier paper's tables with ours beside the reported numbers."""

from __future__ import annotations

from ..evaluation.text import interval, number
from .inputs import Inputs, cross_validated
from .models import ModelFacts, model_facts
from .page import Figure, Section, Table, Text
from .plots_models import plot_bars, plot_pareto
from .reported import BASELINES, CLASSIFIER_PAPER, SPLIT_REMARK, STAGES, Reported
from .section_accuracy import FIGURES
from .section_folds import fold_figures


def models_section(inputs: Inputs) -> Section | None:
    """Everything about the files, in figures and as measured."""
    models = model_facts(inputs)
    if not models:
        return None
    text = (
        "Zeros are stored like any other number, so that a pruned file is smaller only after it has been compressed "
        "(gzip). Speed is that of one slice at a time, and depends on what runs the network at least as much as on the "
        "network."
    )
    blocks: list = [Text(text)]
    measured = [model for model in models if model.mib is not None]
    if measured:
        caption = (
            "Our files, and hatched what the classifier paper reports of its own (another machine, other test slices)."
        )
        blocks.append(Figure("variants", caption, plot_bars(models, list(STAGES))))
    both = [
        (model.name, model.mib, model.auc)
        for model in models
        if model.mib is not None and model.auc and model.auc["value"] is not None
    ]
    if len(both) > 1:
        caption = (
            "AUC over the size of the file, with 95 % intervals by patient; the gray line joins the best of each size."
        )
        blocks.append(Figure("pareto", caption, plot_pareto(both)))
    for place, benchmark in enumerate(inputs.benchmarks, start=1):
        note = (
            f"{benchmark['processor']}, {benchmark['cores']} cores; {benchmark['date']}; median and 90th percentile "
            "over all timed slices."
        )
        blocks.append(
            Table(f"benchmark-{place}", "Measured, file by file", [_speed_row(row) for row in benchmark["rows"]], note)
        )
    return Section("Size and speed of the models", blocks)


def paper_section(inputs: Inputs) -> Section | None:
    """The classifier paper's Tables 1 to 4 made again: accuracy, size, speed, other networks."""
    models = model_facts(inputs)
    if not models:
        return None
    accuracy = [_accuracy_row(name, model) for name, model in _compared(inputs).items()]
    blocks: list = [
        Text(
            "The paper's numbers are given as reported, in italics, with what they really are; ours are of this page's "
            "own runs. The two were not measured on the same slices or machines."
        ),
        Text(f"Reported accuracy: {SPLIT_REMARK}", "note"),
    ]
    if accuracy:
        note = (
            "Reported ones were recalculated from the paper's confusion matrices, with the interval that slices would "
            "have if they were independent (they are not); ours resample patients."
        )
        blocks.append(Table("paper-accuracy", "Accuracy", [*accuracy, *map(_reported_accuracy, STAGES)], note))
    sizes = [_size_row(model, model.mib) for model in models if model.mib is not None]
    if sizes:
        blocks.append(Table("paper-size", "Size and zeros", [*sizes, *map(_reported_size, STAGES)]))
    speeds = [_fps_row(model, model.fps) for model in models if model.fps is not None]
    if speeds:
        blocks.append(Table("paper-speed", "Speed", [*speeds, *map(_reported_speed, STAGES)]))
    if accuracy:
        rows = [_baseline_row(name, model) for name, model in _compared(inputs).items()]
        theirs = [
            {
                "source": "reported",
                "model": base.name,
                "accuracy": number(base.accuracy),
                "AUC": "–",
                "what it is": base.remark,
            }
            for base in BASELINES
        ]
        blocks.append(Table("paper-baselines", "Other networks (the paper's Table 4)", [*rows, *theirs]))
    return Section("The classifier paper's tables, made again", [*blocks, Text(CLASSIFIER_PAPER)])


def _compared(inputs: Inputs) -> dict[str, dict]:
    """The figures of the models of all patient-wise comparisons, by name; of one that has folds, over all of them."""
    patient_wise = [each.content for each in inputs.comparisons if each.content["about"]["kind"] != "slice"]
    folds = {name: fold_figures(name, own) | {"subset": "test"} for name, own in cross_validated(inputs).items()}
    figures = {
        name: model | {"subset": content["about"]["subset"]}
        for content in patient_wise
        for name, model in content["models"].items()
    }
    return figures | folds


def _accuracy_row(name: str, model: dict) -> dict:
    slices = sum(model["confusion"].values())
    about = {"source": "ours", "model": name, "split by": "patient", "slices": f"{slices} {model['subset']}"}
    return about | {header: interval(model[key]) for header, key in FIGURES.items() if header != "AUC"}


def _reported_accuracy(stage: Reported) -> dict:
    half = 1.96 * (stage.accuracy * (1 - stage.accuracy) / stage.test_slices) ** 0.5
    return {
        "source": "reported",
        "model": stage.name,
        "split by": "slice",
        "slices": f"{stage.test_slices} test",
        "accuracy": f"{number(stage.accuracy)} ({number(stage.accuracy - half)} to {number(stage.accuracy + half)})",
        "precision": number(stage.precision),
        "recall": number(stage.recall),
        "specificity": number(stage.specificity),
        "F1": number(stage.f1),
    }


def _size_row(model: ModelFacts, mib: float) -> dict:
    return {
        "source": "ours",
        "model": model.name,
        "MiB": f"{mib:.2f}",
        "MB": f"{mib * 2**20 / 1e6:.2f}",
        "MiB after gzip": number(model.gzip_mib, 2),
        "MiB with Adam's state": number(model.optimizer_mib, 2),
        "zeros": f"{model.sparsity:.1%}",
        "what it is": "",
    }


def _reported_size(stage: Reported) -> dict:
    unknown = dict.fromkeys(("MB", "MiB after gzip", "MiB with Adam's state"), "–")
    row = {"source": "reported", "model": stage.name, "MiB": f"{stage.mib:.2f}", **unknown}
    return row | {"zeros": f"{stage.sparsity:.1%}", "what it is": stage.remark}


def _fps_row(model: ModelFacts, fps: float) -> dict:
    return {
        "source": "ours",
        "model": model.name,
        "slices a second": number(fps, 1),
        "ms a slice": number(1000 / fps, 1),
        "run by": f"{model.runtime}, {model.threads} thread{'' if model.threads == 1 else 's'}",
    }


def _reported_speed(stage: Reported) -> dict:
    row = {
        "source": "reported",
        "model": stage.name,
        "slices a second": number(stage.fps, 2),
        "ms a slice": number(1000 / stage.fps, 1),
    }
    return row | {"run by": stage.speed_remark}


def _baseline_row(name: str, model: dict) -> dict:
    return {
        "source": "ours",
        "model": name,
        "accuracy": interval(model["accuracy"]),
        "AUC": interval(model["auc"]),
        "what it is": "",
    }


def _speed_row(row: dict) -> dict:
    return {
        "file": row["file"],
        "run by": f"{row['runtime']} ({row['delegate']})",
        "threads": row["threads"],
        "MiB": round(row["mib"], 2),
        "weights": row["weights"],
        "zeros": f"{row['sparsity']:.1%}",
        "ms": round(row["median_ms"], 2),
        "90 % below (ms)": round(row["p90_ms"], 2),
        "slices a second": round(row["fps"], 1),
        "first result (s)": round(row["first_result_s"], 2),
        "peak memory (MB)": "–" if row["peak_mb"] is None else round(row["peak_mb"]),
    }
