"""`livertumor slim RUN`: a trained network with fewer channels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from LiverTumorLib.errors import UsageError

from ..settings import COUNT, POSITIVE, SHARE, add_settings, option, settings_from, weights_option
from .options import add_source, training_data, training_work

if TYPE_CHECKING:
    from ..data.training_data import TrainingData
    from ..progress import ProgressReport


@dataclass(frozen=True)
class SlimSettings:
    """How channels leave a run's network: of which weights, how many, where, and the fine-tuning after it."""

    weights: str = weights_option()
    remove: float = option(
        0.3, "share of the channels to remove, 0 to 1 (default %(default)s)", metavar="S", limit=SHARE
    )
    up_to_stride: int | None = option(
        None,
        "only in the first layers, whose maps are at most N times smaller than the image and which take most of the "
        "time",
        metavar="N",
        choices=(1, 2, 4, 8, 16, 32),
    )
    epochs: int = option(4, "epochs of fine-tuning (default %(default)s)", metavar="N", limit=COUNT)
    learning_rate: float | None = option(
        None, "initial learning rate (default: the run's own)", metavar="R", limit=POSITIVE
    )


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "slim",
        help="remove the weakest channels of a trained network",
        description="Remove the weakest channels of a finished run's network and fine-tune the smaller one (after Li "
        "et al., 2017, and Liu et al., 2017): a network with fewer weights that is faster everywhere. The result is a "
        "run that 'livertumor prune', 'quantize' and 'export' take. Needs TensorFlow: pip install '.[train]'.",
    )
    add_source(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the smaller run (default: RUN/slim)")
    add_settings(parser, SlimSettings)
    parser.set_defaults(func=run)


def run(args) -> int:
    """Slim; raises RequirementError without TensorFlow, InputError for a folder that holds no run or bad data."""

    out = args.out or args.run / "slim"
    with training_work(args.events, out) as report:
        slim_run(args.run, training_data(args), out, settings_from(SlimSettings, args), report)
    return 0


def slim_run(
    run: Path, data: TrainingData, out: Path, settings: SlimSettings, report: ProgressReport | None = None
) -> tuple[int, int]:
    """Take the weakest channels out of a run's network, fine-tune the smaller one, and write it into `out` as a run of
    its own.

    A network that had a teacher (`distill_run`) learns from it in the fine-tuning, too, as long as the teacher's run is
    there.

    Its configuration says how many channels each convolution has (`network.channels`), so that the network can be built
    again; run.json also says which ones stayed.

    Args:
        run: folder of a finished training run.
        data: as in training.
        out: the new run's folder.
        settings: the channels leave every convolution that can lose some; the learning rate falls as a half cosine.
        report: told of the progress; by default a console's.

    Returns:
        the number of parameters before and after.

    Raises:
        InputError: there is no run, data are missing, or `out` holds a run already.
        UsageError: so small a share removes no channel.
    """
    from ..networks.channels import strongest_channels, without_channels
    from ..networks.distillation import distiller
    from ..training.finished import fine_tuning_config, open_run, teach
    from ..training.record import lineage, refuse_a_run, write_record
    from ..training.run import fit

    refuse_a_run(out)
    source = open_run(run, data, settings.weights)
    kept = strongest_channels(source.model, settings.remove, settings.up_to_stride)
    if not kept:
        raise UsageError(
            f"Removing a share of {settings.remove} of the channels removes none of this network's; choose a larger "
            "share."
        )
    smaller = without_channels(source.model, kept)

    channels = source.config.network.channels | {name: len(numbers) for name, numbers in kept.items()}
    tuning = fine_tuning_config(source.config, settings.epochs, settings.learning_rate)
    tuning = replace(tuning, network=replace(tuning.network, channels=channels))
    sizes = (source.model.count_params(), smaller.count_params())
    numbers = {name: stay.tolist() for name, stay in kept.items()}
    slimming = {"removed": settings.remove, "up_to_stride": settings.up_to_stride, "parameters": sizes, "kept": numbers}
    out.mkdir(parents=True, exist_ok=True)
    inherited = lineage(run)
    write_record(out, tuning, source.split, start=source.weights, **{**inherited, "slimming": slimming})
    taught = inherited.get("distillation")
    if taught and Path(taught["teacher"]).is_file():
        path = Path(taught["teacher"])
        teacher = open_run(path.parent, data, path.name.removesuffix(".weights.h5"))
        learner = distiller(smaller, teacher.model, taught["temperature"], taught["share"])
        teach(learner, tuning, teacher, out, report)
    else:
        if taught:
            print(
                f"{taught['teacher']}, this network's teacher, is gone; the fine-tuning has the labels only.",
                flush=True,
            )
        fit(smaller, tuning, source.slices, out, report=report)
    return sizes
