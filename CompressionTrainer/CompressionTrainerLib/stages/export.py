"""`livertumor export RUN`: a trained run as an int8 bundle."""

from __future__ import annotations

from pathlib import Path

from .options import add_source


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export",
        help="write a trained run as an int8 bundle",
        description="Quantize the network of a training run to int8 with slices of its train patients, choose its threshold on the val "
        "patients, and write a model that 'livertumor segment' and 'classify' take by its folder: model.tflite, manifest.json and card.md. "
        "The float32 twin, for comparison, goes into RUN/float. Needs TensorFlow: pip install '.[train]'.",
    )
    add_source(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the model; its name becomes the id")
    parser.add_argument("--version", default="0.1.0", metavar="X.Y.Z", help="version of the model (default: %(default)s)")
    operating_point = "of a refit: the model whose threshold and calibration it takes, for it has no val patients left to choose its own"
    parser.add_argument("--operating-point", type=Path, metavar="MODEL", help=operating_point)
    parser.set_defaults(func=run)


def run(args) -> int:
    """Export; raises RequirementError without TensorFlow, InputError for bad data, ModelError for a network that does not convert."""
    from ..requirement import need_trainer_packages

    need_trainer_packages()
    from ..progress import reporting
    from ..stopping import stops_promptly

    with stops_promptly(), reporting(args.events, args.out) as report:
        from ..export.bundle import export_run

        data = args.data, args.split, args.cache
        bundle = export_run(args.run, *data, args.out, args.version, args.weights, report, operating_point=args.operating_point)
    if not args.events:
        print(f"{bundle.id} {bundle.manifest.version}: threshold {bundle.manifest.threshold:.2f}, {bundle.model.stat().st_size} bytes")
    return 0
