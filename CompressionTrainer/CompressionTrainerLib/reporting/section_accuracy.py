"""How good the models are: slices, segmentation, int8 against float."""

from __future__ import annotations

from LiverTumorLib.metrics import Counts, precision_recall_curve, reliability, roc_curve

from ..evaluation.report import HD95
from ..evaluation.text import interval, number, one_answer
from .drawing import png_uri
from .inputs import Evaluation, Inputs, Scores, both_kinds, cross_validated
from .page import Figure, Section, Table, Text
from .plots_cases import plot_dice, plot_lesions
from .plots_slices import MOST_BANDS, MOST_CURVES, plot_confusion, plot_curves, plot_reliability

FIGURES = {
    "AUC": "auc",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "sensitivity",
    "specificity": "specificity",
    "F1": "dice",
}
_MOST_PICTURES = 8
_EFFICIENCY = (
    "Efficiency is the segmentation paper's (sensitivity + specificity + accuracy) / 3, which the background dominates."
)
INTERVALS = "In brackets: 95 % intervals that resample whole patients, since slices of one patient are alike."


def slices_section(inputs: Inputs) -> Section | None:
    """Slice classification: of the whole pipeline (evaluations), and of networks alone (comparisons)."""
    evaluations = [
        evaluation for evaluation in inputs.evaluations if "slices_with_liver" in evaluation.content["summary"]
    ]
    # Folds, each of one network, stand in sections of their own.
    elsewhere, folds = both_kinds(inputs), cross_validated(inputs)
    comparisons = [
        each
        for each in inputs.comparisons
        if len(each.scores) > 1 or not (elsewhere or each.scores.keys() <= folds.keys())
    ]
    if not evaluations and not comparisons:
        return None
    blocks: list = [
        Text(
            "The question is whether an axial slice holds any tumor. The answer is a probability; from a threshold on "
            "it counts as yes."
        )
    ]
    if evaluations:
        rows = [row for evaluation in evaluations for row in _pipeline_rows(evaluation)]
        blocks.append(Table("slices", "Slices, by the whole pipeline", rows, INTERVALS))
    for place, comparison in enumerate(comparisons, start=1):
        content = comparison.content
        rows = [{"model": name} | _figure_cells(model) for name, model in content["models"].items()]
        note = (
            f"{content['slices']} slices that hold liver, of {content['patients']} patients; {content['tumor_slices']} "
            "of them with tumor. "
        )
        note += f"Threshold {number(content['threshold'], 2)}. {INTERVALS}"
        blocks.append(
            Table(f"networks-{place}", f"Networks alone, all on the same slices: {content['title']}", rows, note)
        )
        title = f"Networks alone: {content['title']}"
        blocks += curve_figure(f"curves-networks-{place}", comparison.scores, title)
        blocks.append(_confusion_figure(f"confusion-networks-{place}", title, content["models"], content["threshold"]))
        blocks += _alike(content["models"])
    for place, evaluation in enumerate(evaluations, start=1):
        blocks += _evaluation_figures(place, evaluation)
    return Section("Slices with and without tumor", blocks)


def segmentation_section(inputs: Inputs) -> Section | None:
    """Liver, tumor and lesions of each evaluation."""
    evaluations = [each for each in inputs.evaluations if each.content["summary"].keys() & {"liver", "tumor"}]
    if not evaluations:
        return None
    rows = [_segmentation_row(evaluation) for evaluation in evaluations]
    text = (
        "Dice compares two regions: 1 is the same voxels, 0 is none in common. It is taken for each case and then "
        f"averaged. {HD95} A lesion counts as found when half of it is covered and the overlap is half of what truth "
        "and prediction cover together; touched is any overlap."
    )
    blocks: list = [Text(text), Table("segmentation", "Segmentation, averaged over cases", rows, INTERVALS)]
    for place, evaluation in enumerate(evaluations, start=1):
        summary, cases = evaluation.content["summary"], evaluation.content["cases"]
        means = {name: summary[name]["mean_dice"] for name in ("liver", "tumor") if name in summary}
        caption = f"{evaluation.title}: Dice by case; dashed the mean, shaded its 95 % interval."
        blocks.append(Figure(f"dice-{place}", caption, plot_dice(cases, means)))
        blocks.append(
            Table(f"cases-{place}", f"Cases: {evaluation.title}", [_case_row(case) for case in cases], _EFFICIENCY)
        )
        if evaluation.lesions:
            caption = (
                f"{evaluation.title}: true lesions by size, how many of them were found, and extra ones where there is "
                "none."
            )
            blocks.append(Figure(f"lesions-{place}", caption, plot_lesions(evaluation.lesions)))
    return Section("Liver and tumor segmentation", blocks)


