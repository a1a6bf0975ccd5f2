"""The networks: what they return, and that each can be quantized in training."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.export.tflite import int8_tflite
from CompressionTrainerLib.networks.baselines import baseline
from CompressionTrainerLib.networks.build import build_network
from CompressionTrainerLib.networks.keras_module import keras
from CompressionTrainerLib.networks.mobile_unet import mobile_unet
from CompressionTrainerLib.networks.mobilenet_v2 import (
    freeze_imagenet,
    load_imagenet,
    mobilenet_v2_classifier,
    reestimate_batch_norm,
)
from CompressionTrainerLib.networks.quantization import quantization_aware, start_ranges
from CompressionTrainerLib.networks.unet import unet
from CompressionTrainerLib.training.batches import _cells
from CompressionTrainerLib.training.run import fit, starting_network
from CompressionTrainerLib.training.state import read_state
from LiverTumorLib.models.runtimes import LiteRT
from tiny_fit import tiny_config, tiny_slices

SIZE = (32, 32)
IMAGENET = Path(os.environ.get("LIVERTUMOR_TEST_DATA", "none")) / "imagenet/mobilenet_v2_1.0_224.npz"
slow = pytest.mark.slow


def config_of(task: str, architecture: str, **network):
    config = tiny_config()
    return replace(
        config, task=task, network=replace(config.network, architecture=architecture, width=0.125, **network)
    )


ALL = [
    ("liver", "unet"),
    pytest.param("liver", "resunet", marks=slow),
    pytest.param("liver", "mobile_unet", marks=slow),
    ("slice", "vgg16"),
    pytest.param("slice", "mobilenet_v1", marks=slow),
    pytest.param("slice", "resnet50", marks=slow),
    pytest.param("slice", "mobilenet_v2", marks=slow),
]


@pytest.mark.parametrize(("task", "architecture"), ALL)
def test_a_network_quantizes_in_training_and_becomes_int8_throughout(task, architecture):
    """It still answers as the float network does, for its ranges were measured; a float tensor that were left would be
    refused."""
    config = config_of(task, architecture, **({"head": "average"} if task == "slice" else {}))
    if architecture == "mobilenet_v2":
        config = replace(config, network=replace(config.network, width=0.35))  # the least that Keras builds
    keras.utils.set_random_seed(1)
    model = build_network(config)
    images = np.random.default_rng(0).uniform(-1, 1, (8, *SIZE, 3)).astype(np.float32)
    expected = model(images, training=False).numpy()
    assert expected.shape == ((8, 2) if task == "slice" else (8, *SIZE, 1))
    assert expected.min() >= 0 and expected.max() <= 1
    aware = quantization_aware(model)
    start_ranges(aware, model, images)
    network = LiteRT(int8_tflite(aware))
    for answers in (aware(images, training=False).numpy(), np.stack([network.run(image)[0] for image in images])):
        difference = np.abs(answers - expected)
        assert difference.mean() < 0.02 and difference.max() < 0.15


def test_baselines_of_width_one_are_the_published_networks():
    """Parameters without the head, as keras.applications documents them; U-Net's 23 convolutions."""
    assert baseline(keras, "vgg16", SIZE).count_params() == 14_714_688
    assert baseline(keras, "mobilenet_v1", SIZE).count_params() == 3_228_864
    layers = unet(keras, SIZE, 0.125).layers
    # The four transposed ones are of that class too.
    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in layers) == 23


def test_both_heads_fit_every_classifier():
    for head, outputs in (("average", ["probability"]), ("cells", ["probability", "cell_probability"])):
        assert build_network(config_of("slice", "vgg16", head=head)).output_names == outputs


def test_layers_with_imagenet_weights_can_be_held(tmp_path):
    image = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(name="bn_Conv1")(keras.layers.Conv2D(4, 3, use_bias=False, name="Conv1")(image))
    model = keras.Model(image, keras.layers.Conv2D(1, 1, name="logits")(x))
    np.savez(
        tmp_path / "weights.npz",
        **{"Conv1": np.ones((3, 3, 3, 4), np.float32), "bn_Conv1/bias": np.zeros(4, np.float32)},
    )
    assert load_imagenet(model, tmp_path / "weights.npz") == 2
    freeze_imagenet(model, tmp_path / "weights.npz")
    assert [variable.name for variable in model.trainable_variables] == ["logits/kernel:0", "logits/bias:0"]


def test_an_input_that_cannot_be_halved_four_times_is_refused():
    with pytest.raises(ValueError, match="multiple of 16"):
        unet(keras, (40, 32))


