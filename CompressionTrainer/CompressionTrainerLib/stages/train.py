"""`livertumor train CONFIG`: train one network from labelled CT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..settings import add_settings, option, settings_from
from .options import add_data_options, add_events_option, start_option, training_data

if TYPE_CHECKING:
    from ..data.training_data import TrainingData
    from ..progress import ProgressReport
    from ..training.config import TrainConfig

STRATEGIES = ("none", "mirrored", "multiworker")


@dataclass(frozen=True)
class TrainSettings:
    """What a training is told beside its configuration: the weights it starts from, the devices it runs on, and its log."""

    imagenet: Path | None = option(None, "ImageNet weights of MobileNetV2 (.npz) (default: random weights)", metavar="FILE")
    start: Path | None = start_option()
    strategy: str = option(
        "none",
        "one device, all GPUs of this machine, or one of several workers that TF_CONFIG lists (default: %(default)s)",
        choices=STRATEGIES,
    )
    tensorboard: bool = option(False, "write a log for TensorBoard into OUT/tensorboard too; needs the package tensorboard")


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a network from labelled CT",
        description="Train one network on the train patients of a frozen split and keep the weights that do best on its val patients; "
        "test patients are not touched. Writes best.weights.h5, last.weights.h5, log.csv and run.json (all that is needed to repeat the "
        "run) into the folder --out; 'livertumor export' makes a model of it. A training that was stopped, or killed, at any moment goes "
        "on after its last complete epoch when the same command is given again. Needs TensorFlow: pip install '.[train]'.",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="training configuration (TOML); the trainer's are in training/configs")
    add_data_options(parser)
    out = "folder of this run; one with an unfinished run of the same configuration goes on, any other run in it is refused"
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=out)
    add_settings(parser, TrainSettings)
    add_events_option(parser)
    parser.set_defaults(func=run)


def run(args) -> int:
    """Train; raises RequirementError without TensorFlow, UsageError for a bad configuration, InputError for bad data."""
    from ..requirement import need_trainer_packages

    need_trainer_packages(*(["tensorboard"] if args.tensorboard else []))
    from ..progress import reporting
    from ..stopping import stops_promptly
    from ..training.config import load_config

    with stops_promptly(), reporting(args.events, args.out) as report:
        train(load_config(args.config), training_data(args), args.out, settings_from(TrainSettings, args), report)
    return 0


def train(config: TrainConfig, data: TrainingData, out: Path, settings: TrainSettings, report: ProgressReport | None = None) -> None:
    """Train and write into `out`: best.weights.h5, last.weights.h5, log.csv, run.json.

    A folder with an unfinished run of the same configuration and data goes on after its last complete epoch. Where a batch
    does not fit into memory, it is halved.

    Args:
        data: training sees the split's train patients, choices its val patients.
        out: the run's folder.
        settings: weights to start from are taken for the layers of the same name and shape.
        report: told of the progress; by default a console's.

    Raises:
        InputError: a data file is missing or not the frozen one, the patients show one class only, or the folder holds another run.
        UsageError: the weights to start from fit no layer or know val or test patients, or replicas cannot share a batch.
        LiverTumorError: the loss became no number, or memory does not suffice for a single slice.
    """
    from ..networks.keras_module import keras
    from ..training.checks import check_classes, check_imagenet
    from ..training.record import refuse_a_run, write_record
    from ..training.run import BatchTooLarge, copy_in, fit, halved, load_slices, starting_network
    from ..training.start import check_start, check_unseen_start
    from ..training.strategy import check_batch, make_strategy, writes

    cluster = make_strategy(settings.strategy)
    refuse_a_run(out)
    check_batch(cluster, config.optimizer.batch)
    check_imagenet(config, settings.imagenet)
    check_start(settings.start)
    slices, split = load_slices(config, data)
    check_unseen_start(settings.start, split)
    check_classes(config, slices)
    asked = config
    while True:
        try:
            model = starting_network(config, slices, settings.imagenet, settings.start)
            out.mkdir(parents=True, exist_ok=True)
            if writes(cluster):
                write_record(out, asked, split, settings.imagenet, settings.start)
            if cluster is not model.distribute_strategy:
                model = copy_in(cluster, config, model)
            fit(model, config, slices, out, tensorboard=settings.tensorboard, report=report)
            return
        except BatchTooLarge:
            batch = config.optimizer.batch // 2
            if not batch or cluster.num_replicas_in_sync > 1:
                raise
            config = halved(config)
        keras.backend.clear_session()
