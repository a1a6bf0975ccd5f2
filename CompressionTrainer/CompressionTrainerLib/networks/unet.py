"""The segmentation networks that the Mobile U-Net is compared with: U-Net and ResUNet, for int8 in Conv - BatchNorm -
ReLU order.

U-Net: Ronneberger et al., MICCAI 2015. ResUNet: Zhang et al., "Road Extraction by Deep Residual U-Net", IEEE GRSL 2018,
there with normalization and activation before each convolution, which int8 has no fused kernels for.
"""

from __future__ import annotations

from .heads import rare_start
from .mobilenet_v2 import BATCH_NORM_MOMENTUM

_CHANNELS = (64, 128, 256, 512, 1024)  # from full resolution to 1/16


def unet(keras, size: tuple[int, int], width: float = 1.0, residual: bool = False):
    """Per-pixel probabilities (rows, columns, 1) for (rows, columns, 3) inputs scaled to [-1, 1].

    Args:
        keras: the keras module to build with.
        size: (rows, columns), multiples of 16.
        width: multiplier of all channels; 1.0 is the published network.
        residual: ResUNet: a shortcut around each pair of convolutions.
    """
    if any(length % 16 for length in size):
        raise ValueError(f"the input size must be a multiple of 16, not {size}")
    layers = keras.layers
    channels = [max(8, round(count * width / 8) * 8) for count in _CHANNELS]

    def normalized(x, count, kernel, name):
        x = layers.Conv2D(count, kernel, padding="same", use_bias=False, name=name)(x)
        return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_BN")(x)

    def pair(x, count, name):
        inner = layers.ReLU(name=f"{name}_1_relu")(normalized(x, count, 3, f"{name}_1"))
        inner = normalized(inner, count, 3, f"{name}_2")
        if residual:
            inner = layers.Add(name=f"{name}_add")([inner, normalized(x, count, 1, f"{name}_shortcut")])
        return layers.ReLU(name=f"{name}_2_relu")(inner)

    image = x = keras.Input((*size, 3))
    skips = []
    for level, count in enumerate(channels):
        x = pair(x, count, f"down_{level}")
        skips.append(x)
        if level < len(channels) - 1:
            x = layers.MaxPooling2D(2, name=f"pool_{level}")(x)
    for level in reversed(range(len(channels) - 1)):
        x = layers.Conv2DTranspose(channels[level], 2, strides=2, name=f"up_{level}")(x)
        x = pair(layers.Concatenate(name=f"join_{level}")([skips[level], x]), channels[level], f"up_{level}_pair")
    x = layers.Conv2D(1, 1, bias_initializer=rare_start(keras), name="logits")(x)
    probability = layers.Activation("sigmoid", dtype="float32", name="probability")(x)
    return keras.Model(image, probability, name="resunet" if residual else "unet")
