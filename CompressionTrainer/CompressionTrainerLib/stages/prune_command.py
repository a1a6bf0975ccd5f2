"""`livertumor prune RUN`: a trained network with its weakest weights made zero."""

from __future__ import annotations

from pathlib import Path

from .run_options import add_source, epochs, positive, share


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "prune",
        help="make the weakest weights of a trained network zero",
        description="Make the weakest weights of a finished run's network zero, gradually, and fine-tune the others (Zhu and Gupta, 2017). "
        "The result is a run that 'livertumor quantize', which keeps the zeros, and 'export' take. Zeros make the zipped model smaller, "
        "not the network faster; 'livertumor slim' does that. Needs TensorFlow: pip install '.[train]'.",
    )
    add_source(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the pruned run (default: RUN/pruned)")
    parser.add_argument("--sparsity", type=share, default=0.2, metavar="S", help="share of zeros, 0 to 1 (default %(default)s)")
    parser.add_argument("--epochs", type=epochs, default=2, metavar="N", help="epochs of gradual pruning (default %(default)s)")
    parser.add_argument("--fine-tune", type=epochs, default=2, metavar="N", help="epochs with the zeros held (default %(default)s)")
    parser.add_argument("--learning-rate", type=positive, metavar="R", help="first learning rate of both (default: the run's own)")
    parser.set_defaults(func=run)


def run(args) -> int:
    """Prune; raises RequirementError without TensorFlow, InputError for a folder that holds no run, ModelError for a missed sparsity."""
    from ..requirement import need_trainer_packages

    need_trainer_packages()
    from ..progress import reporting
    from ..stopping import stops_promptly

    out = args.out or args.run / "pruned"
    with stops_promptly(), reporting(args.events, out) as report:
        from .prune import prune_run

        schedule = (args.sparsity, args.epochs, args.fine_tune, args.learning_rate)
        prune_run(args.run, args.data, args.split, args.cache, out, args.weights, *schedule, report=report)
    return 0
