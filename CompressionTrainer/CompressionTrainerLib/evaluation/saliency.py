"""What a slice classifier decides by, as maps over its input; on the float Keras network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..networks.config import PREDICT_BATCH
from ..networks.keras_module import keras, tf

BASELINE = -1.0  # black: air, and what lies off the scan
STEPS = 128


@dataclass(frozen=True)
class Attribution:
    """Integrated gradients of one input.

    Attributes:
        values: (rows, columns, channels), what each number of the input adds to the probability of tumor.
        probability: of the input, and `baseline_probability` of the black one; `values` sum up to their difference.
    """

    values: np.ndarray
    probability: float
    baseline_probability: float

    @property
    def gap(self) -> float:
        """By how much the sum misses the difference of the probabilities: the error of the integration."""
        return float(abs(self.values.sum(dtype=np.float64) - (self.probability - self.baseline_probability)))


def evidence_map(model, image: np.ndarray) -> np.ndarray:
    """Where the network sees tumor, (rows / 32, columns / 32) in [0, 1]; the map that goes with the network's head.

    Head "cells": the probability of each cell, from which the slice's is made: exact. Head "average": Grad-CAM scaled
    to its maximum.
    """
    if "cell_probability" in model.output_names:
        cells = model.predict(image[None], verbose=0)[model.output_names.index("cell_probability")]
        return cells[0, ..., 0]
    heat = grad_cam(model, image)
    return heat / max(float(heat.max()), 1e-12)


def grad_cam(model, image: np.ndarray) -> np.ndarray:
    """Grad-CAM (Selvaraju et al., ICCV 2017) of tumor against no tumor on the last feature map, for the head "average".

    Each channel of the map is weighed by the mean gradient of the difference of the two logits with respect to it; what
    speaks against tumor is left out. With this head it is the class activation map (Zhou et al., CVPR 2016) divided by
    the map's size.

    Args:
        model: a slice classifier with the head "average", see `networks.heads`.
        image: (rows, columns, 3) in [-1, 1].

    Returns:
        (rows / 32, columns / 32), not negative.
    """
    layer = model.get_layer("average")
    features = keras.Model(model.input, layer.input)(image[None], training=False)
    with tf.GradientTape() as tape:
        tape.watch(features)
        logits = model.get_layer("logits")(layer(features))
        score = logits[0, 1] - logits[0, 0]
    gradient = tape.gradient(score, features)
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))[0].numpy()


def integrated_gradients(model, image: np.ndarray, steps: int = STEPS) -> Attribution:
    """Integrated gradients (Sundararajan et al., ICML 2017) of the probability of tumor, along the line from a black
    image.

    Args:
        model: a slice classifier; its first output is (no tumor, tumor).
        image: (rows, columns, 3) in [-1, 1].
        steps: points on the line, the middles of as many equal parts.
    """

    def probability(x):
        outputs = model(x, training=False)
        return (outputs[0] if isinstance(outputs, list) else outputs)[:, 1]

    image = tf.constant(image, tf.float32)
    black = tf.fill(image.shape, BASELINE)
    total = tf.zeros_like(image)
    for start in range(0, steps, PREDICT_BATCH):
        parts = (tf.range(start, min(start + PREDICT_BATCH, steps), dtype=tf.float32) + 0.5) / steps
        points = black + parts[:, None, None, None] * (image - black)
        with tf.GradientTape() as tape:
            tape.watch(points)
            score = tf.reduce_sum(probability(points))
        total += tf.reduce_sum(tape.gradient(score, points), axis=0)
    ends = probability(tf.stack([image, black])).numpy()
    return Attribution((total / steps * (image - black)).numpy(), float(ends[0]), float(ends[1]))
