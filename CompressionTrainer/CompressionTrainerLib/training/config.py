"""A training run's configuration: one TOML file, every key known, every value in the run's folder afterwards."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.errors import UsageError
from LiverTumorLib.renamed import with_new_keys
from LiverTumorLib.suggestion import did_you_mean

from ..data.augmentation import Augmentation
from ..data.samples import Sampling
from ..networks.config import ARCHITECTURES, NetworkConfig
from ..networks.heads import HEADS
from ..networks.mobilenet_v2 import BLOCKS, BLOCKS_OF_16
from ..settings import read_section

_PIXEL_LOSSES = ("bce_dice", "dice", "focal", "tversky")
LOSSES = {"liver": _PIXEL_LOSSES, "tumor": _PIXEL_LOSSES, "slice": ("cross_entropy", "focal")}
TASKS = tuple(LOSSES)


CONFIGS = Path(__file__).parent / "configs"
SCHEDULES = ("cosine", "plateau")
PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam, clipped at gradient norm `clip_norm` (0: not at all).

    Attributes:
        schedule: "cosine", a linear warm-up of `warmup_epochs` and a half cosine to zero; or "plateau", a constant rate
            that is multiplied by `plateau_factor` whenever the validation loss has not fallen for `plateau_patience`
            epochs.
        stop_patience: epochs without a fall of the validation loss after which training stops; 0 goes through all
          epochs.
        precision: "float32", or "mixed_bfloat16": layers compute in bfloat16, weights and outputs stay float32.
    """

    learning_rate: float = 1e-3
    batch: int = 16
    epochs: int = 30
    warmup_epochs: float = 0.5
    clip_norm: float = 1.0
    schedule: str = "cosine"
    plateau_factor: float = 0.5
    plateau_patience: int = 3
    stop_patience: int = 0
    precision: str = "float32"


