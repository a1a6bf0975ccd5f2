"""`livertumor quantize RUN`: quantization-aware fine-tuning of a trained network."""

from __future__ import annotations

import argparse

from .run_options import add_source, epochs, positive


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "quantize",
        help="fine-tune a trained network with int8 rounding in place",
        description="Fine-tune a finished run's network with the rounding of int8 in place (quantization-aware training), so that its int8 "
        "file answers as the float network does. Writes into RUN/quantized; 'livertumor export' then exports from there. "
        "Needs TensorFlow: pip install '.[train]'.",
    )
    add_source(parser)
    parser.add_argument("--epochs", type=epochs, default=3, metavar="N", help="epochs of fine-tuning (default %(default)s)")
    parser.add_argument("--learning-rate", type=positive, default=1e-4, metavar="R", help="its first learning rate (default %(default)s)")
    parser.add_argument(
        "--keep-zeros",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="weights that pruning made zero stay zero (default: they do)",
    )
    parser.add_argument(
        "--distill",
        action="store_true",
        help="learn the float network's own answers in place of the labels, so that the int8 network decides as that one does",
    )
    parser.set_defaults(func=run)


def run(args) -> int:
    """Quantize; raises RequirementError without TensorFlow, InputError for a folder that holds no run or bad data."""
    from ..requirement import need_trainer_packages

    need_trainer_packages()
    from ..progress import reporting
    from ..stopping import stops_promptly

    with stops_promptly(), reporting(args.events, args.run) as report:
        from .quantize import quantize_run

        tuning = (args.weights, args.epochs, args.learning_rate, args.keep_zeros, args.distill)
        quantize_run(args.run, args.data, args.split, args.cache, *tuning, report=report)
    return 0
