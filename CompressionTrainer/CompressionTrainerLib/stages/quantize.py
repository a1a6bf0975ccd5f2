"""`livertumor quantize RUN`: quantization-aware fine-tuning of a trained network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from LiverTumorLib.errors import InputError

from .options import add_source, epochs, positive

if TYPE_CHECKING:
    from ..progress import Report


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "quantize",
        help="fine-tune a trained network with int8 rounding in place",
        description="Fine-tune a finished run's network with the rounding of int8 in place (quantization-aware training), so that its int8 "
        "file answers as the float network does. Writes into RUN/quantized; 'livertumor export' then exports from there. "
        "Needs TensorFlow: pip install '.[train]'.",
    )
    add_source(parser)
    parser.add_argument("--epochs", type=epochs, default=3, metavar="N", help="epochs of fine-tuning (default %(default)s)")
    parser.add_argument("--learning-rate", type=positive, default=1e-4, metavar="R", help="its first learning rate (default %(default)s)")
    parser.add_argument(
        "--keep-zeros",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="weights that pruning made zero stay zero (default: they do)",
    )
    parser.add_argument(
        "--distill",
        action="store_true",
        help="learn the float network's own answers in place of the labels, so that the int8 network decides as that one does",
    )
    parser.set_defaults(func=run)


def run(args) -> int:
    """Quantize; raises RequirementError without TensorFlow, InputError for a folder that holds no run or bad data."""
    from ..requirement import need_trainer_packages

    need_trainer_packages()
    from ..progress import reporting
    from ..stopping import stops_promptly

    with stops_promptly(), reporting(args.events, args.run) as report:
        tuning = (args.weights, args.epochs, args.learning_rate, args.keep_zeros, args.distill)
        quantize_run(args.run, args.data, args.split, args.cache, *tuning, report=report)
    return 0


def quantize_run(
    run: Path,
    data: Path,
    split_file: Path,
    cache: Path,
    weights: str,
    epochs: int,
    learning_rate: float,
    keep_zeros: bool = True,
    distill: bool = False,
    report: Report | None = None,
) -> None:
    """Fine-tune a run's network with int8 rounding in place; writes weights, log.csv and config.json into RUN/quantized.

    Args:
        run: folder of a finished training run.
        data, split_file, cache: as in training.
        weights: "best" (by validation) or "last" of the run.
        epochs, learning_rate: of the fine-tuning, whose rate falls as a half cosine from the start.
        keep_zeros: weights that are zero, as after pruning, stay so; otherwise fine-tuning moves most of them.
        distill: learn the float network's own answers in place of the labels (as Polino, Pascanu and Alistarh, "Model compression via
            distillation and quantization", ICLR 2018), so that the int8 network decides as that one does.
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
        raise InputError(f"{out} exists already; remove it to quantize the run anew.")
    source = open_run(run, data, split_file, cache, weights)
    config = fine_tuning_config(source.config, epochs, learning_rate)
    out.mkdir(exist_ok=True)
    record = {"from": weights, "keep_zeros": keep_zeros, "distill": distill, **config.to_dict()}
    claim(out / "config.json", record)
    aware = quantization_aware(source.model)
    start_ranges(aware, source.model, calibration_slices(config, source.slices["train"]))
    learner = distiller(aware, source.model, temperature=1.0, share=1.0) if distill else aware
    fit(learner, config, source.slices, out, [HoldZeros(aware)] if keep_zeros else [], report=report)
