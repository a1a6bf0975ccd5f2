"""`livertumor slim RUN`: a trained network with fewer channels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from LiverTumorLib.errors import UsageError

from .options import add_source, epochs, positive, share

if TYPE_CHECKING:
    from ..progress import Report


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
        tuning = (args.remove, args.epochs, args.learning_rate, args.up_to_stride)
        slim_run(args.run, args.data, args.split, args.cache, out, args.weights, *tuning, report=report)
    return 0


def slim_run(
    run: Path,
    data: Path,
    split_file: Path,
    cache: Path,
    out: Path,
    weights: str,
    removed: float,
    epochs: int,
    learning_rate: float | None = None,
    stride: int | None = None,
    report: Report | None = None,
) -> tuple[int, int]:
    """Take the weakest channels out of a run's network, fine-tune the smaller one, and write it into `out` as a run of its own.

    A network that had a teacher (`distill_run`) learns from it in the fine-tuning, too, as long as the teacher's run is there.

    Its configuration says how many channels each convolution has (`network.channels`), so that the network can be built
    again; run.json also says which ones stayed.

    Args:
        run: folder of a finished training run.
        data, split_file, cache: as in training.
        out: the new run's folder.
        weights: "best" (by validation) or "last" of the run.
        removed: share of the channels that leave, in every convolution that can lose some.
        stride: only convolutions whose maps are at most so many times smaller than the input, the first ones, lose any; None: all.
        epochs, learning_rate: of the fine-tuning, falling as a half cosine; None takes the run's own rate.
        report: told of the progress; by default a console's.

    Returns:
        the number of parameters before and after.

    Raises:
        InputError: there is no run, data are missing, or `out` holds a run already.
        UsageError: so small a share removes no channel.
    """
    from ..networks.channels import strongest_channels, without_channels
    from ..training.finished import fine_tuning_config, open_run, teach
    from ..training.record import lineage, refuse_a_run, write_record
    from ..training.run import fit

    refuse_a_run(out)
    source = open_run(run, data, split_file, cache, weights)
    kept = strongest_channels(source.model, removed, stride)
    if not kept:
        raise UsageError(f"Removing a share of {removed} of the channels removes none of this network's; choose a larger share.")
    smaller = without_channels(source.model, kept)

    channels = source.config.network.channels | {name: len(numbers) for name, numbers in kept.items()}
    tuning = fine_tuning_config(source.config, epochs, learning_rate)
    tuning = replace(tuning, network=replace(tuning.network, channels=channels))
    sizes = (source.model.count_params(), smaller.count_params())
    numbers = {name: stay.tolist() for name, stay in kept.items()}
    slimming = {"removed": removed, "up_to_stride": stride, "parameters": sizes, "kept": numbers}
    out.mkdir(parents=True, exist_ok=True)
    inherited = lineage(run)
    write_record(out, tuning, source.split, start=source.weights, **{**inherited, "slimming": slimming})
    taught = inherited.get("distillation")
    if taught and Path(taught["teacher"]).is_file():
        path = Path(taught["teacher"])
        teacher = open_run(path.parent, data, split_file, cache, path.name.removesuffix(".weights.h5"))
        teach(smaller, tuning, teacher, out, taught["temperature"], taught["share"], report)
    else:
        if taught:
            print(f"{taught['teacher']}, this network's teacher, is gone; the fine-tuning has the labels only.", flush=True)
        fit(smaller, tuning, source.slices, out, report=report)
    return sizes
