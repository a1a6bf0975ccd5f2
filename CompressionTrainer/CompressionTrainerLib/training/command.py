"""`livertumor train CONFIG`: train one network from labelled CT."""

from __future__ import annotations

from pathlib import Path


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a network from labelled CT",
        description="Train one network on the train patients of a frozen split and keep the weights that do best on its val patients; "
        "test patients are not touched. Writes best.weights.h5, last.weights.h5, log.csv and run.json (all that is needed to repeat the "
        "run) into the folder --out; 'livertumor export' makes a model of it. Needs TensorFlow: pip install '.[train]'.",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="training configuration (TOML); the trainer's are in training/configs")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the CT and mask files of the split")
    parser.add_argument("--split", type=Path, required=True, metavar="FILE", help="frozen patient-wise split (JSON)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of this run; one that holds a run is refused")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="folder for prepared network slices, shared between runs")
    parser.add_argument("--imagenet", type=Path, metavar="FILE", help="ImageNet weights of MobileNetV2 (.npz) (default: random weights)")
    parser.add_argument("--start", type=Path, metavar="FILE", help="weights of an earlier run of the same network to start from (.h5)")
    parser.set_defaults(func=run)


def run(args) -> int:
    """Train; raises RequirementError without TensorFlow, UsageError for a bad configuration, InputError for bad data."""
    from ..requirement import need_trainer_packages

    need_trainer_packages()
    from .config import load_config
    from .run import train

    train(load_config(args.config), args.data, args.split, args.out, args.cache, args.imagenet, args.start)
    return 0
