"""Which networks there are, and what a configuration may say of one."""

from __future__ import annotations

from dataclasses import dataclass, field

from .mobilenet_v2 import BLOCKS

PREDICT_BATCH = 16  # slices that a network is asked about at once, where it does not train

_UNETS = ("mobile_unet", "unet", "resunet")
ARCHITECTURES = {"liver": _UNETS, "tumor": _UNETS, "slice": ("mobilenet_v2", "mobilenet_v1", "resnet50", "vgg16")}
_ARCHITECTURE_TITLES = {
    "mobile_unet": "Mobile U-Net",
    "unet": "U-Net",
    "resunet": "ResUNet",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v1": "MobileNetV1",
    "resnet50": "ResNet50",
    "vgg16": "VGG16",
}


@dataclass(frozen=True)
class NetworkConfig:
    """Which network.

    Attributes:
        architecture: one of ARCHITECTURES for the task; "" is the first, the Mobile U-Net or MobileNetV2.
        width: multiplier of its channels.
        decoder: channels of the Mobile U-Net's decoder at 1/8, 1/4 and 1/2 resolution.
        dropout: before a classifier's head.
        head: of a classifier, "cells" or "average"; see `networks.heads`.
        stride: input pixels, in each direction, for one cell of a classifier's last feature map: 32, or 16 (MobileNetV2
          only).
        blocks: of MobileNetV2's 17 bottlenecks; with 8 to 13 the last feature map is at 1/16, so `stride` must be 16.
        freeze: hold the layers with ImageNet weights as they are; a run without it that starts from this one trains
          them too.
        channels: gives convolutions, by name, another number of channels than `width` does; structured pruning fills it
          in.
    """

    architecture: str = ""
    width: float = 1.0
    decoder: tuple[int, int, int] = (64, 48, 32)
    dropout: float = 0.2
    head: str = "cells"
    stride: int = 32
    blocks: int = BLOCKS
    freeze: bool = False
    channels: dict[str, int] = field(default_factory=dict)


def architecture_title(task: str, network: dict) -> str:
    """What people call the architecture of a run's record, of whose configuration `network` is the section."""
    return _ARCHITECTURE_TITLES[network.get("architecture") or ARCHITECTURES[task][0]]
