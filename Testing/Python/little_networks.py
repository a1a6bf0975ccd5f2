"""Networks of a few layers with the ends of the real ones: converting these takes seconds, not minutes."""

from __future__ import annotations

from CompressionTrainerLib.networks.keras_module import keras

layers = keras.layers


def little_segmenter(size: int = 64):
    """(size, size, 3) to a probability per pixel: convolution, depthwise convolution, bilinear upsampling, sigmoid."""
    image = keras.Input((size, size, 3))
    x = _block(layers.Conv2D(16, 3, 2, padding="same", use_bias=False), image)
    x = _block(layers.DepthwiseConv2D(3, padding="same", use_bias=False), x)
    x = layers.Conv2D(1, 1, bias_initializer=keras.initializers.Constant(-1.0), name="logits")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    return keras.Model(image, layers.Activation("sigmoid", name="probability")(x))


def little_classifier(size: int = 64):
    """(size, size, 3) to a slice's two probabilities and those of its cells, 1/32 of the size: the slice classifier's
    ends."""
    x = image = keras.Input((size, size, 3))
    for _ in range(5):
        x = _block(layers.Conv2D(16, 3, 2, padding="same", use_bias=False), x)
    cells = layers.Conv2D(1, 1, name="cells")(x)
    logits = layers.Dense(2, name="logits")(layers.GlobalMaxPooling2D()(cells))
    return keras.Model(
        image,
        [layers.Softmax(name="probability")(logits), layers.Activation("sigmoid", name="cell_probability")(cells)],
    )


def _block(layer, x):
    return layers.ReLU(6.0)(layers.BatchNormalization()(layer(x)))
