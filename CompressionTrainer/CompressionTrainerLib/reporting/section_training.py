"""What was trained on what: data, splits, runs, their stages and curves."""

from __future__ import annotations

from pathlib import Path

from ..evaluation.text import number
from ..networks.config import architecture_title
from .inputs import Inputs, LoggedTraining
from .page import Figure, Section, Table, Text, slug
from .plots_training import column_of, plot_counts, plot_training
from .reported import BEST_LIVER_DICE, DICE_REMARK, OTHER_SLICES, SEGMENTATION_PAPER, TUMOR_SLICES

_TASKS = {
    "liver": "Which pixels of an axial slice are liver (tumor included)",
    "tumor": "Which pixels near the liver are tumor",
    "slice": "Whether an axial slice holds tumor",
}
_SCORES = {"liver": "dice", "tumor": "dice", "slice": "accuracy"}


def data_section(inputs: Inputs) -> Section | None:
    """How the data are divided, and how many slices have tumor."""
    blocks: list[Text | Table | Figure] = []
    for number_, rows in enumerate(inputs.counts):
        plain = [{name: int(value) if value.isdecimal() else value for name, value in row.items()} for row in rows]
        blocks += [
            Table(
                f"counts-{number_ + 1}",
                "Patients and slices of each part",
                plain,
                "A slice counts as one with tumor by its full-size mask.",
            ),
            Figure(
                f"class-counts-{number_ + 1}",
                "Axial slices with and without tumor in each part of the split.",
                plot_counts(rows),
            ),
            Text(
                f"For comparison: the classifier paper used {TUMOR_SLICES + OTHER_SLICES} slices, {TUMOR_SLICES} of "
                "them with tumor (62 %), chosen by a rule that it does not give."
            ),
        ]
    rows = [
        _split_row(run) for run in inputs.runs if run.stage not in ("quantization-aware training", "gradual pruning")
    ]
    if rows:
        blocks.append(
            Table(
                "splits",
                "Cases that each run saw",
                rows,
                "Training learns from the first, thresholds and epochs are chosen on the second.",
            )
        )
    return Section("Data", blocks) if blocks else None


def training_section(inputs: Inputs) -> Section | None:
    """Every run, and the curves through all stages that led to each network."""
    if not inputs.runs:
        return None
    blocks: list = [Table("runs", "Training runs", [_run_row(run) for run in inputs.runs], _RUNS_NOTE)]
    for run in _ends(inputs.runs):
        workflow = _stages_to(run, inputs.runs)
        score = _SCORES[run.record["config"]["task"]]
        what = "Loss and accuracy" if score == "accuracy" else "Loss and Dice"
        path = f"{run.name}"
        if len(workflow) > 1:
            path += ", by way of " + ", ".join(
                f"({place}) {each.stage} ({each.name})" for place, each in enumerate(workflow, start=1)
            )
        caption = f"{what} by epoch of {path}. Training figures are those of augmented slices."
        blocks.append(
            Figure(f"training-{slug(run.name)}", caption, plot_training([each.log for each in workflow], score))
        )
    dice = [run for run in inputs.runs if run.record["config"]["task"] == "liver" and run.stage == "training"]
    for run in dice:
        blocks += [_dice_table(run)]
    if dice:
        blocks += [Text(f"Reported: {DICE_REMARK}", "note"), Text(SEGMENTATION_PAPER)]
    return Section("Training", [block for block in blocks if block is not None])


_RUNS_NOTE = (
    "Best: the highest validation figure of an epoch, on the network's own canvas and before any threshold was chosen; "
    "a network chosen by it looks better on these patients than on others. Quantization-aware training rounds to 8 "
    "bits while it trains."
)


def _split_row(run: LoggedTraining) -> dict:
    cases = run.record["cases"]
    return {
        "run": run.name,
        "split": run.record["split"],
        "training cases": len(cases["train"]),
        "validation cases": len(cases["val"]),
        "trained on": _listed(cases["train"]),
        "chosen on": _listed(cases["val"]),
    }


def _run_row(run: LoggedTraining) -> dict:
    config = run.record["config"]
    network, optimizer, score = config["network"], config["optimizer"], _SCORES[config["task"]]
    column = column_of(run.log, score, "val_")
    best = "–"
    if column:
        scores = [epoch.get(column, float("-inf")) for epoch in run.log]
        best = f"{number(max(scores))} (epoch {scores.index(max(scores)) + 1})"
    return {
        "run": run.name,
        "stage": run.stage,
        "question": _TASKS[config["task"]],
        "network": _network(config["task"], network),
        "input": "{} x {} px of {} mm".format(*config["input"]["size"], config["input"].get("spacing_mm", "?")),
        "start": _start(run),
        "slices an epoch": config["sampling"]["slices"],
        "batch": optimizer["batch"],
        "epochs": len(run.log),
        "best validation": best,
    }


def _network(task: str, network: dict) -> str:
    slim = ", slimmed" if network.get("channels") else ""
    return f"{architecture_title(task, network)}, width {network['width']:g}{slim}"


def _start(run: LoggedTraining) -> str:
    if run.stage != "training":
        return "the stage before"
    if run.record.get("start"):
        return f"weights of {Path(run.record['start']).parent.name}"
    return "ImageNet weights" if run.record.get("imagenet") else "random weights"


def _dice_table(run: LoggedTraining) -> Table | None:
    """Dice by epoch as paper B tabulates it."""
    columns = {part: column_of(run.log, "dice", prefix) for part, prefix in (("training", ""), ("validation", "val_"))}
    if None in columns.values():
        return None
    shown = sorted({0, 1, 3, *range(4, len(run.log), 5), len(run.log) - 1} & set(range(len(run.log))))
    rows = [
        {"epoch": epoch + 1, **{part: number(run.log[epoch].get(column)) for part, column in columns.items()}}
        for epoch in shown
    ]
    rows = [{"source": "ours", **row} for row in rows]
    rows.append({"source": "reported", "epoch": 20, "training": "–", "validation": number(BEST_LIVER_DICE)})
    return Table(
        f"dice-by-epoch-{slug(run.name)}",
        f"Liver Dice by epoch, after the segmentation paper's table: {run.name}",
        rows,
    )


def _before(run: LoggedTraining, runs: list[LoggedTraining]) -> LoggedTraining | None:
    """The stage that a run continues from, where it is among the runs."""
    inner = {each.folder.name: each for each in runs if each.folder.parent == run.folder}
    if "gradual" in inner:
        return inner["gradual"]
    if run.stage == "quantization-aware training":
        return next((each for each in runs if each.folder == run.folder.parent), None)
    if not run.record.get("start") or run.stage == "distillation":
        return None
    start = Path(run.record["start"]).parent
    others = [each for each in runs if each is not run and each.folder not in (run.folder, run.folder.parent)]
    same = [each for each in others if each.folder.resolve() == start.resolve()]
    same = same or [each for each in others if each.folder.name == start.name]  # the folders were moved
    return same[0] if len(same) == 1 else None


def _stages_to(run: LoggedTraining, runs: list[LoggedTraining]) -> list[LoggedTraining]:
    path = [run]
    while (earlier := _before(path[0], runs)) is not None and earlier not in path:
        path.insert(0, earlier)
    return path


def _ends(runs: list[LoggedTraining]) -> list[LoggedTraining]:
    """The runs that none continues from."""
    before = [_before(run, runs) for run in runs]
    return [run for run in runs if not any(run is each for each in before)]


def _listed(cases: list) -> str:
    return ", ".join(map(str, cases)) if len(cases) <= 30 else f"{len(cases)} cases"
