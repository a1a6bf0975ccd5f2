"""`livertumor distill RUN`: a small network taught by a large one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..settings import POSITIVE, SHARE, add_settings, option, settings_from, weights_option
from ..training.settings import start_option
from .options import CONFIG_HELP, add_source, training_data, training_work

if TYPE_CHECKING:
    from ..data.training_data import TrainingData
    from ..progress import ProgressReport
    from ..training.config import TrainConfig


@dataclass(frozen=True)
class DistillSettings:
    """How a student is taught: by which of its teacher's weights, what the answers count, and what the student starts
    from."""

    weights: str = weights_option()
    temperature: float = option(
        2.0,
        "logits are divided by T before outputs are compared (default %(default)s)",
        metavar="T",
        limit=POSITIVE,
    )
    share: float = option(
        0.5, "weight of the teacher's outputs, 0 to 1 (default %(default)s)", metavar="S", limit=SHARE
    )
    start: Path | None = start_option()
    from_teacher: bool = option(
        False,
        "start the student from its teacher's weights where layers are alike, as in a network with fewer of the same "
        "bottlenecks",
    )

    def __post_init__(self) -> None:
        if self.start and self.from_teacher:
            raise ValueError(
                "start and from_teacher both name the weights that the student starts from; leave one of them out"
            )


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "distill",
        help="train a small network on the outputs of a trained one",
        description="Train the small network of a configuration (narrower, or with smaller inputs over the same "
        "canvas) on the labels and on the outputs of a finished run's network (knowledge distillation, Hinton et al., "
        "2015). The result is a run that 'livertumor prune', 'quantize' and 'export' take. Needs TensorFlow: pip "
        "install '.[train]'.",
    )
    add_source(parser, metavar="TEACHER")
    parser.add_argument("--config", required=True, metavar="CONFIG", help=f"the student's {CONFIG_HELP}")
    out = "folder of the student's run; one that holds a run is refused"
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=out)
    add_settings(parser, DistillSettings)
    parser.set_defaults(func=run)


def run(args) -> int:
    """Distill; raises RequirementError without TensorFlow, UsageError for a student unlike its teacher, InputError for
    bad data."""

    with training_work(args.events, args.out) as report:
        from ..training.config import load_config

        config = load_config(args.config)
        settings = settings_from(DistillSettings, args)
        distill_run(args.run, config, training_data(args), args.out, settings, report)
    return 0


def distill_run(
    run: Path,
    config: TrainConfig,
    data: TrainingData,
    out: Path,
    settings: DistillSettings,
    report: ProgressReport | None = None,
) -> None:
    """Train the student that `config` describes on the labels and on the answers of a run's network; `out` is then its
    run.

    Teacher and student see the same augmented canvas, each at its own resolution; what the configuration says in pixels
    of the augmentation is meant in the teacher's.

    Args:
        run: folder of the teacher's run.
        config: of the student: narrower, or with smaller inputs.
        data: as in training.
        out: the student's folder.
        settings: what they mean is said at `distiller`.
        report: told of the progress; by default a console's.

    Raises:
        InputError: there is no run, data or the weights to start from are missing, or `out` holds a run already.
        UsageError: the student is asked something else than the teacher, or sees another canvas, or starts from weights
            that know its val or test patients.
    """
    from ..networks.distillation import distiller
    from ..training.checks import check_canvas
    from ..training.finished import open_run, teach
    from ..training.record import read_run, refuse_a_run, write_record
    from ..training.run import starting_network
    from ..training.start import check_start, check_unseen_start

    refuse_a_run(out)
    check_start(settings.start)
    check_canvas(read_run(run), config)
    teacher = open_run(run, data, settings.weights)
    config = replace(config, refit=teacher.config.refit)  # the student sees the patients that its teacher saw
    check_unseen_start(settings.start, teacher.split)
    start = teacher.weights if settings.from_teacher else settings.start
    student = starting_network(config, teacher.slices, None, start)
    out.mkdir(parents=True, exist_ok=True)
    how = {"temperature": settings.temperature, "share": settings.share}
    distillation = {"teacher": str(teacher.weights), **how, "config": teacher.config.to_dict()}
    write_record(out, config, teacher.split, None, start, teacher.weights, distillation=distillation)
    teach(distiller(student, teacher.model, **how), config, teacher, out, report)
