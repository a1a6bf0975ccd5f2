"""What is known of each model file, from benchmarks and comparisons, in one row."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .inputs import Inputs

# The runtime whose speed stands for a file where several were measured: what users run.
_USUAL = {"keras": "Keras predict", "tflite": "LiteRT", "onnx": "ONNX Runtime"}


@dataclass(frozen=True)
class ModelFacts:
    """One model file; None where it was not measured.

    Attributes:
        name: the file with its folder.
        mib: size in 2^20 bytes; `gzip_mib` after gzip, `optimizer_mib` of a Keras network with Adam's state.
        sparsity: share of zeros among the weights that pruning touches.
        fps, runtime, threads: the speed, and where it was reached.
        accuracy, auc: intervals as dictionaries.
    """

    name: str
    mib: float | None = None
    gzip_mib: float | None = None
    optimizer_mib: float | None = None
    sparsity: float | None = None
    fps: float | None = None
    runtime: str | None = None
    threads: int | None = None
    accuracy: dict | None = None
    auc: dict | None = None


def model_facts(inputs: Inputs) -> list[ModelFacts]:
    """One row for each model file that was measured, written or compared, in the order met; slice-wise comparisons do
    not count."""
    measured = [row for benchmark in inputs.benchmarks for row in benchmark["rows"]]
    sizes = {row["file"]: row for row in reversed(measured + inputs.variants)}
    speeds: dict[str, dict] = {}
    for row in measured:
        best = speeds.get(row["file"])
        if row["runtime"] == _USUAL[row["kind"]] and (best is None or row["threads"] < best["threads"]):
            speeds[row["file"]] = row
    patient_wise = [each.content for each in inputs.comparisons if each.content["about"]["kind"] != "slice"]
    figures = {name: model for content in patient_wise for name, model in content["models"].items()}
    names = dict.fromkeys([*(row["file"] for row in measured + inputs.variants), *figures])
    return [_facts(name, sizes.get(name), speeds.get(name), figures.get(name)) for name in names]


def pareto_front(points: list[tuple[float, float]]) -> list[int]:
    """The places of the points (size, score) that no smaller or equally large one equals in score, from small to
    large."""
    front, best = [], -math.inf
    for place in sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1])):
        if points[place][1] > best:
            front.append(place)
            best = points[place][1]
    return front


def _facts(name: str, size: dict | None, speed: dict | None, figures: dict | None) -> ModelFacts:
    size, speed, figures = size or {}, speed or {}, figures or {}

    def mib(key: str) -> float | None:
        return size[key] / 2**20 if key in size else None

    return ModelFacts(
        name,
        mib=mib("without_optimizer_bytes") or mib("bytes"),  # a file of Keras may hold Adam's state too
        gzip_mib=mib("gzip_bytes"),
        optimizer_mib=mib("with_optimizer_bytes"),
        sparsity=size.get("sparsity"),
        fps=speed.get("fps"),
        runtime=speed.get("runtime"),
        threads=speed.get("threads"),
        accuracy=figures.get("accuracy"),
        auc=figures.get("auc"),
    )
