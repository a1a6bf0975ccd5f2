"""Losses for small structures on large backgrounds.

Targets carry two channels: the truth, and the region that counts (1 inside, 0 where an answer is never asked for).
"""

from __future__ import annotations

from ..networks.keras_module import keras, tf

CELL_WEIGHT = 3.0


def soft_dice(truth, predicted, smooth: float = 1.0):
    """Dice of probabilities over the whole batch, so that slices without the structure do not count as failures."""
    overlap = tf.reduce_sum(truth * predicted)
    return (2 * overlap + smooth) / (tf.reduce_sum(truth) + tf.reduce_sum(predicted) + smooth)


def bce_dice(target, predicted):
    """Binary cross-entropy plus (1 - soft Dice) (Milletari et al., V-Net, 3DV 2016): calibrated pixels and whole
    shapes.

    `target` is (n, rows, columns, 2), truth and region; `predicted` (n, rows, columns, 1).
    """
    truth, region = target[..., :1], target[..., 1:]
    entropy = keras.losses.binary_crossentropy(truth, predicted) * region[..., 0]
    return tf.reduce_sum(entropy) / (tf.reduce_sum(region) + 1) + 1 - soft_dice(truth * region, predicted * region)


def dice_loss(target, predicted):
    """1 - soft Dice inside the region (Milletari et al., V-Net, 3DV 2016); shapes as in `bce_dice`."""
    truth, region = target[..., :1], target[..., 1:]
    return 1 - soft_dice(truth * region, predicted * region)


def pixel_focal(gamma: float):
    """Focal loss of pixels (Lin et al., ICCV 2017): entropy that counts less, by (1 - p) ** gamma, the surer the
    network is."""

    def focal(target, predicted):
        truth, region = target[..., :1], target[..., 1:]
        entropy = keras.losses.binary_focal_crossentropy(truth, predicted, gamma=gamma) * region[..., 0]
        return tf.reduce_sum(entropy) / (tf.reduce_sum(region) + 1)

    return focal


def tversky(alpha: float, beta: float, smooth: float = 1.0):
    """1 - Tversky index (Salehi et al., MLMI 2017): soft Dice whose false positives weigh `alpha` and false negatives
    `beta`."""

    def loss(target, predicted):
        truth, region = target[..., :1] * target[..., 1:], target[..., 1:]
        predicted = predicted * region
        overlap = tf.reduce_sum(truth * predicted)
        wrong = alpha * tf.reduce_sum(predicted * (1 - truth)) + beta * tf.reduce_sum(truth * (1 - predicted))
        return 1 - (overlap + smooth) / (overlap + wrong + smooth)

    return loss


def class_entropy(weights: tuple[float, float], gamma: float = 0.0):
    """Cross-entropy of slices, each class with its weight and, for `gamma` above 0, focal (Lin et al., ICCV 2017).

    Targets are class numbers (n,), predictions softmax (n, 2).
    """

    def entropy(target, predicted):
        target = tf.cast(tf.reshape(target, (-1,)), tf.int32)
        right = tf.clip_by_value(tf.gather(predicted, target, axis=1, batch_dims=1), 1e-7, 1.0)
        return -tf.gather(tf.constant(weights), target) * (1 - right) ** gamma * tf.math.log(right)

    return entropy


def cell_entropy(target, predicted):
    """Binary cross-entropy of the slice classifier's cells, the rare ones with tumor weighing `CELL_WEIGHT` times.

    `target` is (n, rows, columns, 2), truth and the weight (0 where a cell holds too little tumor to be called);
    `predicted` (n, rows, columns, 1).
    """
    truth, counts = target[..., :1], target[..., 1]
    weight = counts * (1 + (CELL_WEIGHT - 1) * truth[..., 0])
    return tf.reduce_sum(keras.losses.binary_crossentropy(truth, predicted) * weight) / (tf.reduce_sum(weight) + 1)


class BatchDice(keras.metrics.Metric):
    """Dice of thresholded predictions inside the region, over everything seen since the last reset."""

    def __init__(self, name: str = "dice", threshold: float = 0.5) -> None:
        super().__init__(name=name)
        self.threshold = threshold
        self.overlap = self.add_weight(name="overlap", initializer="zeros")
        self.total = self.add_weight(name="total", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        region = y_true[..., 1:]
        truth = tf.cast(y_true[..., :1] > 0.5, tf.float32) * region
        predicted = tf.cast(y_pred > self.threshold, tf.float32) * region
        self.overlap.assign_add(2 * tf.reduce_sum(truth * predicted))
        self.total.assign_add(tf.reduce_sum(truth) + tf.reduce_sum(predicted))

    def result(self):
        return tf.math.divide_no_nan(self.overlap, self.total)
