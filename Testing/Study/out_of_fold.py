"""Measures the whole pipeline on every patient of a cross-validation, by networks that have not seen the patient.

    python Testing/Study/out_of_fold.py DATA --cache CACHE --tumor CV [--liver CV] [--slice CV] --out OUT

A CV is the folder of `livertumor cross-validate`; those of several networks must have the same folds. Each fold's
networks are exported to int8 as a model is (once; OUT/models keeps them), with the operating point that the
cross-validation chose, and analyze the fold's patients. Without --liver the true liver is given. OUT gets the tables of
`livertumor evaluate`. Needs what training needs.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from CompressionTrainerLib.data.unseen import check_unseen
from CompressionTrainerLib.evaluation.case import CaseScores
from CompressionTrainerLib.evaluation.report import write_report
from CompressionTrainerLib.evaluation.scoring import NumberedCase, Scoring, score
from CompressionTrainerLib.evaluation.selection import select_cases
from CompressionTrainerLib.evaluation.summary import summarize
from CompressionTrainerLib.provenance import provenance
from LiverTumorLib.cli import main as livertumor
from LiverTumorLib.models.catalogue import get_bundle
from LiverTumorLib.records.options import RunOptions


def exported(cv: Path, task: str, number: int, arguments: argparse.Namespace) -> str:
    """The model of a fold's network, made where it is not there yet."""
    model = arguments.out / "models" / f"fold-{number}" / task
    if not (model / "manifest.json").is_file():
        words = ["export", cv / f"fold-{number}", "--data", arguments.data, "--split", cv / f"fold-{number}.json"]
        words += ["--cache", arguments.cache, "--weights", "last", "--operating-point", cv, "--out", model]
        if livertumor([str(word) for word in words]):
            sys.exit(f"The network of {cv}/fold-{number} could not be exported.")
    return str(model)


def scores_of(number: int, networks: dict[str, Path], arguments: argparse.Namespace) -> list[CaseScores]:
    """The cases that a fold holds out, and that have tumor labeled, as its networks see them."""
    split = networks["tumor"] / f"fold-{number}.json"
    for cv in networks.values():
        if (cv / split.name).read_bytes() != split.read_bytes():
            sys.exit(f"{cv} and {split.parent} have different folds.")
    models = {task: exported(cv, task, number, arguments) for task, cv in networks.items()}
    named = {f"{task}_model": model for task, model in models.items()}
    options = RunOptions(slices="slice" in networks, **named)
    selection = select_cases(arguments.data, split, "test")
    for model in map(get_bundle, models.values()):
        check_unseen(model.id, model.manifest.training, selection.split, "test")
    scoring = Scoring(options, {}, "liver" not in networks, True, 0, arguments.out)
    cases = [case for case in selection.cases if case.holds == "tumor" or "liver" in networks]
    scored = []
    for place, case in enumerate(cases):
        print(f"fold {number}: case {case.id}", file=sys.stderr, flush=True)
        scored.append(score(scoring, NumberedCase(place, case), lambda fraction, message: None))
    return scored


def main() -> None:
    """Export, analyze, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--tumor", type=Path, required=True)
    for name in ("--liver", "--slice"):
        parser.add_argument(name, type=Path)
    for name in ("--cache", "--out"):
        parser.add_argument(name, type=Path, required=True)
    arguments = parser.parse_args()
    networks = {task: cv for task in ("liver", "tumor", "slice") if (cv := getattr(arguments, task))}
    folds = len(list(arguments.tumor.glob("fold-*.json")))
    scored = [each for number in range(1, folds + 1) for each in scores_of(number, networks, arguments)]
    threshold = math.nan
    if "slice" in networks:
        threshold = get_bundle(str(arguments.out / "models" / "fold-1" / "slice")).manifest.threshold
    title = f"Every patient by networks that have not seen them ({', '.join(networks)}; {folds} folds)"
    print(write_report(arguments.out, title, scored, summarize(scored, threshold), provenance(sys.argv[0], [])))


if __name__ == "__main__":
    main()
