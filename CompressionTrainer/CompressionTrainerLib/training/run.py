"""One training run: from a configuration, a split and labelled CT to float weights, with all that a reader needs beside them."""

from __future__ import annotations

import json
import math
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from LiverTumorLib.errors import InputError

from ..compression.channels import with_channels
from ..data.samples import load_sample
from ..data.slices import cached_slices
from ..data.splits import Split, load_split
from ..networks.keras_module import keras, tf
from ..networks.mobile_unet import mobile_unet
from ..networks.mobilenet_v2 import load_imagenet, mobilenet_v2_classifier, reestimate_batch_norm
from .batches import steps_per_epoch, training_batches, validation_batches
from .config import TrainConfig
from .losses import BatchDice, bce_dice, cell_entropy

CALIBRATION_SLICES = 56


def build_network(config: TrainConfig):
    """The untrained network of a configuration."""
    if config.task == "slice":
        model = mobilenet_v2_classifier(keras, config.input.size, config.network.width, config.network.dropout)
    else:
        model = mobile_unet(keras, config.input.size, config.network.width, config.network.decoder)
    return with_channels(model, config.network.channels) if config.network.channels else model


def train(
    config: TrainConfig, data: Path, split_file: Path, out: Path, cache: Path, imagenet: Path | None, start: Path | None = None
) -> None:
    """Train and write into `out`: best.weights.h5, last.weights.h5, log.csv, run.json.

    Args:
        data: folder with the CT and mask files of the split.
        split_file: frozen patient-wise split; training sees its train patients, choices its val patients.
        out: the run's folder, made anew.
        cache: folder for network slices, shared between runs.
        imagenet: .npz with ImageNet weights of MobileNetV2, or None for random weights.
        start: weights of an earlier run of the same network, loaded by layer name (warm start), or None.

    Raises:
        InputError: a data file is missing or not the frozen one; the run's folder exists.
    """
    refuse_a_run(out)
    slices, split = load_slices(config, data, split_file, cache)
    out.mkdir(parents=True, exist_ok=True)
    write_record(out, config, split, imagenet, start)
    fit(starting_network(config, slices, imagenet, start), config, slices, out)


def refuse_a_run(out: Path) -> None:
    """Raises InputError where a folder that is to become a run's holds one."""
    if (out / "run.json").exists():
        raise InputError(f"{out} holds a run already; choose another folder or remove it.")


def starting_network(config: TrainConfig, slices: dict, imagenet: Path | None, start: Path | None):
    """The network of a configuration as training starts with it; see `train`."""
    keras.utils.set_random_seed(config.seed)
    model = build_network(config)
    if imagenet:
        load_imagenet(model, imagenet)
        reestimate_batch_norm(keras, model, calibration_slices(config, slices["train"]))
    if start:
        model.load_weights(start, by_name=True, skip_mismatch=True)
    return model


def fit(model, config: TrainConfig, slices: dict, out: Path, callbacks: Sequence = ()) -> None:
    """Train `model` as the configuration says; writes best.weights.h5, last.weights.h5 and log.csv into `out`.

    `callbacks` come before those that save, so that what they do to the weights is saved.
    """
    steps = steps_per_epoch(config)
    schedule = WarmupCosine(config.optimizer.learning_rate, int(config.optimizer.warmup_epochs * steps), config.optimizer.epochs * steps)
    optimizer = keras.optimizers.Adam(schedule, clipnorm=config.optimizer.clip_norm)
    if config.task == "slice":
        # Lists in the order of the outputs, whose names change under quantization-aware training.
        loss, metrics = [keras.losses.SparseCategoricalCrossentropy(), cell_entropy], [["accuracy"], []]
        monitor = f"val_{model.output_names[0]}_accuracy"
    else:
        loss, metrics, monitor = bce_dice, [BatchDice()], "val_dice"
    model.compile(optimizer, loss, metrics)
    model.fit(
        training_batches(config, slices["train"]),
        validation_data=validation_batches(config, slices["val"]),
        epochs=config.optimizer.epochs,
        steps_per_epoch=steps,
        verbose=2,
        callbacks=[
            *callbacks,
            keras.callbacks.CSVLogger(str(out / "log.csv")),
            keras.callbacks.ModelCheckpoint(str(out / "best.weights.h5"), monitor, save_best_only=True, mode="max", save_weights_only=True),
            keras.callbacks.ModelCheckpoint(str(out / "last.weights.h5"), save_weights_only=True),
            keras.callbacks.TerminateOnNaN(),
        ],
    )


def load_slices(config: TrainConfig, data: Path, split_file: Path, cache: Path) -> tuple[dict, Split]:
    """Cached network slices of the train and the val patients, and the split; their files are verified first."""
    split = load_split(split_file, data)
    cases = {subset: split.cases[subset] for subset in ("train", "val")}
    split.verify([case for subset in cases.values() for case in subset])
    return {subset: [cached_slices(case, config.input, cache) for case in cases[subset]] for subset in cases}, split


def calibration_slices(config: TrainConfig, cases) -> np.ndarray:
    """Plain network inputs of CALIBRATION_SLICES slices or a few more, spread over the cases, for ranges and statistics."""
    rng = np.random.default_rng([config.seed, 3])
    each = -(-CALIBRATION_SLICES // len(cases))
    chosen = [(case, int(k)) for case in cases for k in rng.choice(len(case.image), min(each, len(case.image)), replace=False)]
    rng.shuffle(chosen)
    return np.stack([load_sample(case, k, config.input, None, rng)[0] for case, k in chosen])


def write_record(out: Path, config: TrainConfig, split: Split, imagenet: Path | None, start: Path | None, **more) -> None:
    """Everything needed to make this run again, beside its weights: RUN/run.json; `more` says what else there is to know."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True).stdout.strip()
    record = {
        "config": config.to_dict(),
        "split": split.name,
        "cases": {subset: [case.id for case in split.cases[subset]] for subset in ("train", "val")},
        "sha256": split.sha256,
        "commit": commit or None,
        "imagenet": bool(imagenet),
        "start": start and str(start),
        "versions": {"tensorflow": tf.__version__, **{name: version(name) for name in ("tf_keras", "numpy", "scipy")}},
        "machine": platform.processor() or platform.machine(),
        **more,
    }
    (out / "run.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


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
