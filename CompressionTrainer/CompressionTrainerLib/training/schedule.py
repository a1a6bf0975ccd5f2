"""The optimizer, and how its learning rate goes."""

from __future__ import annotations

import math

from ..networks.keras_module import keras, tf
from .config import OptimizerConfig


def make_optimizer(config: OptimizerConfig, steps: int):
    """Adam (Kingma and Ba, ICLR 2015) with the configured learning rate; `steps` are those of an epoch."""
    rate = config.learning_rate
    if config.schedule == "cosine":
        rate = WarmupCosine(rate, int(config.warmup_epochs * steps), config.epochs * steps)
    return keras.optimizers.Adam(rate, clipnorm=config.clip_norm or None)


def schedule_callbacks(config: OptimizerConfig) -> list:
    """The callbacks that lower the rate or stop training where the validation loss no longer falls."""
    callbacks = []
    if config.schedule == "plateau":
        callbacks.append(keras.callbacks.ReduceLROnPlateau("val_loss", config.plateau_factor, config.plateau_patience))
    if config.stop_patience:
        callbacks.append(keras.callbacks.EarlyStopping("val_loss", patience=config.stop_patience))
    return callbacks


@keras.utils.register_keras_serializable("livertumor")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate that rises linearly for `warmup` steps and falls as a half cosine to 0 at `total` steps."""

    def __init__(self, peak: float, warmup: int, total: int) -> None:
        self.peak, self.warmup, self.total = peak, warmup, total

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        rising = self.peak * (step + 1) / max(self.warmup, 1)
        done = tf.clip_by_value((step - self.warmup) / max(self.total - self.warmup, 1), 0.0, 1.0)
        return tf.where(step < self.warmup, rising, self.peak * 0.5 * (1 + tf.cos(math.pi * done)))

    def get_config(self) -> dict:
        return {"peak": self.peak, "warmup": self.warmup, "total": self.total}
