"""What happens during training beside learning: it is watched, told of, and made repeatable."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from LiverTumorLib.errors import LiverTumorError

from ..networks.keras_module import keras
from ..progress import ProgressReport

REPORT_EVERY_S = 0.5


class StopAtNaN(keras.callbacks.Callback):
    """Ends a training whose loss is no longer a number, or one of whose weights: a ReLU may hide that from the loss."""

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        if not math.isfinite(logs["loss"]):
            self._stop("The loss", f"epoch {self._epoch + 1}, step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        for variable in self.model.trainable_variables:
            if not np.isfinite(variable.numpy()).all():
                self._stop(f"A weight of {variable.name}", f"epoch {epoch + 1}")

    def _stop(self, what: str, when: str) -> None:
        kept = f"the weights of epoch {self._epoch} are kept" if self._epoch else "nothing had been learned yet"
        raise LiverTumorError(
            f"{what} is no longer a number ({when}); {kept}. Train again with a lower learning_rate, and look for "
            "images or masks with broken values."
        )


class SeedDropout(keras.callbacks.Callback):
    """Gives dropout the random numbers of its epoch, so that a run that continues drops what the unbroken run does."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        dropouts = [layer for layer in self.model.submodules if isinstance(layer, keras.layers.Dropout)]
        for number, layer in enumerate(dropouts):
            seed = np.random.default_rng([self._seed, 4, epoch, number]).integers(2**31)
            layer._random_generator._generator.reset_from_seed(int(seed))  # has no public twin


class PlainNames(keras.callbacks.Callback):
    """Gives the figures of a training the names that they have in every other, for all callbacks after it.

    Keras puts the name of an output before them, which is another one for a student and under quantization-aware
    training.
    """

    def __init__(self, outputs: Sequence[str]) -> None:
        """`outputs` are the network's, as Keras calls them, in their order."""
        super().__init__()
        self._plain = {}
        if len(outputs) > 1:
            slice_output, cell_output = outputs
            named = {
                f"{slice_output}_accuracy": "accuracy",
                f"{slice_output}_loss": "slice_loss",
                f"{cell_output}_loss": "cell_loss",
            }
            self._plain = named | {f"val_{name}": f"val_{plain}" for name, plain in named.items()}

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        for name, plain in self._plain.items():
            if name in logs:
                logs[plain] = logs.pop(name)


class Tell(keras.callbacks.Callback):
    """Reports how far training is, and the figures of each epoch."""

    def __init__(self, report: ProgressReport, first_epoch: int, epochs: int, steps: int) -> None:
        """`steps` of each epoch; the fraction is that of the epochs from `first_epoch` on."""
        super().__init__()
        self._report, self._first, self._epochs, self._steps = report, first_epoch, epochs, steps
        self._told_s = -math.inf

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        if time.monotonic() - self._told_s >= REPORT_EVERY_S:
            self._tell((batch + 1) / self._steps)

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        self._tell(1.0, {name: float(value) for name, value in logs.items() if name != "lr"})

    def _tell(self, part: float, figures: dict[str, float] | None = None) -> None:
        fraction = (self._epoch + part - self._first) / (self._epochs - self._first)
        self._report("train", fraction, f"Epoch {self._epoch + 1} of {self._epochs}", figures)
        self._told_s = time.monotonic()
