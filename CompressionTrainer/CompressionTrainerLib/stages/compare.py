"""`livertumor compare MODEL…`: slice classifiers on the same slices."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..settings import add_settings, option, settings_from
from .options import add_data_options, add_events_option, add_overwrite_option, refuse_to_replace, training_data

if TYPE_CHECKING:
    from ..progress import ProgressReport

FILES = ("comparison.json", "predictions.csv")


@dataclass(frozen=True)
class CompareSettings:
    """From which probability on a slice counts as called tumor."""

    threshold: float = option(
        0.5, "probability from which a slice counts as called tumor (default: %(default)s)", metavar="X"
    )


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "compare",
        help="measure slice classifiers on the same slices",
        description="Run slice classifiers of any format (of a training run, TFLite, ONNX) on the same slices of a "
        "split, those that hold liver, and measure them: AUC, accuracy and others with 95 % intervals by patient, and "
        "how each differs from the first one. The networks are run alone; 'livertumor evaluate' measures the pipeline "
        "that users run. The split may be by slice, as in the classifier paper, to see how much that flatters the "
        "figures. A look at "
        "the test patients is appended to the log in the source tree.",
    )
    models = "a .tflite, .onnx or .weights.h5 file, the folder of a training run, or a model by folder or id"
    parser.add_argument("models", nargs="+", metavar="MODEL", help=models)
    add_data_options(parser)
    parser.add_argument(
        "--subset", choices=("train", "val", "test"), default="val", help="which part of the split (default: val)"
    )
    run_help = (
        "the run that .tflite and .onnx files were made of, where they lie in no run's folder; it says what they are "
        "shown"
    )
    parser.add_argument("--run", type=Path, metavar="RUN", help=run_help)
    add_settings(parser, CompareSettings)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for comparison.json and predictions.csv"
    )
    add_overwrite_option(parser, "a comparison that is in the folder already")
    parser.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        help="append the key figures to this file (JSON lines), whatever was measured",
    )
    add_events_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the models, print the table, write the files, log a look at test patients.

    Raises:
        InputError: a model or a data file is missing, or is not the one the split was frozen with.
        ModelError: a file is not a network that can be run.
        OutputError: the folder holds a comparison, or cannot be written.
        UsageError: two models of one name, no slice classifier, a subset without slices that hold liver, or one that
          trained a model.
    """
    from ..progress import reporting

    with reporting(arguments.events, arguments.out) as report:
        compare_models(arguments, report)


def compare_models(arguments: argparse.Namespace, report: ProgressReport) -> None:
    """What `run` does, its progress told to `report`."""
    from LiverTumorLib.errors import UsageError
    from LiverTumorLib.files import write_json, write_table

    from ..data.slices import subset_slices
    from ..data.splits import load_split
    from ..data.unseen import check_unseen
    from ..evaluation.comparison import compare, input_and_training, liver_slices, probabilities, rows
    from ..evaluation.formats import find_models
    from ..evaluation.text import rounded
    from ..provenance import append_log, checkout_log, provenance

    refuse_to_replace(arguments, FILES)
    data, threshold = training_data(arguments), settings_from(CompareSettings, arguments).threshold
    models = find_models(arguments.models)
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        raise UsageError(
            f"Two models are called {max(names, key=names.count)}; rename the folder of one, so that they can be told "
            "apart."
        )
    split = load_split(data.split, data.folder)
    # Where tumor is unknown, or there is no liver, nothing says what the answer should be.
    labeled = [case for case in split.cases[arguments.subset] if case.holds == "tumor"]
    split = replace(split, cases=split.cases | {arguments.subset: labeled})
    split.verify(split.cases[arguments.subset])
    known = {model: input_and_training(model, arguments.run) for model in models}
    for model, (_, training) in known.items():
        check_unseen(model.name, training, split, arguments.subset)
    scores, slices = {}, []
    for number, (model, (spec, _)) in enumerate(known.items()):
        report(f"[{number + 1}/{len(models)}] {model.name}", number / len(models), model.name, None)
        cases = subset_slices(split, arguments.subset, spec, data.cache)
        slices = liver_slices(cases)
        if not slices:
            raise UsageError(f"The split '{split.name}' has no slices with liver in '{arguments.subset}'.")
        scores[model.name] = probabilities(model, spec, cases)
    report("compare", 1.0, "All models have been run", None)
    compared = compare(scores, slices, threshold)
    patients = len({each.patient for each in slices})
    title = f"{split.name}, {arguments.subset}, divided by {split.kind}"
    command = f"livertumor compare {' '.join(names)} --split {data.split.name} --subset {arguments.subset}"
    origin = provenance(command, [])
    content = {
        "title": title,
        "provenance": origin,
        "about": {"split": split.name, "kind": split.kind, "subset": arguments.subset},
        "threshold": threshold,
        "slices": len(slices),
        "tumor_slices": sum(each.tumor for each in slices),
        "patients": patients,
        "models": compared,
    }
    write_table(arguments.out / "predictions.csv", rows(scores, slices))
    write_json(arguments.out / "comparison.json", content)
    _print(content)
    log = arguments.log or (checkout_log() if arguments.subset == "test" else None)
    if log:
        figures = {name: {key: rounded(model[key]) for key in ("auc", "accuracy")} for name, model in compared.items()}
        append_log(log, origin | {"evaluated": title, "figures": figures})
        print(f"Logged in {log}.", file=sys.stderr)


def _print(content: dict) -> None:
    from ..evaluation.text import interval, one_answer

    width = max(map(len, content["models"]))
    counted = (
        f"{content['slices']} slices with liver, {content['tumor_slices']} with tumor, {content['patients']} patients"
    )
    print(f"{content['title']}: {counted}")
    for name, model in content["models"].items():
        print(f"{name:{width}}  AUC {interval(model['auc'])}  accuracy {interval(model['accuracy'])}")
    for name, model in content["models"].items():
        if same := one_answer(model["confusion"]["tp"] + model["confusion"]["fp"], model["slices"]):
            print(f"{name} {same}")
