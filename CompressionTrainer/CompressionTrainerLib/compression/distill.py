"""A small network taught by a finished run."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

from LiverTumorLib.errors import UsageError

from ..training.config import TrainConfig
from ..training.progress import Report
from ..training.quantize import read_run
from ..training.record import refuse_a_run, write_record
from ..training.run import build_network, fit, load_slices, starting_network
from .distillation import distiller


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
        report: told of the progress; by default a console's.

    Raises:
        InputError: there is no run, data are missing, or `out` holds a run already.
        UsageError: the student is asked something else than the teacher, or sees another canvas.
    """
    refuse_a_run(out)
    taught = read_run(run)
    check_canvas(taught, config)
    shown = replace(config, input=taught.input)
    slices, split = load_slices(shown, data, split_file, cache)
    teacher = build_network(taught)
    answers = run / f"{weights}.weights.h5"
    teacher.load_weights(answers)
    student = starting_network(config, slices, None, start)
    out.mkdir(parents=True, exist_ok=True)
    distillation = {"teacher": str(answers), "temperature": temperature, "share": share, "config": taught.to_dict()}
    write_record(out, config, split, None, start, distillation=distillation)
    fit(distiller(student, teacher, temperature, share), shown, slices, out, report=report)


def check_canvas(teacher: TrainConfig, student: TrainConfig) -> None:
    """Raises UsageError where a teacher's answers are no answers to what the student is asked."""
    if teacher.task != student.task:
        raise UsageError(f"The teacher's task is '{teacher.task}' and the student's '{student.task}'; they must be the same.")
    for name, value in asdict(teacher.input).items():
        if name not in ("size", "spacing_mm") and getattr(student.input, name) != value:
            raise UsageError(f"The student's {name} is {getattr(student.input, name)} and the teacher's {value}; they must be the same.")
    for large, small in zip(teacher.input.size, student.input.size, strict=True):
        ends = large * teacher.input.spacing_mm, small * student.input.spacing_mm
        if small > large or not math.isclose(*ends, rel_tol=1e-3):
            raise UsageError(
                f"The student's canvas is {ends[1]:.1f} mm ({small} pixels) where the teacher's is {ends[0]:.1f} mm ({large} pixels); "
                "it must cover the same, with no more pixels: change the student's size or spacing_mm."
            )
