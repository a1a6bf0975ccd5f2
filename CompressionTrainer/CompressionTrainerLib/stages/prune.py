"""`livertumor prune RUN`: a trained network with its weakest weights made zero."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from LiverTumorLib.files.atomic import atomic_path

from .options import add_source, epochs, positive, share

if TYPE_CHECKING:
    from ..progress import Report


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
        schedule = (args.sparsity, args.epochs, args.fine_tune, args.learning_rate)
        prune_run(args.run, args.data, args.split, args.cache, out, args.weights, *schedule, report=report)
    return 0


TABLE = "sparsity.csv"


def prune_run(
    run: Path,
    data: Path,
    split_file: Path,
    cache: Path,
    out: Path,
    weights: str,
    sparsity: float,
    epochs: int,
    fine_tuning_epochs: int,
    learning_rate: float | None = None,
    report: Report | None = None,
) -> None:
    """Prune a run's network gradually, fine-tune what is left, and write it into `out` as a run of its own.

    The network stays what it is and only holds zeros; `out` can be quantized and exported like any other run. Beside its
    weights lies sparsity.csv, the zeros of each layer; what led to the masks is in out/gradual. Stopped and called again, it goes
    on after the last complete epoch.

    Args:
        run: folder of a finished training run.
        data, split_file, cache: as in training.
        out: the new run's folder.
        weights: "best" (by validation) or "last" of the run.
        sparsity: share of the weights that shall be zero.
        epochs, fine_tuning_epochs: of gradual pruning, and of training with the zeros held.
        learning_rate: of either, falling as a half cosine; None takes the run's own.
        report: told of the progress; by default a console's.

    Raises:
        InputError: there is no run, data are missing, or `out` holds a run already.
        ModelError: the asked share of zeros was not reached.
    """
    from ..networks.magnitude import HoldZeros, check_sparsity, gradually_pruned, layer_sparsity, schedule_callbacks, stripped
    from ..progress import Console
    from ..training.batches import steps_per_epoch
    from ..training.finished import fine_tuning_config, open_run
    from ..training.record import lineage, refuse_a_run, write_record
    from ..training.run import fit

    refuse_a_run(out)
    source = open_run(run, data, split_file, cache, weights)
    gradual = fine_tuning_config(source.config, epochs, learning_rate)
    tuning = fine_tuning_config(gradual, fine_tuning_epochs, learning_rate)

    (out / "gradual").mkdir(parents=True, exist_ok=True)
    steps = epochs * steps_per_epoch(gradual)
    schedule = {"sparsity": sparsity, "begin_step": 0, "end_step": steps - 1, "frequency": 1, "config": gradual.to_dict()}
    write_record(out, tuning, source.split, start=source.weights, **{**lineage(run), "pruning": schedule})
    pruned = gradually_pruned(source.model, sparsity, steps)
    report = report or Console()
    share = epochs / (epochs + fine_tuning_epochs)
    fit(pruned, gradual, source.slices, out / "gradual", schedule_callbacks(), report=_part(report, "prune", 0, share))
    model = stripped(pruned, sparsity)
    fit(model, tuning, source.slices, out, [HoldZeros(model)], report=_part(report, "fine-tune", share, 1))
    check_sparsity(model, sparsity)
    with atomic_path(out / TABLE) as path, open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["layer", "weights", "zeros", "sparsity"])
        writer.writerows([name, count, zeros, round(zeros / count, 4)] for name, count, zeros in layer_sparsity(model))


def _part(report: Report, stage: str, begin: float, end: float) -> Report:
    """Tells of a training that is the work from `begin` to `end`, as fractions of the whole."""
    return lambda _, fraction, message, figures=None: report(stage, begin + fraction * (end - begin), message, figures)