def test_mixed_precision_trains_in_half_and_keeps_weights_and_outputs_in_full(tmp_path):
    config = config_of("liver", "unet")
    config = replace(config, optimizer=replace(config.optimizer, precision="mixed_bfloat16", epochs=1))
    model = starting_network(config, tiny_slices(), None, None)
    convolution = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    assert (convolution.compute_dtype, convolution.dtype, model.output.dtype.name) == ("bfloat16", "float32", "float32")
    assert keras.mixed_precision.global_policy().name == "float32", "only this network is in half precision"
    fit(model, config, tiny_slices(), tmp_path, report=lambda *_: None)
    plain = build_network(config)
    plain.load_weights(tmp_path / "last.weights.h5")
    images = np.random.default_rng(0).uniform(-1, 1, (2, *SIZE, 3)).astype(np.float32)
    assert np.abs(plain(images).numpy() - model(images).numpy()).max() < 0.05


def test_the_usual_head_learns_from_classes_alone(tmp_path):
    """With the paper's kind of schedule, class weights and a focal loss; the best epoch is that of the best
    accuracy."""
    config = config_of("slice", "vgg16", head="average")
    config = replace(config, loss=replace(config.loss, kind="focal", class_weights=(1.0, 2.0)))
    config = replace(config, optimizer=replace(config.optimizer, epochs=1, learning_rate=1e-3))
    fit(build_network(config), config, tiny_slices(), tmp_path, report=lambda *_: None)
    (row,) = read_state(tmp_path).rows
    assert row.keys() == {"epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate"}
    assert read_state(tmp_path).best == row["val_accuracy"] > 0 and (tmp_path / "best.weights.h5").exists()


def test_folded_batch_norm_reestimated_computes_the_same():
    model = mobilenet_v2_classifier(keras, (64, 64), width=0.35)
    batch = np.random.default_rng(0).uniform(-1, 1, (6, 64, 64, 3)).astype(np.float32)
    before = model.predict(batch, verbose=0)
    reestimate_batch_norm(keras, model, batch)
    for old, new in zip(before, model.predict(batch, verbose=0), strict=True):
        assert new == pytest.approx(old, abs=1e-4)
    trained = model(batch, training=True)  # dropout aside, batch statistics are now what the layers hold
    assert all(np.isfinite(output.numpy()).all() for output in trained)


def test_the_slice_classifier_says_what_its_most_suspicious_cell_says():
    model = mobilenet_v2_classifier(keras, (64, 96), width=0.35)
    batch = np.random.default_rng(0).uniform(-1, 1, (3, 64, 96, 3)).astype(np.float32)
    probability, cells = model.predict(batch, verbose=0)
    assert cells.shape == (3, 2, 3, 1)
    assert probability[:, 1] == pytest.approx(cells.max(axis=(1, 2, 3)), abs=1e-5)


def test_a_short_mobilenet_is_the_beginning_of_the_whole_one():
    whole = mobilenet_v2_classifier(keras, (64, 96), width=0.35, stride=16)
    short = mobilenet_v2_classifier(keras, (64, 96), width=0.35, stride=16, blocks=12)
    assert short.output_shape == whole.output_shape == [(None, 2), (None, 4, 6, 1)]
    assert short.count_params() < whole.count_params() / 3
    names = [layer.name for layer in short.layers]
    assert names[names.index("dropout") - 1] == "block_11_add"
    assert names[1 : names.index("dropout")] == [layer.name for layer in whole.layers][1 : names.index("dropout")]


def test_cells_are_taught_where_the_tumor_is():
    tumor = np.zeros((64, 96))
    tumor[:8, :8] = 1  # enough for its cell
    tumor[40, 40] = 1  # too little to call its cell one with tumor, too much to call it one without
    truth, weight = np.moveaxis(_cells(tumor, 32), -1, 0)
    assert truth.tolist() == [[1, 0, 0], [0, 0, 0]]
    assert weight.tolist() == [[1, 1, 1], [1, 0, 1]]


@pytest.mark.skipif(not IMAGENET.is_file(), reason="needs LIVERTUMOR_TEST_DATA with the ImageNet weights")
def test_imagenet_weights_fill_classifier_and_encoder():
    assert load_imagenet(mobilenet_v2_classifier(keras, (96, 96)), IMAGENET) == 104
    assert load_imagenet(mobile_unet(keras, (96, 96)), IMAGENET) == 72
    with pytest.raises(ValueError, match="width 1.0"):
        load_imagenet(mobilenet_v2_classifier(keras, (96, 96), width=0.5), IMAGENET)
