"""`livertumor evaluate`: the models that users run, on labeled CT."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from LiverTumorLib.cluster.options import add_cluster_options, cluster_settings
from LiverTumorLib.models.manifest import TASKS
from LiverTumorLib.records.named_options import RUN_OPTIONS, named_run_options

from ..settings import add_settings, as_words, changed, option, settings_from
from .options import add_events_option, add_overwrite_option, refuse_to_replace

if TYPE_CHECKING:
    from LiverTumorLib.cluster.connection import ClusterSettings
    from LiverTumorLib.errors import LiverTumorError
    from LiverTumorLib.records.options import RunOptions

    from ..evaluation.case import CaseScores
    from ..evaluation.scoring import NumberedCase, Scoring
    from ..evaluation.selection import Selection
    from ..progress import ProgressReport

    Outcomes = Iterable[tuple[NumberedCase, CaseScores | LiverTumorError]]

SPLIT = Path(__file__).parents[1] / "data" / "splits" / "lits17-subset.json"
_GROUPS = {"analysis": "analysis", "models": "models (ids that 'livertumor models' lists, or folders of model bundles)"}


def _twin_of(task: str) -> Any:
    return option(None, f"float twin of the {task} model: the run is repeated with it and compared", metavar="MODEL")


def _run_option(name: str) -> Any:
    told = RUN_OPTIONS[name]
    return option(
        False if told.kind is bool else None,
        told.help,
        metavar=told.metavar,
        group=_GROUPS[told.group] if told.group else None,
    )


@dataclass(frozen=True)
class EvaluateSettings:
    """What is run on each case, what it is compared with, and how many slices of it are drawn; the rest is as in
    `segment`."""

    pictures: int = option(
        0, "draw N random slices of each case (CT, truth, found) into DIR/pictures (default: none)", metavar="N"
    )
    float_liver_model: str | None = _twin_of("liver")
    float_tumor_model: str | None = _twin_of("tumor")
    float_slice_model: str | None = _twin_of("slice")
    true_liver: bool = option(
        False,
        "use the mask's liver instead of the one that stage 1 finds, to measure the tumor or the slice network alone",
    )
    no_tumor: bool = _run_option("no_tumor")
    no_slices: bool = _run_option("no_slices")
    no_roi: bool = _run_option("no_roi")
    margin_mm: float | None = _run_option("margin_mm")
    min_lesion_ml: float | None = _run_option("min_lesion_ml")
    liver_threshold: float | None = _run_option("liver_threshold")
    tumor_threshold: float | None = _run_option("tumor_threshold")
    slice_threshold: float | None = _run_option("slice_threshold")
    liver_model: str | None = _run_option("liver_model")
    tumor_model: str | None = _run_option("tumor_model")
    slice_model: str | None = _run_option("slice_model")
    threads: int | None = _run_option("threads")

    def run_options(self) -> RunOptions:
        """What a case is run with. Raises UsageError for values out of range."""
        return named_run_options(asdict(self))

    def twins(self) -> dict[str, str]:
        """The float twins' models, by their field of RunOptions."""
        return {f"{task}_model": model for task in TASKS if (model := getattr(self, f"float_{task}_model"))}


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure the models on labeled CT",
        description="Run the pipeline on labeled CT and measure it: per case, per lesion and per slice, with 95 % "
        "intervals by patient. DATA may be a folder from another site in any of the layouts that 'livertumor prepare' "
        "knows: --subset all takes every case in it. An evaluation on a split's test patients, or on all of a folder, "
        "is appended to the log in the source tree, so that every look at them is on record.",
    )
    parser.add_argument("data", nargs="?", type=Path, metavar="DATA", help="folder with the CT and mask files")
    parser.add_argument(
        "--split",
        type=Path,
        default=SPLIT,
        metavar="FILE",
        help="frozen patient-wise split (default: the LiTS17 subset's)",
    )
    subset = (
        "which patients of the split, or 'all' cases of DATA without a split, in which a mask without label 2 means no "
        "tumor "
    )
    subset += (
        "(where only the liver is labeled, add --no-tumor, or name it in a folder liver-only or in patients.csv, see "
        "'livertumor "
    )
    subset += "prepare') (default: val)"
    parser.add_argument("--subset", choices=("train", "val", "test", "all"), default="val", help=subset)
    pair = "a CT (file or DICOM folder) and its mask (1 liver, 2 tumor), instead of DATA; may be repeated"
    parser.add_argument("--pair", nargs=2, action="append", type=Path, metavar=("CT", "MASK"), help=pair)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the tables, evaluation.json and evaluation.md",
    )
    add_overwrite_option(parser, "an evaluation that is in the folder already")
    parser.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        help="append the key figures to this file (JSON lines), whatever was evaluated",
    )
    add_settings(parser, EvaluateSettings)
    add_cluster_options(parser, "case")
    add_events_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> None:
    """Evaluate, print the tables, write the files, log a look at test patients.

    Raises:
        InputError: no case can be evaluated, or a file is missing or not the one the split was frozen with.
        OutputError: the folder holds an evaluation, or cannot be written.
        SomeCasesFailed: cases were left out.
        UsageError: cases that are named in two ways or none, or patients that a model was trained on.
    """
    from ..progress import reporting

    with reporting(arguments.events, arguments.out) as report:
        evaluate(arguments, report)


