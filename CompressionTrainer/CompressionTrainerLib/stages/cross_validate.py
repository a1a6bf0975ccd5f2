"""`livertumor cross-validate CONFIG`: train a network once a fold, and measure it on all patients by networks that have
not seen them."""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from LiverTumorLib.cluster.options import add_cluster_options, cluster_settings

from ..settings import add_settings, as_words, changed, option, settings_from
from ..training.settings import START, TrainSettings, start_weights
from .options import CONFIG_HELP, add_data_options, add_events_option, training_data, training_work

if TYPE_CHECKING:
    from LiverTumorLib.cluster.connection import ClusterSettings
    from LiverTumorLib.errors import LiverTumorError

    from ..data.slices import CaseSlices
    from ..data.splits import Split
    from ..progress import ProgressReport
    from ..training.config import TrainConfig


Answers = list[Any]  # of networks about cases that they have not seen: HeldOut, or HeldOutSlices of a slice classifier
PREDICTIONS = "out-of-fold"


def _start_weights(text: str, folder: Path = Path()) -> Path:
    """The weights' file, or the folder of a cross-validation."""
    named = folder / text
    return named if (named / "fold-1.json").is_file() else start_weights(text, folder)


@dataclass(frozen=True)
class CrossValidateSettings:
    """How many folds there are, which of them is done, and what the networks start from."""

    folds: int = option(5, "number of folds (default: %(default)s)", metavar="K")
    only: int | None = option(
        None, "train only fold N, from 1; the figures are of all folds that are done", metavar="N"
    )
    seed: int = option(1, "seed of the division into folds (default: %(default)s)", metavar="N")
    imagenet: Path | None = option(
        None, "ImageNet weights of MobileNetV2 (.npz) (default: random weights)", metavar="FILE"
    )
    start: Path | None = option(
        None,
        f"{START}, or of a cross-validation with the same folds, of which each fold takes its own",
        metavar="WEIGHTS",
        locate=_start_weights,
    )


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "cross-validate",
        help="train a network once a fold and measure it on the patients held out",
        description="Divide the train and the val patients of a split into folds by person, train the network once "
        "without each fold, and apply it to the patients of that fold. So every patient is measured by a network that "
        "has not seen them, on the network's own canvas (tumor: in the true liver; slices: those that hold liver). "
        "Chooses the operating point on all of them together and writes cross-validation.json, cases.csv and the "
        "predictions into the folder --out, which 'livertumor report' shows. Test patients are not touched. After a "
        "stop, the same command continues where it was. Needs TensorFlow: pip install '.[train]'.",
    )
    parser.add_argument("config", metavar="CONFIG", help=CONFIG_HELP)
    add_data_options(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the runs of the folds and the figures"
    )
    add_settings(parser, CrossValidateSettings)
    add_cluster_options(parser, "fold")
    add_events_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Cross-validate.

    Raises:
        InputError: bad data, or too few patients.
        RequirementError: TensorFlow is not installed.
        SomeCasesFailed: folds that a cluster could not train.
        UsageError: a configuration of another task, or options that make no sense.
    """

    with training_work(arguments.events, arguments.out) as report:
        cross_validate(arguments, report)
    return 0


def cross_validate(arguments: argparse.Namespace, report: ProgressReport) -> None:
    """What `run` does, its progress told to `report`."""
    from LiverTumorLib.cluster.connection import LOCAL
    from LiverTumorLib.errors import SomeCasesFailed, UsageError
    from LiverTumorLib.files import write_json

    from ..evaluation.fold_figures import write_figures
    from ..training.config import load_config

    # All patients outside the fold train; nothing is chosen meanwhile.
    config = replace(load_config(arguments.config), refit=True)
    if arguments.only is not None and not 1 <= arguments.only <= arguments.folds:
        raise UsageError(f"--only {arguments.only} is not one of the {arguments.folds} folds.")
    cluster = cluster_settings(arguments)
    if cluster is not None and cluster.address == LOCAL and cluster.memory is not None:
        raise UsageError(
            "--worker-memory bounds no training on this computer; leave it out, and let --workers say how many folds"
            " there is memory for."
        )
    folds = _folds(arguments, config)
    _check_folder(arguments, config, folds)
    numbers = range(1, len(folds) + 1)
    for number, fold in zip(numbers, folds, strict=True):
        write_json(arguments.out / f"fold-{number}.json", fold)
    asked = [number for number in numbers if arguments.only in (None, number)]
    failed: dict[int, LiverTumorError] = {}
    if cluster is None:
        for number in asked:
            _train_fold(arguments, config, number, _part(report, number, len(folds)))
    else:
        failed = _train_on_cluster(arguments, config, asked, cluster, report)
    held: Answers = []
    done: list[int] = []
    for number in numbers:
        if answered := _predictions(arguments, config, number):
            held += answered
            done.append(number)
    if held:
        write_figures(arguments.out, config, held, {"folds": len(folds), "folds_done": done})
    if failed:
        reasons = "".join(f"\n  fold {number}: {error}" for number, error in sorted(failed.items()))
        raise SomeCasesFailed(f"{len(failed)} of {len(asked)} folds are not trained:{reasons}")


def _folds(arguments: argparse.Namespace, config: TrainConfig) -> list[dict]:
    """The content of the folds' split files, of which none holds out a patient that the start was trained on."""
    from ..data.folds import joined_by_person, split_file_content
    from ..data.splits import load_split
    from ..training.start import check_start, check_unseen_start

    # With the cases that this network cannot use, so that the folds are the same for every network.
    whole = joined_by_person(load_split(arguments.split, arguments.data))
    start: Path | None = arguments.start
    splits = _folds_of(start, whole, arguments) if start and start.is_dir() else _new_folds(whole, arguments, config)
    for number, split in enumerate(splits, start=1):
        start = _start_of(arguments, number)
        check_start(start)
        check_unseen_start(start, split)
    return [split_file_content(split) for split in splits]


