"""`livertumor prune RUN`: a trained network with its weakest weights made zero."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from LiverTumorLib.atomic import atomic_path

from ..settings import COUNT, POSITIVE, SHARE, add_settings, option, settings_from, weights_option
from .options import add_source, training_data, training_work

if TYPE_CHECKING:
    from ..data.training_data import TrainingData
    from ..progress import ProgressReport

TABLE = "sparsity.csv"


@dataclass(frozen=True)
class PruneSettings:
    """How a run is pruned: of which weights, how many of them become zero, and the training around it."""

    weights: str = weights_option()
    sparsity: float = option(0.2, "share of zeros, 0 to 1 (default %(default)s)", metavar="S", limit=SHARE)
    epochs: int = option(2, "epochs of gradual pruning (default %(default)s)", metavar="N", limit=COUNT)
    fine_tune: int = option(
        2, "epochs of fine-tuning in which zeros stay zero (default %(default)s)", metavar="N", limit=COUNT
    )
    learning_rate: float | None = option(
        None, "initial learning rate of both (default: the run's own)", metavar="R", limit=POSITIVE
    )


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "prune",
        help="set the weakest weights of a trained network to zero",
        description="Gradually set the weakest weights of a finished run's network to zero and fine-tune the others "
        "(Zhu and Gupta, 2017). The result is a run that 'livertumor quantize', which keeps the zeros, and 'export' "
        "take. Zeros make the zipped model smaller, not the network faster; 'livertumor slim' does that. Needs "
        "TensorFlow: pip install '.[train]'.",
    )
    add_source(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the pruned run (default: RUN/pruned)")
    add_settings(parser, PruneSettings)
    parser.set_defaults(func=run)


def run(args) -> int:
    """Prune; raises RequirementError without TensorFlow, InputError for a folder that holds no run, ModelError for a
    missed sparsity."""

    out = args.out or args.run / "pruned"
    with training_work(args.events, out) as report:
        prune_run(args.run, training_data(args), out, settings_from(PruneSettings, args), report)
    return 0


def prune_run(
    run: Path, data: TrainingData, out: Path, settings: PruneSettings, report: ProgressReport | None = None
) -> None:
    """Prune a run's network gradually, fine-tune what is left, and write it into `out` as a run of its own.

    The network stays what it is and only holds zeros; `out` can be quantized and exported like any other run. Beside
    its weights lies sparsity.csv, the zeros of each layer; what led to the masks is in out/gradual. Stopped and called
    again, it goes on after the last complete epoch.

    Args:
        run: folder of a finished training run.
        data: as in training.
        out: the new run's folder.
        settings: the learning rate falls as a half cosine.
        report: told of the progress; by default a console's.

    Raises:
        InputError: there is no run, data are missing, or `out` holds a run already.
        ModelError: the asked share of zeros was not reached.
    """
    from ..networks.magnitude import (
        HoldZeros,
        check_sparsity,
        gradually_pruned,
        layer_sparsity,
        schedule_callbacks,
        stripped,
    )
    from ..progress import Console
    from ..training.batches import steps_per_epoch
    from ..training.finished import fine_tuning_config, open_run
    from ..training.record import lineage, refuse_a_run, write_record
    from ..training.run import fit

    refuse_a_run(out)
    source, sparsity = open_run(run, data, settings.weights), settings.sparsity
    gradual = fine_tuning_config(source.config, settings.epochs, settings.learning_rate)
    tuning = fine_tuning_config(gradual, settings.fine_tune, settings.learning_rate)

    (out / "gradual").mkdir(parents=True, exist_ok=True)
    steps = settings.epochs * steps_per_epoch(gradual)
    schedule = {
        "sparsity": sparsity,
        "begin_step": 0,
        "end_step": steps - 1,
        "frequency": 1,
        "config": gradual.to_dict(),
    }
    write_record(out, tuning, source.split, start=source.weights, **{**lineage(run), "pruning": schedule})
    pruned = gradually_pruned(source.model, sparsity, steps)
    report = report or Console()
    share = settings.epochs / (settings.epochs + settings.fine_tune)
    fit(pruned, gradual, source.slices, out / "gradual", schedule_callbacks(), report=_part(report, "prune", 0, share))
    model = stripped(pruned, sparsity)
    fit(model, tuning, source.slices, out, [HoldZeros(model)], report=_part(report, "fine-tune", share, 1))
    check_sparsity(model, sparsity)
    with atomic_path(out / TABLE) as path, open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["layer", "weights", "zeros", "sparsity"])
        writer.writerows([name, count, zeros, round(zeros / count, 4)] for name, count, zeros in layer_sparsity(model))


def _part(report: ProgressReport, stage: str, begin: float, end: float) -> ProgressReport:
    """Tells of a training that is the work from `begin` to `end`, as fractions of the whole."""

    def told(_: str, fraction: float, message: str, figures: dict[str, float] | None = None) -> None:
        report(stage, begin + fraction * (end - begin), message, figures)

    return told