def evaluate(arguments: argparse.Namespace, report: ProgressReport) -> None:
    """What `run` does, its progress told to `report`."""
    from LiverTumorLib.errors import SomeCasesFailed
    from LiverTumorLib.models.catalogue import get_bundle

    from ..evaluation.report import FILES, write_report
    from ..evaluation.scoring import NumberedCase, Scoring
    from ..evaluation.selection import select_cases
    from ..evaluation.summary import summarize
    from ..provenance import append_log, checkout_log, provenance

    selection = select_cases(arguments.data, arguments.split, arguments.subset, arguments.pair)
    refuse_to_replace(arguments, FILES)
    settings = settings_from(EvaluateSettings, arguments)
    options, cluster = settings.run_options(), cluster_settings(arguments)
    if settings.true_liver:
        selection = _in_true_liver(selection)
    # Of a folder without a split, --no-tumor says that only the liver is labeled.
    complete = selection.complete and (options.tumor or "split" in selection.about)
    scoring = Scoring(options, settings.twins(), settings.true_liver, complete, settings.pictures, arguments.out)
    _check_unseen(scoring.models(), selection, arguments.subset)
    cases = [NumberedCase(number, case) for number, case in enumerate(selection.cases)]
    outcomes = _one_by_one(scoring, cases, report) if cluster is None else _on_cluster(scoring, cases, cluster, report)
    scored, failed = _collect(outcomes)
    scores = list(scored.values())
    report("tables", 1.0, "All cases have been run", None)
    threshold = (
        options.slice_threshold or get_bundle(options.slice_model).manifest.threshold if options.slices else math.nan
    )
    summary = summarize(scores, threshold)
    models = scores[0].models + [get_bundle(model).describe() for model in scoring.twins.values()]
    drawn = [(each, scoring.picture(number)) for number, each in scored.items()]
    pictures = [{"case": each.name, "file": path.relative_to(arguments.out).as_posix()} for each, path in drawn if path]
    origin = provenance(_command(arguments, settings), models)
    print(
        write_report(arguments.out, selection.title, scores, summary, origin, about=selection.about, pictures=pictures)
    )
    log = arguments.log or (checkout_log() if selection.about.get("subset") in ("test", "all") else None)
    if log:
        append_log(log, origin | {"evaluated": selection.title, "figures": key_figures(summary)})
        print(f"Logged in {log}.", file=sys.stderr)
    print(f"Results are in {arguments.out}.", file=sys.stderr)
    if failed:
        reasons = "".join(f"\n  {name}: {error}" for name, error in failed.items())
        raise SomeCasesFailed(
            f"{len(failed)} of {len(selection.cases)} cases were left out, and the figures are of the others:{reasons}"
        )


def _in_true_liver(selection: Selection) -> Selection:
    """The cases with tumor and liver labeled; the others are left out, and named. Raises UsageError where none is
    left."""
    from LiverTumorLib.errors import UsageError

    measured = [case for case in selection.cases if case.holds == "tumor"]
    unmeasured = [case.id for case in selection.cases if case.holds != "tumor"]
    why = "in them tumor is unknown or there is no liver, so nothing can be measured in their true liver"
    if not measured:
        raise UsageError(f"No case can be measured with --true-liver: {', '.join(unmeasured)}; {why}. Leave it out.")
    if unmeasured:
        print(f"Left out: {', '.join(unmeasured)}; {why}.", file=sys.stderr)
    return replace(selection, cases=measured, about=selection.about | {"left_out": unmeasured})


