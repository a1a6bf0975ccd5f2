"""`livertumor evaluate`: the models that users run, on labelled CT."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

SPLIT = Path(__file__).parents[1] / "data" / "splits" / "lits17-subset.json"
TASKS = ("liver", "tumor", "slice")


def add_parser(subparsers) -> None:
    """Add the command."""
    from LiverTumorLib.cli.options import add_run_options

    parser = subparsers.add_parser(
        "evaluate",
        help="measure the models on labelled CT",
        description="Run the pipeline on labelled CT and measure it: per case, per lesion and per slice, with 95 % intervals by patient. "
        "DATA may be a folder from another site in any of the layouts that 'livertumor prepare' knows: --subset all takes every case in "
        "it. An evaluation on a split's test patients, or on all of a folder, is appended to the log in the source tree, so that every "
        "look at them is on record.",
    )
    parser.add_argument("data", nargs="?", type=Path, metavar="DATA", help="folder with the CT and mask files")
    parser.add_argument(
        "--split", type=Path, default=SPLIT, metavar="FILE", help="frozen patient-wise split (default: the LiTS17 subset's)"
    )
    subset = "which patients of the split, or 'all' cases of DATA without a split, in which a mask without label 2 means no tumor "
    subset += "(where only the liver is labelled, add --no-tumor) (default: val)"
    parser.add_argument("--subset", choices=("train", "val", "test", "all"), default="val", help=subset)
    pair = "a CT (file or DICOM folder) and its mask (1 liver, 2 tumor), instead of DATA; may be repeated"
    parser.add_argument("--pair", nargs=2, action="append", type=Path, metavar=("CT", "MASK"), help=pair)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the tables, evaluation.json and evaluation.md")
    true_liver = "look in the mask's liver instead of one that stage 1 finds, to measure the tumor or the slice network alone"
    parser.add_argument("--true-liver", action="store_true", default=None, help=true_liver)
    pictures = "draw N random slices of each case (CT, truth, found) into DIR/pictures (default: none)"
    parser.add_argument("--pictures", type=int, default=0, metavar="N", help=pictures)
    parser.add_argument("--overwrite", action="store_true", help="replace an evaluation that is in the folder already")
    parser.add_argument("--log", type=Path, metavar="FILE", help="append the key figures to this file (JSON lines), whatever was evaluated")
    for task in TASKS:
        text = f"float twin of the {task} model: the run is repeated with it and compared"
        parser.add_argument(f"--float-{task}-model", dest=f"float_{task}_model", metavar="MODEL", help=text)
    add_run_options(parser, "segment")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> None:
    """Evaluate, print the tables, write the files, log a look at test patients."""
    from LiverTumorLib.cli.options import run_options
    from LiverTumorLib.errors import InputError, OutputError, SomeCasesFailed
    from LiverTumorLib.models.catalogue import get_bundle

    from ..data.identity import sha256_of
    from .provenance import append_log, checkout_log, provenance
    from .report import FILES, write_report
    from .selection import select_cases
    from .summary import summarize
    from .unseen import check_unseen, check_unseen_files

    selection = select_cases(arguments)
    existing = [arguments.out / name for name in FILES if (arguments.out / name).exists()]
    if existing and not arguments.overwrite:
        raise OutputError(f"{existing[0]} exists; choose another --out, or --overwrite.")
    options = run_options(arguments)
    twins = {f"{task}_model": model for task in TASKS if (model := getattr(arguments, f"float_{task}_model"))}
    twin = replace(options, **twins) if twins else None
    used = [
        *([] if arguments.true_liver else [options.liver_model]),
        *([options.tumor_model] if options.tumor else []),
        *([options.slice_model] if options.slices else []),
    ]
    checksums = {} if selection.split else {case.ct.name: sha256_of(case.ct) for case in selection.cases if case.ct.is_file()}
    for model in map(get_bundle, used):
        if selection.split:
            check_unseen(model.id, model.manifest.training, selection.split, arguments.subset)
        else:
            check_unseen_files(model.id, model.manifest.training, checksums)
    scored, pictures, failed = [], [], {}
    for number, case in enumerate(selection.cases, start=1):
        print(f"[{number}/{len(selection.cases)}] {case.ct.name}", file=sys.stderr, flush=True)
        picture = arguments.out / "pictures" / f"{number:03d}.png" if arguments.pictures > 0 else None
        try:
            scored.append(_evaluate(case, selection, options, twin, arguments.true_liver, picture, arguments.pictures))
        except InputError as error:
            failed[case.ct.name] = error
            print(f"{case.ct.name}: left out. {error}", file=sys.stderr, flush=True)
            continue
        pictures += [{"case": scored[-1].name, "file": picture.relative_to(arguments.out).as_posix()}] if picture else []
    if not scored:
        raise next(iter(failed.values()), InputError("There is no case to evaluate: no CT has its mask."))
    threshold = options.slice_threshold or get_bundle(options.slice_model).manifest.threshold if options.slices else math.nan
    summary = summarize(scored, threshold)
    models = scored[0].models + [get_bundle(model).describe() for model in twins.values()]
    origin = provenance(_command(arguments), models)
    print(write_report(arguments.out, selection.title, scored, summary, origin, about=selection.about, pictures=pictures))
    log = arguments.log or (checkout_log() if selection.about.get("subset") in ("test", "all") else None)
    if log:
        append_log(log, origin | {"evaluated": selection.title, "figures": key_figures(summary)})
        print(f"Logged in {log}.", file=sys.stderr)
    print(f"Results are in {arguments.out}.", file=sys.stderr)
    if failed:
        reasons = "".join(f"\n  {name}: {error}" for name, error in failed.items())
        raise SomeCasesFailed(f"{len(failed)} of {len(selection.cases)} cases were left out, and the figures are of the others:{reasons}")


def key_figures(summary: dict) -> dict:
    """The figures that go into the log, rounded; null where not defined."""
    from .text import rounded

    figures = {"cases": summary["cases"]}
    if "liver" in summary:
        figures |= {"liver_mean_dice": rounded(summary["liver"]["mean_dice"]), "liver_worst_dice": _rounded(summary["liver"]["worst_dice"])}
    if "tumor" in summary:
        figures |= {f"tumor_{name}": rounded(summary["tumor"][name]) for name in ("mean_dice", "median_dice")}
        false_positives = summary["tumor"]["false_positive_ml_without_tumor"]
        figures["false_positive_ml_without_tumor"] = {name: _rounded(ml) for name, ml in false_positives.items()}
        figures["lesions"] = {name: summary["lesions"][name] for name in ("true", "found", "touched", "extra")}
    for name in ("slices_with_liver", "slices_all"):
        if name in summary:
            figures[f"{name}_auc"] = rounded(summary[name]["auc"])
    if "int8_against_float" in summary:
        figures["int8_against_float"] = {name: _rounded(value) for name, value in summary["int8_against_float"].items()}
    return figures


def _evaluate(case, selection, options, twin, true_liver: bool, picture: Path | None, slices: int):
    import numpy as np
    from LiverTumorLib.pipelines.segmentation import segment_case

    from ..data.anatomy import anatomy_notes
    from ..data.labelled import read_case
    from .agreement import compare_runs
    from .case import score_case
    from .pictures import draw_slices

    labelled = read_case(case)
    doubtful = [f"{problem.what}; {problem.remedy}." for problem in anatomy_notes(case, labelled)]
    volume, truth = labelled.volume, labelled.labels
    agreement, liver = None, (truth > 0).astype(np.uint8) if true_liver else None
    output = segment_case(volume, replace(options, keep_probabilities=True) if twin else options, liver=liver)
    if twin:
        agreement = compare_runs(output, segment_case(volume, replace(twin, keep_probabilities=True), liver=liver), truth)
    for note in dict.fromkeys([*doubtful, *output.result.summary.notes]):
        print(f"  {note}", file=sys.stderr, flush=True)
    if picture:
        draw_slices(picture, volume, output.labels, truth, slices)
    # Of a folder without a split, --no-tumor says that only the liver is labelled.
    complete = selection.complete and (options.tumor or "split" in selection.about)
    labelled = complete or bool((truth == 2).any())
    scored = {"liver": not true_liver, "tumor": options.tumor and labelled, "slices": options.slices and labelled}
    return score_case(output, truth, volume, str(case.patient), **scored, agreement=agreement)


def _command(arguments: argparse.Namespace) -> str:
    """The command without folder names, which say something about the machine (and perhaps a patient) only."""
    from .selection import EVERYTHING, short

    words = ["livertumor evaluate"]
    if arguments.pair:
        words += [f"--pair {short(ct)} {short(mask)}" for ct, mask in arguments.pair]
    else:
        split = "" if arguments.subset == EVERYTHING else f"--split {arguments.split.name} "
        words += [arguments.data.resolve().name, f"{split}--subset {arguments.subset}"]
    plumbing = {"data", "split", "subset", "pair", "out", "overwrite", "log", "pictures", "func"}
    for name, value in sorted(vars(arguments).items()):
        if name not in plumbing and value is not None:
            flag = "--margin-mm" if name == "roi_margin_mm" else f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                words.append(flag if value else f"--no-{name}")
            else:
                words.append(f"{flag} {Path(value).name if isinstance(value, str) else value}")
    return " ".join(words)


def _rounded(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
