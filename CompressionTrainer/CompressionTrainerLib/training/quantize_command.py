"""`livertumor quantize RUN`: quantization-aware fine-tuning of a trained network."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "quantize",
        help="fine-tune a trained network with int8 rounding in place",
        description="Fine-tune a finished run's network with the rounding of int8 in place (quantization-aware training), so that its int8 "
        "file answers as the float network does. Writes into RUN/quantized; 'livertumor export' then exports from there. "
        "Needs TensorFlow: pip install '.[train]'.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished training run")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the CT and mask files of the split")
    parser.add_argument("--split", type=Path, required=True, metavar="FILE", help="frozen patient-wise split (JSON)")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="folder of prepared network slices")
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which weights of the run (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=3, metavar="N", help="epochs of fine-tuning (default %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=1e-4, metavar="R", help="its first learning rate (default %(default)s)")
    parser.add_argument(
        "--keep-zeros",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="weights that pruning made zero stay zero (default: they do)",
    )
    parser.set_defaults(func=run)


def run(args) -> int:
    """Quantize; raises RequirementError without TensorFlow, InputError for a folder that holds no run or bad data."""
    from ..requirement import need_trainer_packages

    need_trainer_packages()
    from .quantize import quantize_run

    quantize_run(args.run, args.data, args.split, args.cache, args.weights, args.epochs, args.learning_rate, args.keep_zeros)
    return 0
