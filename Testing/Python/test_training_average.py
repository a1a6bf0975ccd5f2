"""Training at a rate that stays, and the average of the weights on its way."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.networks.keras_module import keras
from CompressionTrainerLib.training import run
from CompressionTrainerLib.training.batches import training_batches
from CompressionTrainerLib.training.config import config_from_dict
from CompressionTrainerLib.training.finished import fine_tuning_config
from CompressionTrainerLib.training.run import fit
from CompressionTrainerLib.training.schedule import make_optimizer
from CompressionTrainerLib.training.state import BEST, LAST, read_state
from CompressionTrainerLib.training.strategy import check_average
from LiverTumorLib.errors import UsageError
from tiny_fit import tiny_config, tiny_network, tiny_slices

AVERAGE, EPOCHS, STEPS = 0.9, 2, 5
CONFIG = tiny_config(schedule="constant", average=AVERAGE, epochs=EPOCHS, warmup_epochs=1, stop_patience=0)
UNMEASURED = tiny_slices() | {"val": []}


class Watch(keras.callbacks.Callback):
    """Notes all weights that can be trained after each step."""

    def on_train_begin(self, logs=None) -> None:
        self.seen = [self.trained()]

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        self.seen.append(self.trained())

    def trained(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self.model.trainable_variables]


def quiet(*_) -> None:
    """A report that nobody reads."""


def loaded(path):
    model = tiny_network()
    model.load_weights(path)
    return model


def assert_same(one, other) -> None:
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_constant_rate_rises_and_stays():
    optimizer = make_optimizer(CONFIG.optimizer, steps=STEPS)
    rates = [float(optimizer._learning_rate(step)) for step in range(2 * STEPS)]
    assert rates == pytest.approx([0.004, 0.008, 0.012, 0.016] + [0.02] * 6)


def test_the_last_weights_are_the_moving_average_with_statistics_of_its_own(tmp_path):
    watch, model = Watch(), tiny_network()
    fit(model, CONFIG, UNMEASURED, tmp_path, [watch], report=quiet)
    first, *after = watch.seen
    assert len(after) == EPOCHS * STEPS
    expected = first
    for weights in after:
        expected = [AVERAGE * mean + (1 - AVERAGE) * own for mean, own in zip(expected, weights, strict=True)]
    last = loaded(tmp_path / LAST)
    for own, mean, live in zip(last.trainable_variables, expected, after[-1], strict=True):
        np.testing.assert_allclose(own.numpy(), mean, rtol=1e-4, atol=1e-5)
        assert not np.allclose(own.numpy(), live, atol=1e-4)
    assert_same(model, last)

    norm = next(layer for layer in last.layers if isinstance(layer, keras.layers.BatchNormalization))
    before = keras.Model(last.input, norm.input)
    batches = [images for images, _ in training_batches(CONFIG, UNMEASURED["train"], EPOCHS - 1)]
    means = [before(images).numpy().mean(axis=(0, 1, 2)) for images in batches]
    np.testing.assert_allclose(norm.moving_mean.numpy(), np.mean(means, axis=0), rtol=1e-3, atol=1e-4)
    assert len(batches) == STEPS
    assert model.get_layer(index=last.layers.index(norm)).momentum == 0.99
    assert_same(loaded(tmp_path / BEST), last)  # nothing was measured, so the last are the best


def test_the_best_weights_are_those_of_an_epoch(tmp_path):
    fit(tiny_network(), CONFIG, tiny_slices(), tmp_path, report=quiet)
    best, last = loaded(tmp_path / BEST).get_weights(), loaded(tmp_path / LAST).get_weights()
    assert read_state(tmp_path).best > 0 and not all(map(np.array_equal, best, last))


def test_a_run_that_is_killed_before_its_average_takes_it_when_it_continues(tmp_path, monkeypatch):
    fit(tiny_network(), CONFIG, UNMEASURED, tmp_path / "whole", report=quiet)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "take_average", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(tiny_network(), CONFIG, UNMEASURED, tmp_path / "halves", report=quiet)
    state = read_state(tmp_path / "halves")
    assert state.epochs == EPOCHS and not state.finished
    fit(tiny_network(), CONFIG, UNMEASURED, tmp_path / "halves", report=quiet)
    assert_same(*(loaded(tmp_path / each / LAST) for each in ("whole", "halves")))


def test_fine_tuning_averages_nothing():
    optimizer = fine_tuning_config(CONFIG, 1, None).optimizer
    assert (optimizer.average, optimizer.schedule) == (0.0, "cosine")


@pytest.mark.parametrize("average", [1.0, -0.1])
def test_an_average_of_nothing_is_refused(average):
    content = CONFIG.to_dict()
    content["optimizer"]["average"] = average
    with pytest.raises(UsageError, match=r"\[optimizer\] average must be from 0 to below 1"):
        config_from_dict(content)


def test_replicas_average_nothing():
    two = SimpleNamespace(num_replicas_in_sync=2)
    with pytest.raises(UsageError, match=r"\[optimizer\] average works on one device only"):
        check_average(two, replace(CONFIG.optimizer).average)
    check_average(two, 0.0)
