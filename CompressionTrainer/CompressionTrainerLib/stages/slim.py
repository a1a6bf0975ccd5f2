"""A finished run with fewer channels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from LiverTumorLib.errors import UsageError

from ..networks.channels import strongest_channels, without_channels
from ..progress import Report
from ..training.finished import fine_tuning_config, open_run
from ..training.lineage import lineage
from ..training.record import refuse_a_run, write_record
from ..training.run import fit
from .distill import teach


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
