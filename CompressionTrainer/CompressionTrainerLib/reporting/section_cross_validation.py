"""What `livertumor cross-validate` found: pooled figures, each patient, lesions by size, and the operating point."""

from __future__ import annotations

from ..evaluation.out_of_fold import FALSE_TUMOR_ML
from ..evaluation.text import interval, number
from .inputs import CrossValidation, Inputs
from .page import Figure, Section, Table, Text
from .plots_cases import plot_dice
from .plots_cross_validation import plot_plane
from .section_accuracy import INTERVALS

_POINTS = {"chosen": "chosen", "one_threshold": "best with one threshold", "half": "one threshold of 0.5"}
_KINDS = {"liver": "liver network", "tumor": "tumor network", "slice": "slice classifier"}
_ABOUT = (
    "The patients are divided into folds, and a network is trained once without each fold. Every patient is then "
    "measured by the network that has not seen this person, on the network's own canvas (tumor: in the true liver), "
    "so these are not figures of the whole pipeline. The operating point is chosen on all these patients together, so "
    "at this point the figures are a little too good."
)


def cross_validation_section(inputs: Inputs) -> Section | None:
    """The folders of `livertumor cross-validate`, one after the other."""
    if not inputs.cross_validations:
        return None
    blocks: list[Text | Table | Figure] = [Text(_ABOUT)]
    for place, found in enumerate(inputs.cross_validations, start=1):
        blocks += _slice_blocks(place, found) if found.task == "slice" else _blocks(place, found)
    return Section("Patients held out", blocks)


def _slice_blocks(place: int, found: CrossValidation) -> list[Text | Table | Figure]:
    """Those of a slice classifier."""
    figures = found.content["slices"]
    confusion = figures["confusion"]
    row = {
        "threshold": f"{figures['threshold']:.2f}",
        "slices that hold liver": str(figures["slices"]),
        "with tumor": str(confusion["tp"] + confusion["fn"]),
        "AUC": interval(figures["auc"]),
        "accuracy": interval(figures["accuracy"]),
        "sensitivity": interval(figures["sensitivity"]),
        "specificity": interval(figures["specificity"]),
    }
    title = f"{found.name}: all patients held out"
    return [
        Text(_counted(found)),
        Table(f"held-out-{place}", title, [row], f"At the threshold that was chosen on all of them. {INTERVALS}"),
        Table(f"held-out-cases-{place}", f"Cases held out: {found.name}", [_slices_row(row) for row in found.cases]),
    ]


def _blocks(place: int, found: CrossValidation) -> list[Text | Table | Figure]:
    content, task = found.content, found.task
    points, chosen = content["points"], content["points"]["chosen"]
    blocks: list[Text | Table | Figure] = [Text(_counted(found))]
    names = _POINTS if task == "tumor" else ("chosen", "half")  # for the liver all have one threshold
    rows = [_point_row(_POINTS[name], points[name], task) for name in names]
    blocks.append(
        Table(f"held-out-{place}", f"{found.name}: all patients held out", rows, f"{_score_words(task)} {INTERVALS}")
    )
    if task == "tumor":
        caption = (
            f"{found.name}: a pixel belongs to a region from the low threshold on, and a region counts only where it "
            f"reaches the high one somewhere. Chosen: {chosen['threshold']:g} and {chosen['sure']:g}."
        )
        blocks.append(Figure(f"plane-{place}", caption, plot_plane(content["plane"], points)))
    caption = (
        f"{found.name}: Dice of each case at the chosen operating point; dashed the mean, shaded its 95 % interval."
    )
    blocks.append(Figure(f"held-out-dice-{place}", caption, plot_dice(_as_cases(found), {task: chosen["mean_dice"]})))
    blocks.append(
        Table(f"held-out-cases-{place}", f"Cases held out: {found.name}", [_case_row(row, task) for row in found.cases])
    )
    if task == "tumor" and chosen["lesions_by_size"]:
        sizes = [_size_row(size, counts) for size, counts in chosen["lesions_by_size"].items()]
        blocks.append(
            Table(f"held-out-lesions-{place}", f"Lesions by size, at the chosen operating point: {found.name}", sizes)
        )
    return blocks


def _counted(found: CrossValidation) -> str:
    """How many folds and patients the figures are of; folds that are still to be done are named."""
    folds = found.content["folds"]
    chosen = found.content["slices"] if found.task == "slice" else found.content["points"]["chosen"]
    done = found.content.get("folds_done", [])  # earlier versions did not say
    counted = f"{chosen['cases']} cases of {chosen['patients']} patients"
    text = f"{found.name}: a {_KINDS[found.task]}, {counted}, {folds} folds."
    if done and len(done) < folds:
        text += f" Only the folds {', '.join(map(str, done))} are done so far; the figures are of their patients."
    return text


def _score_words(task: str) -> str:
    score = "The score is the mean of the patients' Dice"
    if task == "tumor":
        score += f"; a patient without tumor counts 1 where nothing is found, falling to 0 at {FALSE_TUMOR_ML:g} ml"
    return f"{score}."


def _point_row(title: str, point: dict, task: str) -> dict:
    low, high = f"{point['threshold']:g}", f"{point['sure']:g}"
    thresholds = {"low threshold": low, "high threshold": high} if task == "tumor" else {"threshold": low}
    row = {
        "operating point": title,
        **thresholds,
        "score": number(point["score"]),
        "Dice": interval(point["mean_dice"]),
    }
    if task == "tumor":
        row |= {
            "lesions found": interval(point["share_of_lesions_found"]),
            "lesions of 1 ml or more found": interval(point["share_of_lesions_from_1_ml_found"]),
            "extra lesions": str(point["extra_lesions"]),
        }
    invented = point["false_ml_without_truth"]
    total = f"{sum(invented.values()):.1f} ml in {len(invented)} case{'s' if len(invented) > 1 else ''}"
    return row | {f"false positives in cases without {task}": total if invented else "–"}


def _as_cases(found: CrossValidation) -> list[dict]:
    """The cases as evaluation.json has them, whose Dice `plot_dice` draws."""
    named = {"dice": "dice", "truth_ml": "true_ml", "predicted_ml": "predicted_ml"}
    return [
        {"case": row["case"]} | {f"{found.task}_{name}": _value(row[column]) for name, column in named.items()}
        for row in found.cases
    ]


def _case_row(row: dict, task: str) -> dict:
    cells = {
        "case": row["case"],
        "patient": row["patient"],
        "Dice": number(_value(row["dice"])) if row["dice"] else "none there",
        "true (ml)": number(_value(row["true_ml"]), 1),
        "found (ml)": number(_value(row["predicted_ml"]), 1),
        "false positive (ml)": number(_value(row["false_ml"]), 1),
    }
    return cells | ({"extra lesions": row["extra"]} if task == "tumor" else {})


def _slices_row(row: dict) -> dict:
    return {
        "case": row["case"],
        "patient": row["patient"],
        "slices that hold liver": row["slices"],
        "with tumor": row["tumor_slices"],
        "found": row["found"],
        "false alarms": row["false_alarms"],
        "AUC": number(_value(row["auc"])) if row["auc"] else "all alike",
    }


def _size_row(size: str, counts: dict) -> dict:
    share = counts["found"] / counts["true"]
    return {
        "size": size,
        "lesions": counts["true"],
        "found": counts["found"],
        "touched": counts["touched"],
        "share found": f"{share:.0%}",
    }


def _value(text: str) -> float | None:
    return float(text) if text else None
