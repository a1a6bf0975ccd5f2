"""What `livertumor cross-validate` writes: the figures of all cases held out, at the point that suits them all."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from LiverTumorLib.files import write_json, write_table
from LiverTumorLib.models.manifest import Calibration

from ..provenance import provenance
from ..training.config import TrainConfig
from .out_of_fold import SUMMARY, HeldOut, Point, at_point, summarize
from .out_of_fold_slices import HeldOutSlices, case_row, summarize_slices

CASES = "cases.csv"


def write_figures(out: Path, config: TrainConfig, held: list[Any], folds: dict) -> None:
    """Choose the operating point on all cases held out, and write the figures into the folder `out`.

    Args:
        held: HeldOut, or HeldOutSlices of a slice classifier.
        folds: says how many there are, and which are done.
    """
    figures, rows, words = _slice_figures(held) if config.task == "slice" else _region_figures(held)
    command = f"livertumor cross-validate {config.name} --folds {folds['folds']}"
    about = {"config": config.to_dict(), **folds, "provenance": provenance(command, [])}
    write_json(out / SUMMARY, about | figures)
    write_table(out / CASES, rows)
    print(f"{len(held)} cases held out: {words}.")


def _region_figures(held: list[HeldOut]) -> tuple[dict, list[dict], str]:
    """Figures of a segmentation network, a row a case, and the same in a few words."""
    figures = summarize(held)
    points = figures["points"]
    chosen = Point(points["chosen"]["threshold"], points["chosen"]["sure"])
    rows = [asdict(at_point(case, chosen)) for case in held]
    dice, half = points["chosen"]["mean_dice"], points["half"]["mean_dice"]
    where = f" where {chosen.sure:g} is reached" if chosen.sure > chosen.threshold else ""
    words = (
        f"mean Dice {dice['value']:.3f} ({dice['low']:.3f} to {dice['high']:.3f}) at threshold {chosen.threshold:g}"
        f"{where}; at 0.5 {half['value']:.3f}"
    )
    return figures, [{key: value for key, value in row.items() if key != "lesions"} for row in rows], words


def _slice_figures(held: list[HeldOutSlices]) -> tuple[dict, list[dict], str]:
    """The same of a slice classifier."""
    figures = summarize_slices(held)
    threshold, auc = figures["slices"]["threshold"], figures["slices"]["auc"]
    rows = [case_row(case, Calibration(**figures["calibration"]), threshold) for case in held]
    words = f"AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f}) over {figures['slices']['slices']} slices"
    return figures, rows, f"{words} that hold liver; threshold {threshold:.2f}"
