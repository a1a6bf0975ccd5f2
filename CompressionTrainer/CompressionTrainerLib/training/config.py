"""A training run's configuration: one TOML file, every key known, every value in the run's folder afterwards."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from LiverTumorLib.errors import UsageError
from LiverTumorLib.models.manifest import InputSpec

from ..data.augmentation import Augmentation
from ..data.samples import Sampling

TASKS = ("liver", "tumor", "slice")


@dataclass(frozen=True)
class NetworkConfig:
    """Which network: a Mobile U-Net for tasks liver and tumor, MobileNetV2 for task slice.

    `channels` gives convolutions, by name, another number of channels than `width` does; structured pruning fills it in.
    """

    width: float = 1.0
    decoder: tuple[int, int, int] = (64, 48, 32)
    dropout: float = 0.2
    channels: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam with a linear warm-up of `warmup_epochs` and a cosine fall to zero; clipped at gradient norm `clip_norm`."""

    learning_rate: float = 1e-3
    batch: int = 16
    epochs: int = 30
    warmup_epochs: float = 0.5
    clip_norm: float = 1.0


@dataclass(frozen=True)
class TrainConfig:
    """One run.

    Attributes:
        task: "liver" and "tumor" (segmentation) or "slice" (tumour / no tumour).
        seed: of weights, sampling and augmentation.
        val_step: every how many slices validation looks at.
    """

    name: str
    task: str
    input: InputSpec
    sampling: Sampling
    seed: int = 1
    val_step: int = 2
    network: NetworkConfig = field(default_factory=NetworkConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def to_dict(self) -> dict:
        return asdict(self)


_SECTIONS = {
    "input": InputSpec,
    "sampling": Sampling,
    "network": NetworkConfig,
    "optimizer": OptimizerConfig,
    "augmentation": Augmentation,
}


def load_config(path: str | Path) -> TrainConfig:
    """Read a configuration file.

    Raises:
        UsageError: unreadable file, an unknown key (the nearest known one is named), a missing key or a bad task.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read as a training configuration: {error}.") from error
    return config_from_dict(content, path)


def config_from_dict(content: dict, path: str | Path = "configuration") -> TrainConfig:
    """The inverse of `TrainConfig.to_dict`, also after a trip through JSON; raises as `load_config` does, naming `path`."""
    sections = {name: _section(path, kind, name, content[name]) for name, kind in _SECTIONS.items() if name in content}
    config = _section(path, TrainConfig, None, {**content, **sections})
    if config.task not in TASKS:
        raise UsageError(f"{path}: task is {config.task!r}; it must be one of {', '.join(TASKS)}.")
    return config


def _section(path, kind, name, values):
    known = [f.name for f in fields(kind)]
    where = f"[{name}] " if name else ""
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}."
            raise UsageError(f"{path}: {where}{key!r} is no setting{hint}")
    try:
        return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path}: {where}{error}.".replace("__init__() ", "")) from error
