"""Training with coarser outputs beside the network's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.networks.build import build_network
from CompressionTrainerLib.networks.keras_module import keras, tf
from CompressionTrainerLib.training.batches import validation_batches
from CompressionTrainerLib.training.checks import check_canvas
from CompressionTrainerLib.training.config import TrainConfig, config_from_dict
from CompressionTrainerLib.training.losses import BatchDice, bce_dice
from CompressionTrainerLib.training.objective import learner_of, objective
from CompressionTrainerLib.training.run import fit, starting_network
from CompressionTrainerLib.training.state import read_state
from LiverTumorLib.errors import UsageError
from tiny_fit import tiny_config, tiny_slices

WEIGHTS = (0.5, 0.25)  # at 1/4 and at 1/8


def config_of(weights: tuple[float, ...] = WEIGHTS, epochs: int = 2) -> TrainConfig:
    config = tiny_config(epochs=epochs, schedule="cosine", learning_rate=1e-3)
    network = replace(config.network, architecture="mobile_unet", width=0.35)  # the least that Keras builds
    return replace(config, network=network, loss=replace(config.loss, coarse_weights=weights))


def trained(config: TrainConfig, folder):
    """The network, after its training in `folder`."""
    network = starting_network(config, tiny_slices(), None, None)
    fit(learner_of(config, network), config, tiny_slices(), folder, report=lambda *_: None)
    return network


def test_the_loss_weighs_the_levels_and_its_figures_are_the_networks_own():
    config = config_of()
    learner = learner_of(config, starting_network(config, tiny_slices(), None, None))
    images, target = next(iter(validation_batches(config, tiny_slices()["val"])))
    levels = learner(images, training=False)
    assert levels.shape[1:] == (*config.input.size, 3)
    loss, metrics, _ = objective(config, learner)
    learner.compile("sgd", loss, metrics)
    own, at_4, at_8 = (float(bce_dice(target, levels[..., n : n + 1])) for n in range(3))
    told = float(learner.compute_loss(images, target, levels))
    assert told == pytest.approx((own + 0.5 * at_4 + 0.25 * at_8) / 1.75, rel=1e-5)
    assert len({round(each, 4) for each in (own, at_4, at_8)}) == 3
    figures = learner.evaluate(images, target, verbose=0, return_dict=True)
    dice = BatchDice()
    dice.update_state(target, levels[..., :1])
    assert figures == pytest.approx({"loss": own, "dice": float(dice.result())}, rel=1e-4)


def test_each_level_teaches_the_features_it_is_made_from():
    """The coarsest reaches the encoder and the first level of the decoder, nothing after it."""
    config = config_of()
    network = starting_network(config, tiny_slices(), None, None)
    learner = learner_of(config, network)
    images, target = next(iter(validation_batches(config, tiny_slices()["val"])))
    with tf.GradientTape() as tape:
        coarsest = bce_dice(target, learner(images, training=True)[..., 2:])
    layers = ("Conv1", "decoder_0_pointwise", "decoder_1_pointwise", "logits")
    kernels = [network.get_layer(name).kernel for name in layers]
    assert [bool(tf.reduce_any(each != 0)) for each in tape.gradient(coarsest, kernels)] == [True, True, False, False]


def test_what_is_saved_is_the_network_alone(tmp_path):
    config = config_of()
    network = trained(config, tmp_path)
    saved = build_network(config)
    saved.load_weights(tmp_path / "last.weights.h5")
    assert all(map(np.array_equal, saved.get_weights(), network.get_weights()))
    *_, row = read_state(tmp_path).rows
    assert row.keys() == {"epoch", "dice", "loss", "val_dice", "val_loss", "learning_rate"}
    network.compile(loss=bce_dice, metrics=[BatchDice()])
    again = network.evaluate(validation_batches(config, tiny_slices()["val"]), verbose=0, return_dict=True)
    assert again["dice"] == pytest.approx(row["val_dice"], abs=1e-5)
    assert [layer.name for layer in network.layers if "coarse" in layer.name] == []


def test_a_run_that_continues_keeps_the_coarser_outputs_too(tmp_path):
    class Stopped(Exception):
        pass

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise Stopped

    config = config_of()
    whole = trained(config, tmp_path / "whole")
    learner = learner_of(config, starting_network(config, tiny_slices(), None, None))
    with pytest.raises(Stopped):
        fit(learner, config, tiny_slices(), tmp_path / "halves", [Stop()], report=lambda *_: None)
    assert not read_state(tmp_path / "halves").finished
    continued = trained(config, tmp_path / "halves")
    for one, other in zip(whole.get_weights(), continued.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("task", "weights", "message"),
    [
        ("slice", [0.5, 0.25], r"coarse_weights is a setting of the Mobile U-Net's; mobilenet_v2 has none"),
        ("tumor", [0.5], "coarse_weights must be two numbers of at least 0, at 1/4 and at 1/8 resolution, or empty"),
        ("tumor", [0.5, -1], "two numbers of at least 0"),
        ("tumor", [0.5, "x"], "two numbers of at least 0"),
        ("tumor", 0.5, r"coarse_weights"),
    ],
)
def test_weights_that_make_no_sense_are_refused(task, weights, message):
    content = tiny_config().to_dict() | {"task": task}
    with pytest.raises(UsageError, match=message):
        config_from_dict(content | {"loss": {"coarse_weights": weights}})


def test_a_student_has_no_coarser_outputs():
    with pytest.raises(UsageError, match="coarse_weights ask for outputs that its teacher does not have"):
        check_canvas(config_of(()), config_of())
