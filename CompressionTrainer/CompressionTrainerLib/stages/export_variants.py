"""`livertumor variants RUN`: a trained network in every number format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..settings import add_settings, settings_from, weights_option
from .options import add_source, training_data, training_work


@dataclass(frozen=True)
class VariantsSettings:
    """Which weights of a run are written."""

    weights: str = weights_option()


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "variants",
        help="write a trained run in every number format, to compare them",
        description="Write the network of a training run as float32, float16, dynamic-range, int16x8 and int8 TFLite "
        "files, by post-training quantization and, where the run has been quantized in training, from there; and "
        "variants.csv, which says what each costs in bytes and how many of its weights are zero. Needs TensorFlow: pip "
        "install '.[train]'.",
    )
    add_source(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    add_settings(parser, VariantsSettings)
    parser.set_defaults(func=run)


def run(args) -> int:
    """Convert; raises RequirementError without TensorFlow, InputError for bad data, ModelError for a network that does
    not convert."""

    with training_work(args.events, args.out) as report:
        from ..export.variants import write_variants

        rows = write_variants(
            args.run, training_data(args), args.out, settings_from(VariantsSettings, args).weights, report
        )
    if not args.events:
        print("variant          bytes  after gzip   zeros  float tensors")
        for row in rows:
            print(
                f"{row['variant']:<13} {row['bytes']:>8} {row['gzip_bytes']:>11} {row['sparsity']:>7.1%} "
                f"{row['float_tensors']:>14}"
            )
    return 0