def _check_unseen(models: list[str], selection: Selection, subset: str) -> None:
    """Raises UsageError where a model was trained on a patient that is to be evaluated."""
    from LiverTumorLib.models.catalogue import get_bundle

    from ..data.unseen import KnownCT, check_unseen, check_unseen_files

    known = {} if selection.split else {case.ct: KnownCT.of(case.ct) for case in selection.cases}
    for model in map(get_bundle, models):
        if selection.split:
            check_unseen(model.id, model.manifest.training, selection.split, subset)
        else:
            check_unseen_files(model.id, model.manifest.training, known)


def _one_by_one(scoring: Scoring, cases: Sequence[NumberedCase], report: ProgressReport) -> Outcomes:
    from LiverTumorLib.errors import InputError

    from ..evaluation.scoring import score

    for each in cases:
        name = each.case.ct.name

        def tell(fraction: float, message: str, number: int = each.number, name: str = name) -> None:
            report(
                f"[{number + 1}/{len(cases)}] {name}",
                (number + fraction) / len(cases),
                f"{name}: {message}" if message else name,
                None,
            )

        tell(0.0, "")
        outcome: CaseScores | LiverTumorError
        try:
            outcome = score(scoring, each, tell)
        except InputError as error:
            outcome = error
        yield each, outcome


def _on_cluster(
    scoring: Scoring, cases: Sequence[NumberedCase], cluster: ClusterSettings, report: ProgressReport
) -> Outcomes:
    from ..evaluation.scoring import score_on_cluster

    outcomes = score_on_cluster(scoring, cases, cluster, lambda line: print(line, file=sys.stderr, flush=True))
    for ended, (each, outcome) in enumerate(outcomes, 1):
        report("cases", ended / len(cases), f"{ended} of {len(cases)} cases", None)
        yield each, outcome


def _collect(outcomes: Outcomes) -> tuple[dict[int, CaseScores], dict[str, LiverTumorError]]:
    """The scores by the cases' numbers, in their order, and what was wrong with those that were left out; raises the
    first such error where no case is left."""
    from LiverTumorLib.batch.display import visible
    from LiverTumorLib.errors import InputError, LiverTumorError

    scored: dict[int, CaseScores] = {}
    failed: dict[str, LiverTumorError] = {}
    for each, outcome in outcomes:
        name = each.case.ct.name
        if isinstance(outcome, LiverTumorError):
            failed[name] = outcome
            print(visible(f"{name}: left out. {outcome}"), file=sys.stderr, flush=True)
            continue
        scored[each.number] = outcome
        for note in outcome.notes:
            print(visible(f"  {name}: {note}"), file=sys.stderr, flush=True)
    if not scored:
        raise next(iter(failed.values()), InputError("There is no case to evaluate: no CT has its mask."))
    return dict(sorted(scored.items())), failed


def key_figures(summary: dict) -> dict:
    """The figures that go into the log, rounded; null where not defined."""
    from ..evaluation.text import rounded

    figures = {"cases": summary["cases"]}
    if "liver" in summary:
        figures |= {
            "liver_mean_dice": rounded(summary["liver"]["mean_dice"]),
            "liver_worst_dice": _rounded(summary["liver"]["worst_dice"]),
        }
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


def _command(arguments: argparse.Namespace, settings: EvaluateSettings) -> str:
    """The command without folder names, which say something about the machine (and perhaps a patient) only."""
    from ..evaluation.selection import EVERYTHING, short

    words = ["livertumor evaluate"]
    if arguments.pair:
        words += [f"--pair {short(ct)} {short(mask)}" for ct, mask in arguments.pair]
    else:
        split = "" if arguments.subset == EVERYTHING else f"--split {arguments.split.name} "
        words += [arguments.data.resolve().name, f"{split}--subset {arguments.subset}"]
    given = {name: Path(value).name if isinstance(value, str) else value for name, value in changed(settings).items()}
    given.pop("pictures", None)
    return " ".join([*words, *as_words(EvaluateSettings, given)])


def _rounded(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
