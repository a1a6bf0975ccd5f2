"""`livertumor slim RUN`: a trained network with fewer channels."""

from __future__ import annotations

from pathlib import Path

from .run_options import add_source, epochs, positive, share


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "slim",
        help="take the weakest channels out of a trained network",
        description="Take the weakest channels out of a finished run's network and fine-tune the smaller one (after Li et al., 2017, and "
        "Liu et al., 2017): a network with fewer weights that is faster everywhere. The result is a run that 'livertumor prune', "
        "'quantize' and 'export' take. Needs TensorFlow: pip install '.[train]'.",
    )
    add_source(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the smaller run (default: RUN/slim)")
    parser.add_argument("--remove", type=share, default=0.3, metavar="S", help="share of the channels, 0 to 1 (default %(default)s)")
    first = "only in the first layers: those whose maps are at most N times smaller than the image, and take most of the time"
    parser.add_argument("--up-to-stride", type=int, choices=(1, 2, 4, 8, 16, 32), metavar="N", help=first)
    parser.add_argument("--epochs", type=epochs, default=4, metavar="N", help="epochs of fine-tuning (default %(default)s)")
    parser.add_argument("--learning-rate", type=positive, metavar="R", help="its first learning rate (default: the run's own)")
    parser.set_defaults(func=run)


def run(args) -> int:
    """Slim; raises RequirementError without TensorFlow, InputError for a folder that holds no run or bad data."""
    from ..requirement import need_trainer_packages

    need_trainer_packages()
    from ..progress import reporting
    from ..stopping import stops_promptly

    out = args.out or args.run / "slim"
    with stops_promptly(), reporting(args.events, out) as report:
        from .slim import slim_run

        tuning = (args.remove, args.epochs, args.learning_rate, args.up_to_stride)
        slim_run(args.run, args.data, args.split, args.cache, out, args.weights, *tuning, report=report)
    return 0
