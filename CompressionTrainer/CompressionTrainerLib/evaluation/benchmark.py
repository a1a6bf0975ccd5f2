"""Model files of several formats side by side on this machine: size, sparsity, time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from LiverTumorLib.errors import ModelError, RequirementError

from ..environment.process import child_environment
from ..progress import ProgressReport
from . import benchmark_child as child
from .formats import ModelFile, describe
from .machine import describe_machine

# What runs each kind of file, with the delegate that does the arithmetic.
RUNTIMES = {
    "keras": {child.KERAS: "none"},
    "tflite": {child.PLAIN: "none", child.LITERT: "XNNPACK"},
    "onnx": {child.ONNX_RUNTIME: "CPU"},
}
PACKAGES = {
    child.KERAS: ("tensorflow-cpu", "tensorflow"),
    child.PLAIN: ("ai-edge-litert",),
    child.LITERT: ("ai-edge-litert",),
}
PACKAGES[child.ONNX_RUNTIME] = ("onnxruntime",)


def benchmark(
    models: list[ModelFile], rounds: int, slices: int, threads: Sequence[int], report: ProgressReport
) -> dict:
    """Measure every file in every runtime that reads it, at each thread count.

    Each measurement is a fresh process. All take their turn within a round before the next round begins, so that
    whatever else the machine does meets all of them. One slice at a time (batch 1), as float32 images in and float32
    probabilities out.

    Args:
        models: see `formats.find_models`.
        rounds: how often everything is repeated.
        slices: timed slices in each process, after one that warms up.
        threads: thread counts of the runtime.
        report: told before each measurement what comes.

    Returns:
        machine, versions, date, settings, and "rows": one a file, runtime and thread count, see `_row`.

    Raises:
        ModelError: a file cannot be run.
        RequirementError: a runtime is not installed.
    """
    about = describe_machine() | {"date": datetime.now(UTC).isoformat(timespec="seconds")}
    _need_runtimes(models, about["versions"])
    described = {model: describe(model) for model in models}
    turns = [(model, runtime, count) for count in threads for model in models for runtime in RUNTIMES[model.kind]]
    runs: dict[tuple, list[dict]] = {turn: [] for turn in turns}
    for number in range(rounds):
        for place, (model, runtime, count) in enumerate(turns):
            what = f"round {number + 1} of {rounds}: {model.name}, {runtime}, {count} thread{'s' if count > 1 else ''}"
            report(what, (number * len(turns) + place) / (rounds * len(turns)), what, None)
            runs[model, runtime, count].append(_measure(model, runtime, count, slices))
    report("table", 1.0, "All is measured", None)
    rows = [_row(*turn, described[turn[0]], runs[turn], about) for turn in turns]
    return about | {"settings": {"rounds": rounds, "slices": slices, "threads": list(threads)}, "rows": rows}


def text_table(rows: list[dict]) -> str:
    """The rows as text, lined up."""
    head = (
        f"{'file':36} {'runtime':24} thr     MB    MiB gzip MB weights zeros  median ms    p90    FPS first s load s "
        "peak MB"
    )
    lines = [head]
    for row in rows:
        peak = f"{row['peak_mb']:7.0f}" if row["peak_mb"] is not None else f"{'-':>7}"
        lines.append(
            f"{row['file'][-36:]:36} {row['runtime']:24} {row['threads']:3} {row['mb']:6.2f} {row['mib']:6.2f} "
            f"{row['gzip_mb']:7.2f} {row['weights']:>7} {row['sparsity']:5.1%} {row['median_ms']:10.1f} "
            f"{row['p90_ms']:6.1f} {row['fps']:6.1f} {row['first_result_s']:7.2f} {row['load_s']:6.2f} {peak}"
        )
    for name, row in {row["file"]: row for row in rows if "with_optimizer_bytes" in row}.items():
        sizes = [
            f"{row[key] / 1e6:.2f} MB {key[:-6].replace('_', ' ')}"
            for key in ("with_optimizer_bytes", "without_optimizer_bytes")
        ]
        lines.append(f"{name}: {', '.join(sizes)}, of which 'gzip MB' is")
    return "\n".join(lines)


def _need_runtimes(models: list[ModelFile], versions: dict[str, str]) -> None:
    for kind in {model.kind for model in models}:
        for runtime in RUNTIMES[kind]:
            if not set(PACKAGES[runtime]) & set(versions):
                raise RequirementError(
                    f"{runtime} is not installed; run 'pip install {PACKAGES[runtime][-1]}', or leave those models out."
                )


def _measure(model: ModelFile, runtime: str, threads: int, slices: int) -> dict:
    command = [
        sys.executable,
        "-m",
        child.__name__,
        str(model.path),
        runtime,
        str(threads),
        str(slices),
        str(time.monotonic()),
    ]
    # Which sets no thread count.
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=child_environment())
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ModelError(f"{model.path} cannot be run by {runtime}: {reason[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def _row(model: ModelFile, runtime: str, threads: int, description: dict, runs: list[dict], about: dict) -> dict:
    """Latencies are taken over all slices of all rounds; load and first result are medians over rounds, memory is the
    largest."""
    latencies = np.concatenate([run["latencies_ms"] for run in runs])
    median = float(np.median(latencies))
    peaks = [run["peak_mb"] for run in runs]
    package = next(package for package in PACKAGES[runtime] if package in about["versions"])
    return {
        "file": model.name,
        "kind": model.kind,
        "runtime": runtime,
        "runtime_version": about["versions"][package],
        "delegate": RUNTIMES[model.kind][runtime],
        "threads": threads,
        **description,
        "mb": description["bytes"] / 1e6,
        "mib": description["bytes"] / 2**20,
        "gzip_mb": description["gzip_bytes"] / 1e6,
        "median_ms": median,
        "p90_ms": float(np.quantile(latencies, 0.9)),
        "fps": 1000 / median,
        "first_result_s": float(np.median([run["first_result_s"] for run in runs])),
        "load_s": float(np.median([run["load_s"] for run in runs])),
        "peak_mb": None if None in peaks else max(peaks),
        "timed_slices": len(latencies),
        "processor": about["processor"],
        "date": about["date"],
    }
