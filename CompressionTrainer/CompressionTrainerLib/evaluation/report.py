"""The evaluation as files: CSV rows per case, lesion and slice, everything but the slices as JSON, and Markdown tables
to read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from LiverTumorLib.atomic import atomic_path
from LiverTumorLib.files import write_json, write_table

from ..provenance import code_of
from .case import CaseScores, Structure
from .text import interval, number, one_answer

FILES = ("cases.csv", "lesions.csv", "slices.csv", "evaluation.json", "evaluation.md")
SCORED_LESION_COLUMNS = ["case", "patient", "kind", "volume_ml", "covered", "group_iou", "found", "touched"]
SCORED_SLICE_COLUMNS = ["case", "patient", "slice", "probability", "tumor", "liver"]
FIGURES = ("dice", "sensitivity", "specificity", "accuracy", "precision", "efficiency", "voe", "rvd")
HD95 = (
    "HD95 is the distance of the surfaces that 95 % of them stay below: by area, each piece of surface counts as much "
    "as it is large, and the larger of both directions is taken (the package surface-distance); by voxels, each voxel "
    "of the surfaces counts once, and both directions together (as MedPy and most papers have it)."
)


def case_row(case: CaseScores) -> dict:
    """The case in one flat row; a figure that is not defined is NaN."""
    row: dict[str, Any] = {"case": case.name, "patient": case.patient}
    for name, structure in (("liver", case.liver), ("tumor", case.tumor)):
        if structure is not None:
            row |= _structure_row(name, structure)
    if case.lesions is not None:
        row |= {f"lesions_{what}": getattr(case.lesions, what) for what in ("found", "touched", "missed", "extra")}
        row |= {"lesions_true": len(case.lesions.lesions), "lesions_extra_ml": sum(case.lesions.extra_ml)}
    if case.agreement is not None:
        row |= {f"float_{name}": value for name, value in asdict(case.agreement).items()}
    return row | {"seconds": case.seconds, "notes": list(case.notes)}


def lesion_rows(case: CaseScores) -> list[dict]:
    """One row for each true lesion, and for each extra one, of which only the volume is known."""
    if case.lesions is None:
        return []
    who = {"case": case.name, "patient": case.patient}
    measured = ("volume_ml", "covered", "group_iou")
    rows = [
        who
        | {"kind": "true"}
        | {name: getattr(lesion, name) for name in measured}
        | {"found": int(lesion.found), "touched": int(lesion.touched)}
        for lesion in case.lesions.lesions
    ]
    return rows + [who | {"kind": "extra", "volume_ml": ml} for ml in case.lesions.extra_ml]


def slice_rows(case: CaseScores) -> list[dict]:
    """One row for each slice that has a probability; tumor and liver are 1 where the truth has any in the slice."""
    if case.slices is None:
        return []
    columns = (case.slices.index, case.slices.probability, case.slices.tumor.astype(int), case.slices.liver.astype(int))
    return [
        dict(zip(SCORED_SLICE_COLUMNS, (case.name, case.patient, *values), strict=True))
        for values in zip(*columns, strict=True)
    ]


def write_report(folder: Path, title: str, cases: list[CaseScores], summary: dict, provenance: dict, **more) -> str:
    """Write the files of `FILES` into a folder and return the Markdown text; `more` goes into the JSON."""
    rows = [case_row(case) for case in cases]
    write_table(folder / "cases.csv", rows)
    write_table(folder / "lesions.csv", [row for case in cases for row in lesion_rows(case)], SCORED_LESION_COLUMNS)
    write_table(folder / "slices.csv", [row for case in cases for row in slice_rows(case)], SCORED_SLICE_COLUMNS)
    write_json(
        folder / "evaluation.json",
        {"title": title, "provenance": provenance, **more, "summary": summary, "cases": rows},
    )
    text = markdown(title, rows, summary, provenance)
    with atomic_path(folder / "evaluation.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text


def markdown(title: str, rows: list[dict], summary: dict, provenance: dict) -> str:
    """Tables per case and over all cases."""
    parts = [f"# {title}", _provenance(provenance)]
    if "liver" in summary:
        dice, worst = summary["liver"]["mean_dice"], summary["liver"]["worst_dice"]
        parts += ["## Liver (tumor included)", _structure_table("liver", rows)]
        parts.append(f"Mean Dice {interval(dice)}, worst {number(worst)}; {_basis(dice, summary)}")
        for name, ml in summary["liver"].get("false_positive_ml_without_liver", {}).items():
            parts.append(f"Case {name} shows no liver: {ml:.2f} ml of false positives.")
    if "tumor" in summary:
        parts += [
            "## Tumor",
            _structure_table("tumor", rows),
            _tumor_text(summary["tumor"], rows),
            "## Lesions",
            _lesion_text(summary["lesions"]),
        ]
    if "slices_with_liver" in summary:
        parts += ["## Slices", _slice_table(summary)]
    if "int8_against_float" in summary:
        parts += [
            "## int8 against float",
            _table([{name: number(value) for name, value in summary["int8_against_float"].items()}]),
        ]
    parts.append(
        "Efficiency is the two papers' (sensitivity + specificity + accuracy) / 3, which the background dominates."
    )
    if summary.keys() & {"liver", "tumor"}:
        parts.append(HD95)
    return "\n\n".join(parts) + "\n"


def _structure_row(name: str, structure: Structure) -> dict:
    row = {f"{name}_{figure}": getattr(structure.counts, figure) for figure in FIGURES}
    surface = structure.surface
    row |= {
        f"{name}_hd95_mm": surface.hd95,
        f"{name}_hd95_voxels_mm": surface.hd95_voxels,
        f"{name}_assd_mm": surface.assd,
    }
    return row | {
        f"{name}_{volume}": getattr(structure, volume) for volume in ("truth_ml", "predicted_ml", "false_positive_ml")
    }


def _structure_table(name: str, rows: list[dict]) -> str:
    shown = {
        "Dice": "dice",
        "sensitivity": "sensitivity",
        "specificity": "specificity",
        "accuracy": "accuracy",
        "efficiency": "efficiency",
        "HD95 by area (mm)": "hd95_mm",
        "HD95 by voxels (mm)": "hd95_voxels_mm",
        "ASSD (mm)": "assd_mm",
        "true (ml)": "truth_ml",
        "predicted (ml)": "predicted_ml",
        "false positive (ml)": "false_positive_ml",
    }
    table = []
    for row in rows:
        if f"{name}_dice" in row:
            line = {"case": row["case"]} | {header: number(row[f"{name}_{key}"]) for header, key in shown.items()}
            if name == "tumor":
                line["lesions found / true (extra)"] = (
                    f"{row['lesions_found']} / {row['lesions_true']} ({row['lesions_extra']})"
                )
            table.append(line)
    return _table(table)


def _tumor_text(tumor: dict, rows: list[dict]) -> str:
    lines = [
        f"Over the {tumor['cases_with_tumor']} cases with tumor: mean Dice {interval(tumor['mean_dice'])}, "
        f"median {interval(tumor['median_dice'])}; share of them whose tumor was touched at all "
        f"{interval(tumor['cases_with_tumor_touched'])} (Wilson)."
    ]
    if tumor["cases_with_tumor"] and not any(row.get("tumor_predicted_ml") for row in rows):
        lines.append("**No tumor was found in any case.**")
    for name, ml in tumor["false_positive_ml_without_tumor"].items():
        lines.append(f"Case {name} has no tumor: {ml:.2f} ml of false positives.")
    return "\n".join(lines)


def _lesion_text(lesions: dict) -> str:
    rule = (
        f"Found: intersection over union of overlapping lesions, and the share of the lesion covered, both at least "
        f"{lesions['min_overlap']:g}; touched: any overlap. Share found {interval(lesions['share_found'])}; "
        f"{lesions['extra']} extra ({lesions['extra_ml']:.1f} ml)."
    )
    by_size = [{"size": size} | counts for size, counts in lesions["by_size"].items()]
    by_size.append({"size": "all"} | {what: lesions[what] for what in ("true", "found", "touched")})
    return f"{_table(by_size)}\n\n{rule}"


def _slice_table(summary: dict) -> str:
    names = {
        "auc": "AUC",
        "accuracy": "accuracy",
        "precision": "precision",
        "sensitivity": "recall",
        "specificity": "specificity",
        "negative_predictive_value": "precision of no tumor",
        "dice": "F1",
        "macro_f1": "F1, mean of both classes",
    }
    table = []
    for title, key in (("that hold liver", "slices_with_liver"), ("all", "slices_all")):
        slices = summary[key]
        table.append(
            {"slices": f"{title} ({slices['slices']})"}
            | {header: interval(slices[name]) for name, header in names.items()}
        )
    first = summary["slices_with_liver"]
    counts = first["confusion"]
    confusion = (
        f"Threshold {first['threshold']:.3g}; slices that hold liver: {counts['tp']} true and {counts['fp']} false "
        f"positives, {counts['fn']} false and {counts['tn']} true negatives."
    )
    if same := one_answer(counts["tp"] + counts["fp"], first["slices"]):
        confusion += f" **The model {same}**"
    return f"{_table(table)}\n\n{confusion} {_basis(first['auc'], summary)}"


def _basis(interval: dict, summary: dict) -> str:
    skipped = f", {interval['skipped']} without a value left out" if interval["skipped"] else ""
    return (
        f"95 % intervals: {interval['method']}, {summary['patients']} patients, {interval['resamples']} "
        f"resamples{skipped}."
    )


def _provenance(provenance: dict) -> str:
    models = "; ".join(
        f"{model['id']} {model['version']} (sha256 {model['sha256'][:12]})" for model in provenance["models"]
    )
    changed = " with changes" if provenance["uncommitted_changes"] else ""
    return f"`{provenance['command']}`, {provenance['date']}, {code_of(provenance)}{changed}. Models: {models}."


def _table(rows: list[dict]) -> str:
    header = list(rows[0])
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(row[name]) for name in header) + " |" for row in rows])
