"""One training run: from a configuration, a split and labeled CT to float weights, with all that a reader needs beside
them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from LiverTumorLib.errors import LiverTumorError, WorkerError

from ..data.samples import load_sample
from ..data.slices import subset_slices
from ..data.splits import Split, load_split
from ..data.training_data import TrainingData
from ..networks.build import build_network
from ..networks.keras_module import keras, tf
from ..networks.mobilenet_v2 import freeze_imagenet, load_imagenet, reestimate_batch_norm
from ..progress import Console, ProgressReport
from .batches import steps_per_epoch
from .callbacks import PlainNames, SeedDropout, StopAtNaN, Tell
from .checks import check_classes, check_imagenet, require_usable, usable_cases
from .config import TrainConfig
from .keeper import Keeper
from .memory import available_bytes, step_bytes
from .objective import objective
from .record import is_tflite, refuse_a_run, write_record
from .schedule import make_optimizer, schedule_callbacks
from .settings import TrainSettings
from .start import check_start, check_unseen_start, load_start
from .state import read_state
from .strategy import check_batch, make_strategy, shared_batches, writes

CALIBRATION_SLICES = 56


def train(
    config: TrainConfig, data: TrainingData, out: Path, settings: TrainSettings, report: ProgressReport | None = None
) -> None:
    """Train and write into `out`: best.weights.h5, last.weights.h5, log.csv, run.json.

    A folder with an unfinished run of the same configuration and data continues after its last complete epoch. Where a
    batch does not fit into memory, it is halved.

    Args:
        data: training sees the split's train patients, choices its val patients.
        out: the run's folder.
        settings: weights to start from are taken for the layers of the same name and shape.
        report: told of the progress; by default a console's.

    Raises:
        InputError: a data file is missing or not the frozen one, the patients show one class only, or the folder holds
          another run.
        UsageError: the weights to start from fit no layer or know val or test patients, or replicas cannot share a
          batch.
        LiverTumorError: the loss became no number, or memory does not suffice for a single slice.
    """
    cluster = make_strategy(settings.strategy)
    refuse_a_run(out)
    check_batch(cluster, config.optimizer.batch)
    check_imagenet(config, settings.imagenet)
    check_start(settings.start)
    slices, split = load_slices(config, data)
    check_unseen_start(settings.start, split)
    check_classes(config, slices)
    asked = config
    while True:
        try:
            model = starting_network(config, slices, settings.imagenet, settings.start)
            out.mkdir(parents=True, exist_ok=True)
            if writes(cluster):
                write_record(out, asked, split, settings.imagenet, settings.start)
            if cluster is not model.distribute_strategy:
                model = _copy_in(cluster, config, model)
            fit(model, config, slices, out, tensorboard=settings.tensorboard, report=report)
            return
        except BatchTooLarge:
            batch = config.optimizer.batch // 2
            if not batch or cluster.num_replicas_in_sync > 1:
                raise
            config = _halved(config)
        keras.backend.clear_session()


def starting_network(config: TrainConfig, slices: dict, imagenet: Path | None, start: Path | None):
    """The network of a configuration as training starts with it; see `train`."""
    keras.utils.set_random_seed(config.seed)
    with _precision(config):
        model = build_network(config)
    if imagenet:
        load_imagenet(model, imagenet)
        reestimate_batch_norm(keras, model, calibration_slices(config, slices["train"]))
        if config.network.freeze:
            freeze_imagenet(model, imagenet)
    if start:
        load_start(model, start)
        if is_tflite(start):
            reestimate_batch_norm(keras, model, calibration_slices(config, slices["train"]))
    return model


def fit(
    model,
    config: TrainConfig,
    slices: dict,
    out: Path,
    callbacks: Sequence = (),
    *,
    tensorboard: bool = False,
    report: ProgressReport | None = None,
) -> None:
    """Train `model` as the configuration says; writes best.weights.h5, last.weights.h5 and log.csv into `out`.

    Continues after the last complete epoch where `out` holds an unfinished training; where it holds a finished one,
    only the last weights are loaded. `callbacks` come before those that save, so that what they do to the weights is
    saved.

    Raises:
        InputError: the folder holds a training of another network.
        LiverTumorError: the loss became no number.
        BatchTooLarge: memory ran out. Where it is known before that it would, the batch is halved instead.
    """
    config = _fitting(model, config, out)
    strategy, steps, epochs = model.distribute_strategy, steps_per_epoch(config), config.optimizer.epochs
    with strategy.scope():
        optimizer = make_optimizer(config.optimizer, steps)
        loss, metrics, monitor = objective(config, model)
        model.compile(optimizer, loss, metrics)
        optimizer.build(model.trainable_variables)
    counting = schedule_callbacks(config.optimizer)
    keeper = Keeper(out, monitor, config.optimizer.batch, counting, config.keep_epochs, writes(strategy))
    keeper.restore(model)
    first = keeper.state.epochs
    if keeper.state.finished:
        return
    if first:
        print(f"{out}: continuing after epoch {first} of {epochs}.", flush=True)
    if first < epochs and not keeper.state.stopped:
        training, validation, validation_steps = shared_batches(strategy, config, slices, first)
        watching = [PlainNames(model.output_names), StopAtNaN()]
        watching += [SeedDropout(config.seed)] if strategy.num_replicas_in_sync == 1 else []
        telling = [Tell(report or Console(), first, epochs, steps)]  # after all is saved
        if tensorboard and writes(strategy):
            telling.append(keras.callbacks.TensorBoard(str(out / "tensorboard")))
        too_large = BatchTooLarge(
            f"A batch of {config.optimizer.batch} slices does not fit into memory; lower [optimizer] batch, or close "
            "other programs."
        )
        if step_bytes(model, config.optimizer.batch) > available_bytes():
            raise too_large
        try:
            model.fit(
                training,
                validation_data=validation,
                validation_steps=validation_steps,
                initial_epoch=first,
                epochs=epochs,
                steps_per_epoch=steps,
                verbose=0,
                callbacks=[*callbacks, *watching, *counting, keeper, *telling],
            )
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            raise too_large from error
        except tf.errors.UnavailableError as error:
            raise WorkerError(
                "Another worker of this training has ended; start all of them again with the same command, and the "
                "training continues."
            ) from error
    keeper.finish()


class BatchTooLarge(LiverTumorError):
    """Memory does not suffice for a batch."""


def _fitting(model, config: TrainConfig, out: Path) -> TrainConfig:
    """The configuration with the batch of a training that continues or, of a new one, with one that fits into
    memory."""
    if begun := read_state(out):
        return _with_batch(config, min(begun.batch, config.optimizer.batch))
    while config.optimizer.batch > 1 and model.distribute_strategy.num_replicas_in_sync == 1:
        if step_bytes(model, config.optimizer.batch) <= available_bytes():
            break
        config = _halved(config)
    return config


def _halved(config: TrainConfig) -> TrainConfig:
    batch = config.optimizer.batch // 2
    print(
        f"A batch of {config.optimizer.batch} slices does not fit into memory; training again with {batch}.", flush=True
    )
    return _with_batch(config, batch)


def _with_batch(config: TrainConfig, batch: int) -> TrainConfig:
    return replace(config, optimizer=replace(config.optimizer, batch=batch))


def _copy_in(strategy, config: TrainConfig, model):
    """A network like `model` whose variables lie where `strategy` wants them."""
    with strategy.scope(), _precision(config):
        copy = build_network(config)
    for layer, source in zip(copy.layers, model.layers, strict=True):
        layer.trainable = source.trainable
        layer.set_weights(source.get_weights())
    return copy


@contextmanager
def _precision(config: TrainConfig) -> Iterator[None]:
    """Layers made within compute in the configuration's precision."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(config.optimizer.precision)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def load_slices(config: TrainConfig, data: TrainingData) -> tuple[dict, Split]:
    """Cached network slices of the train and the val patients (none in a refit), and the split with the usable ones of
    their cases; files are verified first."""
    split = load_split(data.split, data.folder)
    if config.refit:
        split = split.refitted()
    cases = {subset: usable_cases(config, split.cases[subset]) for subset in ("train", "val")}
    require_usable(config, split, "train")
    split.verify([case for subset in cases.values() for case in subset])
    chosen = replace(split, cases=split.cases | cases)
    return {subset: subset_slices(chosen, subset, config.input, data.cache) for subset in cases}, chosen


def calibration_slices(config: TrainConfig, cases) -> np.ndarray:
    """Plain network inputs of CALIBRATION_SLICES slices or a few more, spread over the cases, for ranges and
    statistics."""
    rng = np.random.default_rng([config.seed, 3])
    each = -(-CALIBRATION_SLICES // len(cases))
    usable = [case.ks(np.ones(len(case.image), bool)) for case in cases]
    drawn = [rng.choice(ks, min(each, len(ks)), replace=False) for ks in usable]
    chosen = [(case, int(k)) for case, ks in zip(cases, drawn, strict=True) for k in ks]
    rng.shuffle(chosen)
    return np.stack([load_sample(case, k, config.input, None, rng)[0] for case, k in chosen])
