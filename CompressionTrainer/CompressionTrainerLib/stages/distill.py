"""A small network taught by a finished run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..networks.distillation import distiller
from ..progress import Report
from ..training.checks import check_canvas
from ..training.config import TrainConfig
from ..training.finished import FinishedRun, open_run, read_run
from ..training.record import refuse_a_run, write_record
from ..training.run import fit, starting_network
from ..training.start import check_start, check_unseen_start


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


def teach(student, config: TrainConfig, teacher: FinishedRun, out: Path, temperature: float, share: float, report: Report | None) -> None:
    """Train a network, which `config` describes, as `training.run.fit` does, with a teacher's answers beside the labels."""
    # Truth and answers are compared on the teacher's canvas and, of classifiers, on its cells.
    shown = replace(config, input=teacher.config.input, network=replace(config.network, stride=teacher.config.network.stride))
    fit(distiller(student, teacher.model, temperature, share), shown, teacher.slices, out, report=report)