def agreement_section(inputs: Inputs) -> Section | None:
    """What rounding to 8 bits changes: pipelines against their float twins, networks against the first of a
    comparison."""
    blocks: list = []
    rows = []
    for evaluation in inputs.evaluations:
        if figures := evaluation.content["summary"].get("int8_against_float"):
            cells = {name.replace("_", " "): number(value) for name, value in figures.items()}
            rows.append({"evaluation": evaluation.title, **cells})
    if rows:
        note = (
            "Dice between the masks of both; dp: the largest difference of a probability anywhere; "
            "float Dice: that of the float networks with the truth."
        )
        blocks.append(Table("agreement", "The pipeline with int8 and with float networks, same weights", rows, note))
    for place, comparison in enumerate(inputs.comparisons, start=1):
        compared = {name: model.get("against_first") for name, model in comparison.content["models"].items()}
        rows = [_against_row(name, against) for name, against in compared.items() if against]
        if rows:
            first = next(iter(comparison.content["models"]))
            note = (
                "Paired on the same slices. 'No loss' takes an interval of the difference that is close to 0, not only "
                "its middle."
            )
            blocks.append(Table(f"against-{place}", f"Against {first}: {comparison.content['title']}", rows, note))
    return Section("What compression changes in the results", blocks) if blocks else None


def _against_row(name: str, against: dict) -> dict:
    return {
        "model": name,
        "same decision": f"{against['same_decision']:.2%}",
        "largest difference of a probability": number(against["largest_difference"]),
        "AUC, difference": interval(against["auc_difference"], 4),
    }


def pictures_section(inputs: Inputs) -> Section | None:
    """Slices with truth and prediction, drawn at random by the evaluation, and saliency maps."""
    blocks: list = []
    for evaluation in inputs.evaluations:
        for case, path in evaluation.pictures[:_MOST_PICTURES]:
            caption = f"{case} ({evaluation.title}): random slices; the CT, the truth (dashed), and what was found."
            blocks.append(Figure(f"picture-{len(blocks) + 1}", caption, png_uri(path)))
    for place, (folder, record) in enumerate(inputs.saliency, start=1):
        how = (
            "the probability of each cell, from which the decision is made" if record["map"] == "cells" else "Grad-CAM"
        )
        caption = (
            f"{record['run']} on slice {record['slice']} of {record['ct']}, probability of tumor "
            f"{number(record['probability'], 2)}: the input, {how}, and integrated gradients, which add up to the "
            f"probability but for {record['attribution_gap']:.1e}."
        )
        blocks.append(Figure(f"saliency-{place}", caption, png_uri(folder / record["picture"])))
    return Section("Pictures", blocks) if blocks else None


def _pipeline_rows(evaluation: Evaluation) -> list[dict]:
    summary, rows = evaluation.content["summary"], []
    for which, key in (("that hold liver", "slices_with_liver"), ("all", "slices_all")):
        figures = summary[key]
        row = {
            "evaluation": evaluation.title,
            "slices": f"{which} ({figures['slices']})",
            "patients": summary["patients"],
        }
        rows.append(row | _figure_cells(figures))
    return rows


def _figure_cells(figures: dict) -> dict:
    return {header: interval(figures[key]) for header, key in FIGURES.items()}


