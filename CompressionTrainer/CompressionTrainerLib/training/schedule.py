"""The optimizer, and how its learning rate goes."""

from __future__ import annotations

import math

from ..networks.keras_module import keras, tf
from .config import OptimizerConfig


def make_optimizer(config: OptimizerConfig, steps: int):
    """Adam (Kingma and Ba, ICLR 2015) with the configured learning rate and average of the weights; `steps` are those
    of an epoch."""
    rate, warmup = config.learning_rate, int(config.warmup_epochs * steps)
    if config.schedule == "cosine":
        rate = WarmupCosine(rate, warmup, config.epochs * steps)
    elif config.schedule == "constant":
        rate = Warmup(rate, warmup)
    average = {"use_ema": True, "ema_momentum": config.average} if config.average else {}
    return keras.optimizers.Adam(rate, clipnorm=config.clip_norm or None, **average)


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


@keras.utils.register_keras_serializable("livertumor")
class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate that rises linearly for `warmup` steps and then stays."""

    def __init__(self, peak: float, warmup: int) -> None:
        self.peak, self.warmup = peak, warmup

    def __call__(self, step):
        return self.peak * tf.minimum(1.0, (tf.cast(step, tf.float32) + 1) / max(self.warmup, 1))

    def get_config(self) -> dict:
        return {"peak": self.peak, "warmup": self.warmup}