@dataclass(frozen=True)
class LossConfig:
    """What is minimized; see `losses`.

    Attributes:
        kind: one of LOSSES for the task; "" is the first.
        gamma: of the focal losses.
        false_positives, false_negatives: what they weigh in the Tversky loss.
        class_weights: of slices without and with tumor.
    """

    kind: str = ""
    gamma: float = 2.0
    false_positives: float = 0.3
    false_negatives: float = 0.7
    class_weights: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class TrainConfig:
    """One run.

    Attributes:
        task: "liver" and "tumor" (segmentation) or "slice" (tumor / no tumor).
        seed: of weights, sampling and augmentation.
        val_step: every how many slices validation looks at.
        keep_epochs: keep the weights of each epoch, not only the best and the last.
        refit: train on the val patients too, once all has been chosen on them: nothing is measured while it trains, its
            last epoch is its best, and export takes the operating point of the model that was chosen.
    """

    name: str
    task: str
    input: InputSpec
    sampling: Sampling
    seed: int = 1
    val_step: int = 2
    keep_epochs: bool = False
    refit: bool = False
    network: NetworkConfig = field(default_factory=NetworkConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def architecture(self) -> str:
        """The network's architecture by its name in ARCHITECTURES."""
        return self.network.architecture or ARCHITECTURES[self.task][0]

    def to_dict(self) -> dict:
        return asdict(self)


_SECTIONS: dict[str, Any] = {
    "input": InputSpec,
    "sampling": Sampling,
    "network": NetworkConfig,
    "optimizer": OptimizerConfig,
    "loss": LossConfig,
    "augmentation": Augmentation,
}


def load_config(path: str | Path) -> TrainConfig:
    """Read a configuration: a file, or a shipped one by its name (see `find_config`).

    Raises:
        UsageError: no such configuration, an unreadable file, an unknown key (the nearest known one is named), a
        missing key or a bad task.
    """
    path = find_config(path, CONFIGS, "training configuration")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as a training configuration: {error}.") from error
    return config_from_dict(content, path)


def find_config(given: str | Path, shipped: Path, what: str, folder: Path = Path()) -> Path:
    """The file that a user means: what has a separator or ends in .toml is a path, anything else a shipped
    configuration's name.

    Args:
        given: what the user says.
        shipped: folder of the shipped configurations; those in folders below it have names too.
        what: kind of configuration, for the message.
        folder: where a relative path begins.

    Raises:
        UsageError: there is no such file, or no such name.
    """
    path, text = folder / given, str(given)
    is_path = "/" in text or "\\" in text or text.endswith(".toml")
    names = {file.stem: file for file in sorted(shipped.rglob("*.toml"))}
    if not is_path and text in names:
        return names[text]
    if path.is_file():
        return path
    name = Path(text).stem if is_path else text
    raise UsageError(f"{path} is not a {what}; {did_you_mean(name, names, 'shipped ones are')}")


def config_from_dict(content: dict, path: str | Path = "configuration") -> TrainConfig:
    """The inverse of `TrainConfig.to_dict`, also after a trip through JSON; raises as `load_config` does, naming
    `path`."""
    try:
        content = with_new_keys(content)
    except ValueError as error:
        raise UsageError(f"{path} cannot be read as a training configuration: {error}.") from error
    sections = {
        name: read_section(path, name, kind, content[name]) for name, kind in _SECTIONS.items() if name in content
    }
    config = read_section(path, None, TrainConfig, {**content, **sections})
    _choice(path, "task", config.task, TASKS)
    _choice(path, "[network] architecture", config.network.architecture, ("", *ARCHITECTURES[config.task]))
    _choice(path, "[network] head", config.network.head, HEADS)
    if config.network.stride not in ((16, 32) if config.architecture == "mobilenet_v2" else (32,)):
        raise UsageError(f"{path}: [network] stride is {config.network.stride}; it must be 32, or 16 for MobileNetV2.")
    _check_numbers(path, config)
    _check_blocks(path, config)
    _check_size(path, config)
    _choice(path, "[optimizer] schedule", config.optimizer.schedule, SCHEDULES)
    _choice(path, "[optimizer] precision", config.optimizer.precision, PRECISIONS)
    _choice(path, "[loss] kind", config.loss.kind, ("", *LOSSES[config.task]))
    optimizer, sampling = config.optimizer, config.sampling
    if config.refit and (optimizer.schedule == "plateau" or optimizer.stop_patience):
        raise UsageError(
            f"{path}: refit leaves no patients to validate on; take [optimizer] schedule 'cosine' and stop_patience 0."
        )
    if optimizer.batch < 1 or optimizer.epochs < 1 or sampling.slices < optimizer.batch:
        raise UsageError(f"{path}: batch and epochs must be at least 1, and an epoch's slices at least one batch.")
    if not 0 < optimizer.learning_rate < math.inf:
        raise UsageError(f"{path}: [optimizer] learning_rate is {optimizer.learning_rate}; it must be above 0.")
    shares = (sampling.tumor_share, sampling.background_share)
    if not (min(shares) >= 0 and sum(shares) <= 1):
        raise UsageError(
            f"{path}: [sampling] tumor_share and background_share are {shares}; they must be at least 0 and together "
            "at most 1."
        )
    return config


def _check_numbers(path, config: TrainConfig) -> None:
    """Numbers that would end a training with a traceback, or train nothing."""
    network, optimizer, lesions = config.network, config.optimizer, config.augmentation.lesion_radius_mm
    wrong = {
        "seed": config.seed < 0 and "at least 0",
        "val_step": config.val_step < 1 and "at least 1",
        "[input] size": not _numbers(config.input.size, 2, int) and "two whole numbers, rows and columns",
        "[network] width": not network.width > 0 and "above 0",
        "[network] dropout": not 0 <= network.dropout < 1 and "from 0 to below 1",
        "[optimizer] warmup_epochs": optimizer.warmup_epochs < 0 and "at least 0",
        "[loss] class_weights": not (_numbers(config.loss.class_weights, 2) and min(config.loss.class_weights) > 0)
        and "two numbers above 0",
        "[augmentation] lesion_radius_mm": not (_numbers(lesions, 2) and 0 < lesions[0] <= lesions[1])
        and "the smallest and the largest radius",
    }
    for name, must in wrong.items():
        if must:
            raise UsageError(f"{path}: {name} must be {must}.")


def _numbers(values, count: int, kind: type | tuple = (int, float)) -> bool:
    return (
        isinstance(values, (list, tuple)) and len(values) == count and all(isinstance(value, kind) for value in values)
    )


def _check_blocks(path, config: TrainConfig) -> None:
    blocks = config.network.blocks
    if blocks == BLOCKS:
        return
    if config.architecture != "mobilenet_v2":
        raise UsageError(f"{path}: [network] blocks is a setting of MobileNetV2's; {config.architecture} has none.")
    if not BLOCKS_OF_16[0] <= blocks < BLOCKS or (blocks <= BLOCKS_OF_16[1] and config.network.stride != 16):
        low, high = BLOCKS_OF_16
        raise UsageError(
            f"{path}: [network] blocks is {blocks}; it must be from {low} to {BLOCKS}, and up to {high} it needs "
            "stride = 16."
        )


def _check_size(path, config: TrainConfig) -> None:
    """Cells tile the canvas, and what a U-Net halves four times must double to the same again."""
    if config.task == "slice" and config.network.head != "cells":
        return
    side = config.network.stride if config.task == "slice" else 16
    if any(length < side or length % side for length in config.input.size):
        fitting = [max(1, round(length / side)) * side for length in config.input.size]
        raise UsageError(
            f"{path}: [input] size is {list(config.input.size)}; both must be multiples of {side}: {fitting}, say."
        )


def _choice(path, name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{path}: {name} is {value!r}; {did_you_mean(value, known, 'it must be one of')}")
