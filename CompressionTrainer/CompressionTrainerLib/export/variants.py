"""All TFLite variants of a run's network, and what each costs in bytes."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

from LiverTumorLib.atomic import atomic_path

from ..data.training_data import TrainingData
from ..networks.tflite_file import float_tensors, kernels, sparsity
from ..progress import Console, ProgressReport
from ..training.finished import open_run
from ..training.run import calibration_slices
from .bundle import is_quantized, quantized_network
from .tflite import VARIANTS, int8_tflite, tflite

TABLE = "variants.csv"


def write_variants(
    run: Path, data: TrainingData, out: Path, weights: str = "best", report: ProgressReport | None = None
) -> list[dict]:
    """Write a run's network as VARIANT.tflite for all variants, and variants.csv with a row for each, which is
    returned.

    Post-training quantization takes its ranges from train patients; a run that was quantized in training gets its
    "int8-qat" too. A row has bytes, bytes after gzip, the share of zeros with and without depthwise kernels, and the
    number of float tensors, all read from the file. `report` is told of the progress; by default it is a console's.

    Raises:
        InputError: there is no run, or data that the split needs are missing.
        ModelError: the network does not convert.
        OutputError: `out` cannot be written.
    """
    source = open_run(run, data, weights)
    samples = calibration_slices(source.config, source.slices["train"])
    names = [*VARIANTS, "int8-qat"] if is_quantized(run) else list(VARIANTS)
    report, files = report or Console(), {}
    for number, name in enumerate(names):
        report("convert", number / len(names), name, None)
        if name in VARIANTS:
            files[name] = tflite(source.model, name, samples)
        else:
            files[name] = int8_tflite(quantized_network(run, source.model, weights))
    rows = [{"variant": variant, **describe(content)} for variant, content in files.items()]
    for variant, content in files.items():
        with atomic_path(out / f"{variant}.tflite") as path:
            path.write_bytes(content)
    with atomic_path(out / TABLE) as path, open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def describe(content: bytes) -> dict:
    """Size and sparsity of a TFLite file, read from it."""
    found = kernels(content)
    return {
        "bytes": len(content),
        "gzip_bytes": len(gzip.compress(content, 9)),
        "sparsity": round(sparsity(found), 4),
        "sparsity_with_depthwise": round(sparsity(found, depthwise=True), 4),
        "float_tensors": len(float_tensors(content)),
    }
