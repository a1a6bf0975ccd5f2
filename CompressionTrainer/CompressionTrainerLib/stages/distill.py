"""`livertumor distill RUN`: a small network taught by a large one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .options import add_source, add_start_option, positive, share

if TYPE_CHECKING:
    from ..progress import Report
    from ..training.config import TrainConfig


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

        config = load_config(args.config)
        how = (args.weights, args.temperature, args.share, args.start, args.from_teacher)
        distill_run(args.run, config, args.data, args.split, args.cache, args.out, *how, report=report)
    return 0


def distill_run(
    run: Path,
    config: TrainConfig,
    data: Path,
    split_file: Path,
    cache: Path,
    out: Path,
    weights: str,
    temperature: float,
    share: float,
    start: Path | None = None,
    from_teacher: bool = False,
    report: Report | None = None,
) -> None:
    """Train the student that `config` describes on the labels and on the answers of a run's network; `out` is then its run.

    Teacher and student see the same augmented canvas, each at its own resolution; what the configuration says in pixels
    of the augmentation is meant in the teacher's.

    Args:
        run: folder of the teacher's run.
        config: of the student: narrower, or with smaller inputs.
        data, split_file, cache: as in training.
        out: the student's folder.
        weights: "best" (by validation) or "last" of the teacher.
        temperature, share: how soft the teacher's answers are, and what they count beside the labels; see `distiller`.
        start: weights the student starts from, as in training, or None.
        from_teacher: start from the teacher's weights instead.
        report: told of the progress; by default a console's.

    Raises:
        InputError: there is no run, data or the weights to start from are missing, or `out` holds a run already.
        UsageError: the student is asked something else than the teacher, or sees another canvas, or starts from weights that know its
            val or test patients.
    """
    from ..training.checks import check_canvas
    from ..training.finished import open_run, teach
    from ..training.record import read_run, refuse_a_run, write_record
    from ..training.run import starting_network
    from ..training.start import check_start, check_unseen_start

    refuse_a_run(out)
    check_start(start)
    check_canvas(read_run(run), config)
    teacher = open_run(run, data, split_file, cache, weights)
    config = replace(config, refit=teacher.config.refit)  # the student sees the patients that its teacher saw
    check_unseen_start(start, teacher.split)
    start = teacher.weights if from_teacher else start
    student = starting_network(config, teacher.slices, None, start)
    out.mkdir(parents=True, exist_ok=True)
    distillation = {"teacher": str(teacher.weights), "temperature": temperature, "share": share, "config": teacher.config.to_dict()}
    write_record(out, config, teacher.split, None, start, teacher.weights, distillation=distillation)
    teach(student, config, teacher, out, temperature, share, report)
