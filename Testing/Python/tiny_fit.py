"""A real training of a network of a few hundred weights, a step in milliseconds, as a process of its own that tests
kill.

    python tiny_fit.py FOLDER [WORD…]       trains into FOLDER

Words: "events" tells progress as events, "endless" makes each step of the second epoch last for ever, "long" has LONG
  epochs,
"multiworker" is one of several workers, "mirrored" has two devices.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from CompressionTrainerLib.data.slices import BORDER, CaseSlices
from CompressionTrainerLib.training.config import TrainConfig, config_from_dict
from CompressionTrainerLib.training.settings import STRATEGIES

SIZE = 32
LONG = 80


def tiny_config(**optimizer) -> TrainConfig:
    """Six epochs of five steps; the rate falls whenever the validation loss does not, so that callbacks have something
    to count."""
    settings = {
        "learning_rate": 0.02,
        "batch": 4,
        "epochs": 6,
        "schedule": "plateau",
        "plateau_patience": 1,
        "stop_patience": 5,
    }
    return config_from_dict(
        {
            "name": "tiny",
            "task": "liver",
            "input": {"size": [SIZE, SIZE], "spacing_mm": 5.0},
            "sampling": {"slices": 20, "tumor_share": 0.5, "background_share": 0.25},
            "optimizer": settings | optimizer,
        }
    )


def tiny_slices() -> dict[str, list[CaseSlices]]:
    """A bright square, the liver, with a brighter one, tumor; two cases to train and one to choose."""

    def case(number: int) -> CaseSlices:
        rng = np.random.default_rng(number)
        image = rng.integers(0, 80, (6, SIZE + 2 * BORDER, SIZE + 2 * BORDER), np.uint8)
        liver, tumor = np.zeros_like(image), np.zeros_like(image)
        liver[1:5, 36:58, 36:58] = 255
        tumor[2:4, 40:50, 40:50] = 255
        flags = [array.any(axis=(1, 2)) for array in (liver, tumor)]
        return CaseSlices(number, number, image + liver // 4 + tumor // 4, liver, tumor, *flags, slice_mm=5.0)

    return {"train": [case(0), case(1)], "val": [case(2)]}


def tiny_network(endless=None):
    """Convolution, batch norm, dropout: one of each kind of state. Where the variable `endless` is above 0 a step never
    ends."""
    from CompressionTrainerLib.networks.keras_module import keras, tf

    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = x = keras.Input((SIZE, SIZE, 3))
    if endless is not None:

        def wait(x):
            count = tf.while_loop(
                lambda n: n > 0, lambda n: n + tf.cast(endless < 0, tf.int32), [tf.cast(endless, tf.int32)]
            )
            return x + tf.cast(count[0], x.dtype)

        x = layers.Lambda(wait)(x)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.3, rng_type="stateful")(layers.ReLU()(x))
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x))


def main(out: Path, *words: str) -> None:
    from CompressionTrainerLib.progress import reporting
    from CompressionTrainerLib.stopping import stops_promptly

    with stops_promptly(), reporting("events" in words, out) as report:
        from CompressionTrainerLib.networks.keras_module import keras, tf
        from CompressionTrainerLib.training.run import fit
        from CompressionTrainerLib.training.strategy import make_strategy

        if "mirrored" in words:
            (device,) = tf.config.list_physical_devices("CPU")
            tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
        strategy = make_strategy(next((word for word in words if word in STRATEGIES), "none"))
        tf.config.experimental.enable_op_determinism()
        endless = tf.Variable(0.0) if "endless" in words else None

        class Hang(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch: int, logs=None) -> None:
                if endless is not None and epoch == 1:
                    endless.assign(1.0)
                    print("hanging", file=sys.stderr, flush=True)

        with strategy.scope():
            model = tiny_network(endless)
        config = tiny_config(epochs=LONG, stop_patience=0) if "long" in words else tiny_config()
        fit(model, config, tiny_slices(), out, [Hang()], report=report)


if __name__ == "__main__":
    from LiverTumorLib.cli import _fail, _terminate_is_interrupt  # as `livertumor` runs its commands
    from LiverTumorLib.errors import Cancelled, LiverTumorError

    try:
        with _terminate_is_interrupt():
            main(Path(sys.argv[1]), *sys.argv[2:])
    except KeyboardInterrupt:
        sys.exit(_fail(Cancelled("Stopped.")))
    except LiverTumorError as error:
        sys.exit(_fail(error))
