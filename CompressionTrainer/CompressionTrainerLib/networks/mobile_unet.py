"""Mobile U-Net: a U-Net (Ronneberger et al., MICCAI 2015) whose encoder and decoder are depthwise-separable.

The encoder is MobileNetV2 up to 1/16 resolution (inverted residuals with linear bottlenecks), so that ImageNet weights
fit; the decoder upsamples, joins the encoder's features of that resolution and mixes them by a depthwise 3x3 and a
pointwise 1x1 convolution. Only Conv - BatchNorm - ReLU6 chains, bilinear upsampling and concatenation: all of it
quantizes to int8.
"""

from __future__ import annotations

from .heads import rare_start
from .mobilenet_v2 import BATCH_NORM_MOMENTUM, backbone

# Of MobileNetV2's, down to 1/16 resolution; the one block more that it has there is a fifth of the weights.
_BLOCKS = 12
# Encoder outputs at 1/8, 1/4 and 1/2 resolution, joined on the way up.
_SKIPS = ("block_5_add", "block_2_add", "expanded_conv_project_BN")


def mobile_unet(
    keras, size: tuple[int, int], width: float = 1.0, decoder: tuple[int, int, int] = (64, 48, 32), outputs: int = 1
):
    """Per-pixel probabilities (rows, columns, outputs) for (rows, columns, 3) inputs scaled to [-1, 1].

    Args:
        keras: the keras module to build with.
        size: (rows, columns), multiples of 16.
        width: width multiplier of the encoder; 1.0 takes ImageNet weights.
        decoder: channels at 1/8, 1/4 and 1/2 resolution.
        outputs: independent (sigmoid) outputs.
    """
    if any(length % 16 for length in size):
        raise ValueError(f"the input size must be a multiple of 16, not {size}")
    layers = keras.layers
    encoder = backbone(keras, size, width, blocks=_BLOCKS)
    x = encoder.output
    for level, (skip, channels) in enumerate(zip(_SKIPS, decoder, strict=True)):
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"up_{level}")(x)
        x = layers.Concatenate(name=f"join_{level}")([x, encoder.get_layer(skip).output])
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"decoder_{level}_depthwise")(x)
        x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"decoder_{level}_depthwise_BN")(x)
        x = layers.ReLU(6.0, name=f"decoder_{level}_depthwise_relu")(x)
        x = layers.Conv2D(channels, 1, use_bias=False, name=f"decoder_{level}_pointwise")(x)
        x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"decoder_{level}_pointwise_BN")(x)
        x = layers.ReLU(6.0, name=f"decoder_{level}_pointwise_relu")(x)
    x = layers.Conv2D(outputs, 1, bias_initializer=rare_start(keras), name="logits")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear", name="logits_up")(x)
    return keras.Model(
        encoder.input, layers.Activation("sigmoid", dtype="float32", name="probability")(x), name="mobile_unet"
    )