def _new_folds(whole: Split, arguments: argparse.Namespace, config: TrainConfig) -> list[Split]:
    """Folds with about the same volume of tumor."""
    from ..data.folds import fold_splits
    from ..training.run import load_slices

    slices, usable = load_slices(config, training_data(arguments))
    pixel_ml = config.input.spacing_mm**2 / 1000
    volumes = {case.case: float((case.tumor >= 128).sum() * pixel_ml * case.slice_mm) for case in slices["train"]}
    known = {case.id: volumes[case.id] for case in usable.cases["train"] if case.holds == "tumor"}
    return fold_splits(whole, arguments.folds, arguments.seed, known)


def _folds_of(start: Path, whole: Split, arguments: argparse.Namespace) -> list[Split]:
    """The folds of the cross-validation that the networks start from; raises UsageError where they are of other
    patients."""
    from LiverTumorLib.errors import UsageError

    from ..data.splits import load_split

    splits = [load_split(path, arguments.data) for path in sorted(start.glob("fold-*.json"))]
    held = sorted(case.id for split in splits for case in split.cases["test"])
    if len(splits) != arguments.folds or held != sorted(
        case.id for part in ("train", "val") for case in whole.cases[part]
    ):
        raise UsageError(
            f"The cross-validation in {start} has {len(splits)} folds of {len(held)} cases, and other ones are asked "
            "for; give its --split and --folds, or another --start."
        )
    return splits


def _start_of(arguments: argparse.Namespace, number: int) -> Path | None:
    """The weights that a fold starts from."""
    from ..training.keeper import LAST

    start: Path | None = arguments.start
    return start / f"fold-{number}" / LAST if start and start.is_dir() else start


def _check_folder(arguments: argparse.Namespace, config: TrainConfig, folds: list[dict]) -> None:
    """Raises InputError where the folder holds another cross-validation, whose networks know patients held out here."""
    import json

    from LiverTumorLib.errors import InputError

    from ..training.config import config_from_dict
    from ..training.record import is_run, read_record

    def refuse(what: str) -> None:
        raise InputError(f"{arguments.out} holds a cross-validation {what}; choose another --out, or remove it.")

    def content(path: Path) -> object:
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    asked = {f"fold-{number}.json": json.loads(json.dumps(fold)) for number, fold in enumerate(folds, start=1)}
    for path in sorted(arguments.out.glob("fold-*.json")):
        if content(path) != asked.get(path.name):
            refuse(f"with other folds or data ({path.name})")
    for number in range(1, len(folds) + 1):
        run = arguments.out / f"fold-{number}"
        if is_run(run):
            record = read_record(run)
            if config_from_dict(record["config"], run) != config:
                refuse(f"of another configuration ({run.name})")
            starts = [each and os.path.abspath(each) for each in (record.get("start"), _start_of(arguments, number))]
            if bool(record.get("imagenet")) != bool(arguments.imagenet) or starts[0] != starts[1]:
                refuse(f"that started from other weights ({run.name})")


def _train_on_cluster(
    arguments: argparse.Namespace,
    config: TrainConfig,
    numbers: Sequence[int],
    settings: ClusterSettings,
    report: ProgressReport,
) -> dict[int, LiverTumorError]:
    """`_train_fold` as tasks of a cluster, whose workers see the files under the same paths; what went wrong with which
    fold. Raises what `connected` and `distribute` raise."""
    from LiverTumorLib.cluster.connection import connected
    from LiverTumorLib.cluster.distribution import distribute
    from LiverTumorLib.errors import LiverTumorError

    to_do = [number for number in numbers if not _is_answered(arguments, config, number)]
    if not to_do:
        return {}
    failed: dict[int, LiverTumorError] = {}
    words, run = _words(arguments), uuid.uuid4().hex
    with connected(settings, lambda line: print(line, file=sys.stderr, flush=True), len(to_do)) as client:
        report("folds", 0.0, f"0 of {len(to_do)} folds; what they tell is in {arguments.out}/fold-N.log", None)
        ended = distribute(client, _train_in_child, words, to_do, lambda number: f"fold-{number}-{run}")
        for count, (number, outcome) in enumerate(ended, 1):
            if isinstance(outcome, LiverTumorError):
                failed[number] = outcome
                print(f"Fold {number} failed. {outcome}", file=sys.stderr, flush=True)
            report("folds", count / len(to_do), f"{count} of {len(to_do)} folds", None)
    return failed


