"""Saliency maps on small networks: Grad-CAM against the class activation map, cells against the network, gradients by
completeness."""

import argparse
import json

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.evaluation.saliency import evidence_map, grad_cam, integrated_gradients
from CompressionTrainerLib.networks.build import build_network
from CompressionTrainerLib.networks.heads import classifier
from CompressionTrainerLib.networks.keras_module import keras
from CompressionTrainerLib.stages import saliency as saliency_command
from CompressionTrainerLib.training.config import config_from_dict
from LiverTumorLib.errors import InputError, UsageError
from LiverTumorLib.phantom import make_phantom

SIZE = (64, 96)


def image(seed=1):
    return np.random.default_rng(seed).uniform(-1, 1, (*SIZE, 3)).astype(np.float32)


def network(head):
    """A network of three layers, whose answers differ from input to input as those of a fresh MobileNetV2 do not."""
    keras.utils.set_random_seed(3)
    x = start = keras.Input((*SIZE, 3))
    for channels, stride in ((8, 4), (16, 4), (24, 2)):
        x = keras.layers.Conv2D(channels, 3, strides=stride, padding="same", kernel_initializer="he_normal")(x)
        x = keras.layers.ReLU(6.0)(x)
    return classifier(keras, keras.Model(start, x), 0.2, head, "small")


@pytest.fixture(scope="module")
def average():
    return network("average")


@pytest.fixture(scope="module")
def cells():
    return network("cells")


def test_grad_cam_is_the_class_activation_map_of_this_head(average):
    heat = grad_cam(average, image())
    features = keras.Model(average.input, average.get_layer("average").input).predict(image()[None], verbose=0)[0]
    kernel, _ = average.get_layer("logits").get_weights()
    cam = np.maximum(features @ (kernel[:, 1] - kernel[:, 0]), 0) / features[..., 0].size
    assert heat.shape == (2, 3) and heat.max() > 0
    np.testing.assert_allclose(heat, cam, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(evidence_map(average, image()), heat / heat.max(), rtol=1e-5)


def test_the_map_of_cells_is_what_the_decision_is_made_of(cells):
    found = evidence_map(cells, image())
    probability = cells.predict(image()[None], verbose=0)[0][0, 1]
    assert found.shape == (2, 3) and np.ptp(found) > 0
    assert found.max() == pytest.approx(probability, abs=1e-5)  # the head starts as the sigmoid of the strongest cell


@pytest.mark.parametrize("head", ["average", "cells"])
def test_integrated_gradients_add_up_to_the_difference_of_the_probabilities(head, request):
    model = request.getfixturevalue(head)
    result = integrated_gradients(model, image())
    outputs = model.predict(np.stack([image(), np.full((*SIZE, 3), -1, np.float32)]), verbose=0)
    probability = (outputs if head == "average" else outputs[0])[:, 1]
    assert (result.probability, result.baseline_probability) == pytest.approx(tuple(probability), abs=1e-5)
    difference = result.probability - result.baseline_probability
    assert abs(difference) > 0.02  # else adding up would prove nothing
    assert result.gap < 0.05 * abs(difference)
    assert result.values.sum() == pytest.approx(difference, rel=0.05)


def test_pixels_that_do_not_differ_from_the_baseline_add_nothing(average):
    half = image()
    half[:, 48:] = -1
    values = integrated_gradients(average, half, steps=16).values
    assert np.abs(values[:, :48]).sum() > 0 and np.all(values[:, 48:] == 0)


@pytest.fixture(scope="module")
def run_and_ct(tmp_path_factory):
    """A folder as training leaves it, of an untrained network, and a phantom."""
    import nibabel

    folder = tmp_path_factory.mktemp("saliency")
    spec = {"size": list(SIZE), "spacing_mm": 4.0}
    config = {
        "name": "tiny",
        "task": "slice",
        "input": spec,
        "sampling": {"slices": 16, "tumor_share": 0.5, "background_share": 0.25},
        "network": {"width": 0.35},
    }
    run = folder / "run"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"config": config}), encoding="utf-8")
    build_network(config_from_dict(config)).save_weights(run / "best.weights.h5")
    volume, _ = make_phantom(seed=1, shape=(8, 64, 64), spacing_mm=(6.0, 6.0, 20.0))
    nibabel.save(nibabel.Nifti1Image(volume.array.transpose(2, 1, 0), volume.ijk_to_ras), folder / "ct.nii.gz")
    return run, folder / "ct.nii.gz"


def explain(*words):
    parser = argparse.ArgumentParser()
    saliency_command.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["saliency", *map(str, words)])
    arguments.func(arguments)


def test_the_command_draws_the_most_suspicious_slice_and_says_how_exact_it_is(run_and_ct, tmp_path, capsys):
    import matplotlib.image

    explain(*run_and_ct, "--out", tmp_path / "o")
    record = json.loads((tmp_path / "o" / "saliency.json").read_text(encoding="utf-8"))
    assert (
        record["map"] == "cells"
        and record["run"] == "tiny"
        and record["ct"] == "ct.nii.gz"
        and 0 <= record["slice"] < 8
    )
    assert record["attribution_gap"] < 0.05 and f"Slice {record['slice']}:" in capsys.readouterr().out
    picture = matplotlib.image.imread(tmp_path / "o" / record["picture"])
    assert picture.shape[1] > 1000 and np.ptp(picture[..., :3], axis=-1).max() > 0.3  # there is color on it


def test_the_command_refuses_what_it_cannot_explain(run_and_ct, tmp_path):
    run, ct = run_and_ct
    with pytest.raises(UsageError, match="slices 0 to 7, and no 8"):
        explain(run, ct, "--slice", 8, "--out", tmp_path / "o")
    with pytest.raises(InputError, match="is not the folder of a training run"):
        explain(tmp_path, ct, "--out", tmp_path / "o")
    other = json.loads((run / "run.json").read_text(encoding="utf-8"))
    other["config"]["task"] = "tumor"
    (tmp_path / "run.json").write_text(json.dumps(other), encoding="utf-8")
    with pytest.raises(UsageError, match="task 'tumor'"):
        explain(tmp_path, ct, "--out", tmp_path / "o")
    assert not (tmp_path / "o").exists()
