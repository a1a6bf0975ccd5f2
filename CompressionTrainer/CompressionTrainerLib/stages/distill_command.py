"""`livertumor distill RUN`: a small network taught by a large one."""

from __future__ import annotations

from pathlib import Path

from .options import add_start_option
from .run_options import add_source, positive, share


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "distill",
        help="train a small network with the answers of a trained one",
        description="Train the small network of a configuration (narrower, or with smaller inputs over the same canvas) on the labels and "
        "on the answers of a finished run's network (knowledge distillation, Hinton et al., 2015). The result is a run that 'livertumor "
        "prune', 'quantize' and 'export' take. Needs TensorFlow: pip install '.[train]'.",
    )
    add_source(parser, metavar="TEACHER")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the student's training configuration (TOML)")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the student's run; one that holds a run is refused"
    )
    soft = "by which logits are divided before answers are compared (default %(default)s)"
    parser.add_argument("--temperature", type=positive, default=2.0, metavar="T", help=soft)
    parser.add_argument("--share", type=share, default=0.5, metavar="S", help="what the answers count, 0 to 1 (default %(default)s)")
    begin = parser.add_mutually_exclusive_group()
    add_start_option(begin)
    teacher = "start the student from its teacher's weights where layers are alike, as in a network with fewer of the same bottlenecks"
    begin.add_argument("--from-teacher", action="store_true", help=teacher)
    parser.set_defaults(func=run)


def run(args) -> int:
    """Distill; raises RequirementError without TensorFlow, UsageError for a student unlike its teacher, InputError for bad data."""
    from ..requirement import need_trainer_packages

    need_trainer_packages()
    from ..progress import reporting
    from ..stopping import stops_promptly

    with stops_promptly(), reporting(args.events, args.out) as report:
        from ..training.config import load_config
        from .distill import distill_run

        config = load_config(args.config)
        how = (args.weights, args.temperature, args.share, args.start, args.from_teacher)
        distill_run(args.run, config, args.data, args.split, args.cache, args.out, *how, report=report)
    return 0
