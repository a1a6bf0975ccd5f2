"""A configuration's network, untrained."""

from __future__ import annotations

from typing import Protocol

from LiverTumorLib.ct.canvas import InputSpec

from .baselines import baseline
from .channels import with_channels
from .config import NetworkConfig
from .heads import classifier
from .keras_module import keras
from .mobile_unet import mobile_unet
from .mobilenet_v2 import mobilenet_v2_classifier
from .unet import unet


class Described(Protocol):
    """What says which network is meant, as a training configuration does."""

    @property
    def input(self) -> InputSpec:
        """What the network is shown."""

    @property
    def network(self) -> NetworkConfig:
        """Which network."""

    @property
    def architecture(self) -> str:
        """One of `ARCHITECTURES`."""


def build_network(config: Described):
    """The untrained network of a configuration."""
    network, size = config.network, config.input.size
    if config.architecture == "mobile_unet":
        model = mobile_unet(keras, size, network.width, network.decoder)
    elif config.architecture in ("unet", "resunet"):
        model = unet(keras, size, network.width, residual=config.architecture == "resunet")
    elif config.architecture == "mobilenet_v2":
        model = mobilenet_v2_classifier(
            keras, size, network.width, network.dropout, network.head, network.stride, network.blocks
        )
    else:
        base = baseline(keras, config.architecture, size, network.width)
        model = classifier(keras, base, network.dropout, network.head, config.architecture)
    return with_channels(model, network.channels) if network.channels else model
