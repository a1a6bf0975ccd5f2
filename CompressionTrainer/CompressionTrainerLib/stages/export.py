"""`livertumor export RUN`: a trained run as an int8 bundle."""

from __future__ import annotations

import sys
from pathlib import Path

from ..export.settings import ExportSettings
from ..settings import add_settings, settings_from
from .options import add_source, training_data, training_work


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export",
        help="write a trained run as an int8 bundle",
        description="Quantize the network of a training run to int8 with slices of its train patients, choose its "
        "threshold on the val patients, and write a model that 'livertumor segment' and 'classify' take by its folder: "
        "model.tflite, manifest.json and card.md. The float32 twin, for comparison, goes into RUN/float. Needs "
        "TensorFlow: pip install '.[train]'.",
    )
    add_source(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the model; its name becomes the id"
    )
    add_settings(parser, ExportSettings)
    parser.set_defaults(func=run)


def run(args) -> int:
    """Export; raises RequirementError without TensorFlow, InputError for bad data, ModelError for a network that does
    not convert."""

    with training_work(args.events, args.out) as report:
        from ..export.bundle import export_run
        from ..export.card import answers_alike

        bundle = export_run(args.run, training_data(args), args.out, settings_from(ExportSettings, args), report)
    if same := answers_alike(bundle.manifest):
        print(same, file=sys.stderr)
    if not args.events:
        print(
            f"{bundle.id} {bundle.manifest.version}: threshold {bundle.manifest.threshold:.2f}, "
            f"{bundle.model.stat().st_size} bytes"
        )
    return 0
