"""`livertumor quantize RUN`: quantization-aware fine-tuning of a trained network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from LiverTumorLib.errors import InputError

from ..settings import COUNT, POSITIVE, add_settings, option, settings_from, weights_option
from .options import add_source, training_data, training_work

if TYPE_CHECKING:
    from ..data.training_data import TrainingData
    from ..progress import ProgressReport


@dataclass(frozen=True)
class QuantizeSettings:
    """The fine-tuning with int8 rounding: of which weights, how long, and what it keeps to."""

    weights: str = weights_option()
    epochs: int = option(3, "epochs of fine-tuning (default %(default)s)", metavar="N", limit=COUNT)
    learning_rate: float = option(1e-4, "initial learning rate (default %(default)s)", metavar="R", limit=POSITIVE)
    keep_zeros: bool = option(True, "weights that pruning made zero stay zero (default: yes)")
    distill: bool = option(
        False,
        "learn the float network's outputs instead of the labels, so that the int8 network decides as it does",
    )


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "quantize",
        help="fine-tune a trained network with int8 rounding in place",
        description="Fine-tune a finished run's network with the rounding of int8 in place (quantization-aware "
        "training), so that its int8 file gives the results of the float network. Writes into RUN/quantized; "
        "'livertumor "
        "export' then exports from there. Needs TensorFlow: pip install '.[train]'.",
    )
    add_source(parser)
    add_settings(parser, QuantizeSettings)
    parser.set_defaults(func=run)


def run(args) -> int:
    """Quantize; raises RequirementError without TensorFlow, InputError for a folder that holds no run or bad data."""

    with training_work(args.events, args.run) as report:
        quantize_run(args.run, training_data(args), settings_from(QuantizeSettings, args), report)
    return 0


def quantize_run(
    run: Path, data: TrainingData, settings: QuantizeSettings, report: ProgressReport | None = None
) -> None:
    """Fine-tune a run's network with int8 rounding in place; writes weights, log.csv and config.json into
    RUN/quantized.

    Args:
        run: folder of a finished training run.
        data: as in training.
        settings: the learning rate falls as a half cosine. With `keep_zeros`, weights that are zero, as after pruning,
            stay so; otherwise fine-tuning moves most of them. With `distill`, the float network's own answers are
            learned (as Polino, Pascanu and Alistarh, "Model compression via distillation and quantization", ICLR 2018),
            so that the int8 network decides as that one does.
        report: told of the progress; by default a console's.

    Raises:
        InputError: there is no run, or it has been quantized already.
    """
    from ..networks.distillation import distiller
    from ..networks.magnitude import HoldZeros
    from ..networks.quantization import quantization_aware, start_ranges
    from ..training.finished import fine_tuning_config, open_run
    from ..training.record import QUANTIZED, claim
    from ..training.run import calibration_slices, fit
    from ..training.state import is_finished

    out = run / QUANTIZED
    if (out / "config.json").exists() and is_finished(out):
        raise InputError(f"{out} exists already; remove it to quantize the run again.")
    source = open_run(run, data, settings.weights)
    config = fine_tuning_config(source.config, settings.epochs, settings.learning_rate)
    out.mkdir(exist_ok=True)
    record = {
        "from": settings.weights,
        "keep_zeros": settings.keep_zeros,
        "distill": settings.distill,
        **config.to_dict(),
    }
    claim(out / "config.json", record)
    aware = quantization_aware(source.model)
    start_ranges(aware, source.model, calibration_slices(config, source.slices["train"]))
    learner = distiller(aware, source.model, temperature=1.0, share=1.0) if settings.distill else aware
    fit(learner, config, source.slices, out, [HoldZeros(aware)] if settings.keep_zeros else [], report=report)
