"""What a training is told beside its configuration. Loads no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..settings import option

START = "start from these weights, where layers match: of a run (.h5 file), or of a model (id, folder or .tflite file)"
STRATEGIES = ("none", "mirrored", "multiworker")


def start_weights(text: str, folder: Path = Path()) -> Path:
    """See `start_file`."""
    from .start import start_file

    return start_file(text, folder)


def start_option() -> Any:
    """The setting of the weights that a training starts from, as a path; that of an exported model is its TFLite
    file's."""
    return option(None, START, metavar="WEIGHTS", locate=start_weights)


@dataclass(frozen=True)
class TrainSettings:
    """What a training is told beside its configuration: the weights it starts from, the devices it runs on, and its
    log."""

    imagenet: Path | None = option(
        None, "ImageNet weights of MobileNetV2 (.npz) (default: random weights)", metavar="FILE"
    )
    start: Path | None = start_option()
    strategy: str = option(
        "none",
        "one device, all GPUs of this machine, or one of several workers that TF_CONFIG lists (default: %(default)s)",
        choices=STRATEGIES,
    )
    tensorboard: bool = option(
        False, "write a log for TensorBoard into OUT/tensorboard too; needs the package tensorboard"
    )