def _train_in_child(words: Sequence[str], number: int) -> None:
    """What a worker does with a fold: this command in a process of its own, with a TensorFlow of its own."""
    from ..environment.child import run_child

    log = Path(words[words.index("--out") + 1]) / f"fold-{number}.log"
    run_child([*words, "--only", str(number)], log, lambda event: None)


def _words(arguments: argparse.Namespace) -> list[str]:
    """The command line of one fold, but for its number; with paths that mean the same wherever it runs."""
    from LiverTumorLib.models.catalogue import is_path

    def absolute(value: object) -> object:
        return value.absolute() if isinstance(value, Path) else value

    config = arguments.config
    if is_path(config) or config.endswith(".toml"):
        config = os.path.abspath(config)
    given = {name: getattr(arguments, name) for name in ("data", "split", "cache", "out")}
    given |= changed(replace(settings_from(CrossValidateSettings, arguments), only=None))
    told = {name: absolute(value) for name, value in given.items()}
    return ["cross-validate", config, *as_words(CrossValidateSettings, told), "--events"]


def _is_answered(arguments: argparse.Namespace, config: TrainConfig, number: int) -> bool:
    cases = _held_cases(arguments, config, number)
    return all(_prediction_file(arguments.out, number, case.case).exists() for case in cases)


def _train_fold(arguments: argparse.Namespace, config: TrainConfig, number: int, report: ProgressReport) -> None:
    """Train a fold's network, where that is not done yet, and keep what it answers about the patients held out."""
    from ..networks.keras_module import keras
    from ..training.run import train
    from ..training.state import is_finished

    run = arguments.out / f"fold-{number}"
    if not is_finished(run):
        split = arguments.out / f"fold-{number}.json"
        settings = settings_from(CrossValidateSettings, arguments)
        train(
            config,
            replace(training_data(arguments), split=split),
            run,
            TrainSettings(settings.imagenet, _start_of(arguments, number)),
            report,
        )
        keras.backend.clear_session()
    _predict_fold(arguments, config, number, report)


def _predict_fold(arguments: argparse.Namespace, config: TrainConfig, number: int, report: ProgressReport) -> None:
    import numpy as np
    from LiverTumorLib.atomic import atomic_path

    from ..evaluation.out_of_fold import held_out
    from ..evaluation.out_of_fold_slices import held_out_slices
    from ..networks.build import build_network
    from ..training.keeper import LAST

    cases = [
        case
        for case in _held_cases(arguments, config, number)
        if not _prediction_file(arguments.out, number, case.case).exists()
    ]
    if not cases:
        return
    model = build_network(config)
    model.load_weights(arguments.out / f"fold-{number}" / LAST)
    for done, case in enumerate(cases):
        report("predict", done / len(cases), f"Case {case.case}", None)
        with atomic_path(_prediction_file(arguments.out, number, case.case)) as path:
            if config.task == "slice":
                np.save(path, held_out_slices(model, case, config.input))
            else:
                np.save(path, held_out(model, case, config.input, config.task).probability)


def _held_cases(arguments: argparse.Namespace, config: TrainConfig, number: int) -> list[CaseSlices]:
    """Network slices of the cases that a fold holds out."""
    from ..data.slices import subset_slices
    from ..data.splits import load_split
    from ..training.checks import usable_cases

    split = load_split(arguments.out / f"fold-{number}.json", arguments.data)
    usable = replace(split, cases=split.cases | {"test": usable_cases(config, split.cases["test"])})
    return subset_slices(usable, "test", config.input, arguments.cache)


def _prediction_file(out: Path, number: int, case: str) -> Path:
    return out / PREDICTIONS / f"fold-{number}" / f"{case}.npy"


def _predictions(arguments: argparse.Namespace, config: TrainConfig, number: int) -> Answers:
    """The kept answers of a fold; none where it has not been done."""
    import numpy as np

    from ..evaluation.out_of_fold import with_truth
    from ..evaluation.out_of_fold_slices import with_tumor

    held: Answers = []
    for case in _held_cases(arguments, config, number):
        path = _prediction_file(arguments.out, number, case.case)
        if not path.exists():
            continue
        if config.task == "slice":
            held.append(with_tumor(np.load(path), case))
        else:
            held.append(with_truth(np.load(path), case, config.input, config.task))
    return held


def _part(report: ProgressReport, number: int, folds: int) -> ProgressReport:
    """A report for one fold of several."""

    def told(stage: str, fraction: float, message: str, figures: dict[str, float] | None = None) -> None:
        report(stage, (number - 1 + fraction) / folds, f"Fold {number} of {folds}: {message}", figures)

    return told
