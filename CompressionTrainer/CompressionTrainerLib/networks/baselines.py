"""The classifiers that MobileNetV2 is compared with, without their heads and with random weights.

MobileNet (Howard et al., 2017), ResNet-50 (He et al., CVPR 2016), VGG-16 (Simonyan and Zisserman, ICLR 2015).
"""

from __future__ import annotations

from .mobilenet_v2 import BATCH_NORM_MOMENTUM

_CHANNEL_MULTIPLE = 8


def baseline(keras, architecture: str, size: tuple[int, int], width: float = 1.0):
    """The network for (rows, columns, 3) inputs, its output the last feature map, at 1/32 of the input.

    Args:
        architecture: "mobilenet_v1", "resnet50" or "vgg16".
        width: multiplier of the channels of all convolutions; a baseline that is quoted has 1.0.
    """
    make = {
        "mobilenet_v1": keras.applications.MobileNet,
        "resnet50": keras.applications.ResNet50,
        "vgg16": keras.applications.VGG16,
    }
    base = make[architecture](input_shape=(*size, 3), include_top=False, weights=None)

    def changed(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            config["momentum"] = BATCH_NORM_MOMENTUM
        elif "filters" in config:
            config["filters"] = max(
                _CHANNEL_MULTIPLE, round(config["filters"] * width / _CHANNEL_MULTIPLE) * _CHANNEL_MULTIPLE
            )
        return type(layer).from_config(config)

    return keras.models.clone_model(base, clone_function=changed)
