"""How long the stages of a workflow will take, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..training.config import TrainConfig
from .journal import entry
from .plan import Stage

BEFORE, MEASURED, TYPICAL = "as it took here before", "from a few steps measured now", "typical of two CPU cores"
# Seconds that one training step takes for each slice of the batch and million input pixels, at width 1, on two CPU
# cores of 2.4 GHz without AVX-512: measured for the first two, for the others in proportion to their multiplications.
_STEP_S = {
    "mobilenet_v2": 2.5,
    "mobile_unet": 7.0,
    "mobilenet_v1": 4.0,
    "resnet50": 27.0,
    "vgg16": 100.0,
    "unet": 120.0,
    "resunet": 150.0,
}
# What a step costs more where weights are masked or rounded, or a teacher is asked too.
_FACTORS = {"distill": 1.5, "prune": 1.05, "quantize": 1.4}
# Seconds beside the training steps: TensorFlow's start and tracing, conversions, and what does not train at all.
_FIXED_S = {
    "prepare": 120,
    "quantize": 60,
    "export": 45,
    "onnx": 30,
    "variants": 45,
    "evaluate": 120,
    "compare": 60,
    "benchmark": 240,
    "report": 30,
}
_STARTS_S = 45
_VALIDATION = 1.2  # what looking at the val patients after each epoch adds


@dataclass(frozen=True)
class Estimate:
    """Seconds, and which of BEFORE, MEASURED and TYPICAL they come from."""

    seconds: float
    basis: str


def estimates(stages: list[Stage], out: Path, step_s: dict[str, float] | None = None) -> dict[str, Estimate]:
    """How long each stage takes from its start to its end, by name.

    Args:
        out: the workflow's folder, whose journal tells what the same stages took before.
        step_s: measured seconds of one training step, by stage.
    """
    return {stage.name: _estimate(stage, entry(out, stage.name), (step_s or {}).get(stage.name)) for stage in stages}


def _estimate(stage: Stage, before: dict | None, step_s: float | None) -> Estimate:
    if before and before.get("seconds"):
        share = stage.steps / before["steps"] if stage.steps and before.get("steps") else 1.0
        return Estimate(before["seconds"] * share, BEFORE)
    fixed = _FIXED_S.get(stage.name, _STARTS_S)
    basis = MEASURED if step_s and stage.steps else TYPICAL
    each = (step_s or typical_step_s(stage.config)) * _FACTORS.get(stage.name, 1.0) * _VALIDATION
    return Estimate(fixed + stage.steps * each, basis)


def typical_step_s(config: TrainConfig) -> float:
    """Seconds of one training step as two CPU cores need them."""
    rows, columns = config.input.size
    return _STEP_S[config.architecture] * config.network.width * config.optimizer.batch * rows * columns / 1e6
