"""`livertumor train CONFIG`: train one network from labeled CT."""

from __future__ import annotations

from pathlib import Path

from ..settings import add_settings, settings_from
from ..training.settings import TrainSettings
from .options import CONFIG_HELP, add_data_options, add_events_option, training_data, training_work


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a network from labeled CT",
        description="Train one network on the train patients of a frozen split and keep the weights that do best on "
        "its val patients; test patients are not touched. Writes best.weights.h5, last.weights.h5, log.csv and "
        "run.json (all that is needed to repeat the run) into the folder --out; 'livertumor export' makes a model of "
        "it. A training that was stopped or killed continues after its last complete epoch when the same command is "
        "given again. Needs TensorFlow: pip install '.[train]'.",
    )
    parser.add_argument("config", metavar="CONFIG", help=CONFIG_HELP)
    add_data_options(parser)
    out = (
        "folder of this run; one with an unfinished run of the same configuration continues, any other run in it is "
        "refused"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=out)
    add_settings(parser, TrainSettings)
    add_events_option(parser)
    parser.set_defaults(func=run)


def run(args) -> int:
    """Train; raises RequirementError without TensorFlow, UsageError for a bad configuration, InputError for bad
    data."""
    from ..training.config import load_config

    with training_work(args.events, args.out, *(["tensorboard"] if args.tensorboard else [])) as report:
        from ..training.run import train

        train(load_config(args.config), training_data(args), args.out, settings_from(TrainSettings, args), report)
    return 0
