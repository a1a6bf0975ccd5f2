"""Quantization-aware fine-tuning of a finished run."""

from __future__ import annotations

from pathlib import Path

from LiverTumorLib.errors import InputError

from ..networks.distillation import distiller
from ..networks.magnitude import HoldZeros
from ..networks.quantization import quantization_aware, start_ranges
from ..progress import Report
from ..training.finished import fine_tuning_config, open_run
from ..training.record import claim
from ..training.run import calibration_slices, fit
from ..training.start import QUANTIZED
from ..training.state import is_finished

FOLDER = QUANTIZED


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
    out = run / FOLDER
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