def _evaluation_figures(place: int, evaluation: Evaluation) -> list:
    figures, title = evaluation.content["summary"]["slices_with_liver"], evaluation.title
    blocks: list = [_confusion_figure(f"confusion-{place}", title, {"whole pipeline": figures}, figures["threshold"])]
    blocks += _alike({"The whole pipeline": figures})
    scores = evaluation.scores
    if scores and (patients := scores.by_patient(liver_only=True)):
        blocks += curve_figure(f"curves-{place}", {"whole pipeline": scores}, title)
        result = reliability(patients)
        caption = (
            f"{title}: of the slices with a probability, the share that has tumor. On the line, probabilities mean "
            f"what they say. Brier score {interval(_plain(result.brier))}, expected calibration error "
            f"{interval(_plain(result.error))}."
        )
        blocks.append(Figure(f"reliability-{place}", caption, plot_reliability(result)))
    return blocks


def _alike(figures: dict[str, dict]) -> list[Text]:
    """Notes on those that give one answer for all slices."""
    said = {
        name: one_answer(each["confusion"]["tp"] + each["confusion"]["fp"], each["slices"])
        for name, each in figures.items()
    }
    return [Text(f"{name} {same}", "note") for name, same in said.items() if same]


def _confusion_figure(name: str, title: str, figures: dict[str, dict], threshold: float | None) -> Figure:
    counts = {label: Counts(**each["confusion"]) for label, each in figures.items()}
    caption = (
        f"{title}: slices that hold liver, true against called; in each field their number and their share of the true "
        "class."
    )
    return Figure(name, caption, plot_confusion(counts, threshold))


def curve_figure(name: str, scores: dict[str, Scores], title: str) -> list:
    """Curves over the slices that hold liver; none where all slices are of one class."""
    patients = {label: each.by_patient(liver_only=True) for label, each in list(scores.items())[:MOST_CURVES]}
    roc = {label: roc_curve(groups) for label, groups in patients.items() if groups}
    roc = {label: curve for label, curve in roc.items() if curve.area.value == curve.area.value}
    if not roc:
        return []
    precision_recall = {label: precision_recall_curve(patients[label]) for label in roc}
    first = next(iter(scores.values()))
    prevalence = float(first.tumor[first.liver].mean())
    caption = f"{title}: slices that hold liver"
    caption += "; shaded the pointwise 95 % band of resampled patients." if len(roc) <= MOST_BANDS else "."
    if len(scores) > len(patients):
        caption += f" The first {len(patients)} of {len(scores)} models."
    return [Figure(name, caption, plot_curves(roc, precision_recall, prevalence))]


def _segmentation_row(evaluation: Evaluation) -> dict:
    summary = evaluation.content["summary"]
    liver, tumor, lesions = (summary.get(name, {}) for name in ("liver", "tumor", "lesions"))
    found = f"{lesions['found']} of {lesions['true']}; {lesions['extra']} extra" if lesions else "–"
    return {
        "evaluation": evaluation.title,
        "cases (patients)": f"{summary['cases']} ({summary['patients']})",
        "liver Dice": interval(liver.get("mean_dice")),
        "worst": number(liver.get("worst_dice")),
        "liver HD95 by area (mm)": interval(liver.get("mean_hd95_mm"), 1),
        "by voxels (mm)": interval(liver.get("mean_hd95_voxels_mm"), 1),
        "tumor Dice": interval(tumor.get("mean_dice")),
        "median": interval(tumor.get("median_dice")),
        "lesions found": found,
    }


def _case_row(case: dict) -> dict:
    row = {"case": str(case["case"])}
    for name in ("liver", "tumor"):
        row |= {
            f"{name} Dice": "none there" if case.get(f"{name}_truth_ml") == 0 else number(case.get(f"{name}_dice")),
            f"{name} HD95 by area (mm)": number(case.get(f"{name}_hd95_mm"), 1),
            f"{name} HD95 by voxels (mm)": number(case.get(f"{name}_hd95_voxels_mm"), 1),
            f"{name} true (ml)": number(case.get(f"{name}_truth_ml"), 1),
            f"{name} found (ml)": number(case.get(f"{name}_predicted_ml"), 1),
            f"{name} efficiency": number(case.get(f"{name}_efficiency")),
        }
    return row | {"seconds": number(case.get("seconds"), 1)}


def _plain(figure) -> dict:
    return {"value": figure.value, "low": figure.low, "high": figure.high}
