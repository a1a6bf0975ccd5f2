"""`livertumor train CONFIG`: train one network from labelled CT."""

from __future__ import annotations

from pathlib import Path

from .options import STRATEGIES, add_data_options, add_events_option, add_start_option


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
    parser.add_argument("--imagenet", type=Path, metavar="FILE", help="ImageNet weights of MobileNetV2 (.npz) (default: random weights)")
    add_start_option(parser)
    strategy = "one device, all GPUs of this machine, or one of several workers that TF_CONFIG lists (default: %(default)s)"
    parser.add_argument("--strategy", choices=STRATEGIES, default="none", help=strategy)
    tensorboard = "write a log for TensorBoard into OUT/tensorboard too; needs the package tensorboard"
    parser.add_argument("--tensorboard", action="store_true", help=tensorboard)
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
        config = load_config(args.config)
        from ..training.run import train

        more = {"strategy": args.strategy, "tensorboard": args.tensorboard, "report": report}
        train(config, args.data, args.split, args.out, args.cache, args.imagenet, args.start, **more)
    return 0
