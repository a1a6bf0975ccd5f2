"""Training from weights that exist: an earlier run's, an exported model's, those of a model that ships."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.data.identity import sha256_of
from CompressionTrainerLib.data.slices import subset_slices
from CompressionTrainerLib.data.splits import load_split
from CompressionTrainerLib.data.training_data import TrainingData
from CompressionTrainerLib.export.variants import write_variants
from CompressionTrainerLib.networks.build import build_network
from CompressionTrainerLib.training.config import config_from_dict, load_config
from CompressionTrainerLib.training.finished import open_run
from CompressionTrainerLib.training.record import read_run, write_record
from CompressionTrainerLib.training.run import calibration_slices, starting_network, train
from CompressionTrainerLib.training.settings import TrainSettings
from CompressionTrainerLib.training.start import check_start, check_unseen_start, load_start, start_file
from CompressionTrainerLib.workflow.checks import check_files
from CompressionTrainerLib.workflow.config import load_workflow
from LiverTumorLib.errors import InputError, UsageError
from LiverTumorLib.models.catalogue import get_bundle
from LiverTumorLib.models.session import open_session
from tiny_training import TINY, untrained_run, write_data

CONFIGS = Path(__file__).parents[2] / "CompressionTrainer/CompressionTrainerLib/training/configs"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return TrainingData(folder, folder / "split.json", folder / "cache")


def answer(model, images: np.ndarray) -> np.ndarray:
    """A network's main output, of a classifier the probability of tumor."""
    output = model.predict(images, verbose=0)
    return output[0][:, 1] if isinstance(output, list) else output


def unlike_new(model):
    """The network with batch norms as if it had learned, whose answers differ from a new one's."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if hasattr(layer, "epsilon"):
            size = layer.get_weights()[0].shape
            layer.set_weights(
                [rng.uniform(1, 2, size), rng.normal(0, 0.3, size), rng.normal(0, 0.1, size), rng.uniform(0.2, 1, size)]
            )
    return model


@pytest.mark.parametrize("name", ["liver-roi", "liver-tumor", "tumor-slice"])
def test_training_starts_as_the_shipped_model_that_it_starts_from(name, data):
    config = load_config(CONFIGS / f"{name}.toml")
    slices = {"train": subset_slices(load_split(data.split, data.folder), "train", config.input, data.cache)}
    model = starting_network(config, slices, None, start_file(name))
    images = calibration_slices(config, slices["train"])
    ours = answer(model, images)
    exported = open_session(get_bundle(name)).predict(np.rint((images + 1) * 127.5).astype(np.uint8))
    exported = exported[:, 1] if config.task == "slice" else exported
    assert exported.std() > 0.05 and np.abs(ours - exported).mean() < 0.3 * np.abs(exported - exported.mean()).mean()
    assert np.mean((ours > 0.5) == (exported > 0.5)) > 0.95
    norms = [layer for layer in model.layers if hasattr(layer, "epsilon")]
    assert all(np.ptp(layer.get_weights()[3]) > 0 for layer in norms), (
        "the batch norms have the statistics of these slices"
    )


@pytest.mark.parametrize(
    ("task", "network"), [("slice", "width = 0.35"), ("tumor", 'architecture = "unet"\nwidth = 0.125')]
)
def test_a_network_comes_back_from_what_was_made_of_it(task, network, data, tmp_path):
    text = TINY.format(task=task, region="body").replace("width = 0.35", network)
    run = untrained_run(tmp_path / "run", data, text)
    source = open_run(run, data, "best")
    unlike_new(source.model).save_weights(run / "best.weights.h5")
    write_variants(run, data, tmp_path / "variants")
    images, other = calibration_slices(source.config, source.slices["val"]), build_network(source.config)
    before, expected = answer(other, images), answer(source.model, images)
    for variant, share in (("float32", 1e-4), ("float16", 0.01), ("dynamic", 0.3), ("int8", 0.3)):
        load_start(other, tmp_path / f"variants/{variant}.tflite")
        far, near = (np.abs(found - expected).mean() for found in (before, answer(other, images)))
        assert near < share * far, variant


def test_layers_of_a_run_are_found_by_their_names(data, tmp_path):
    """A file of weights itself knows layers by kind and order only, which in another network are others."""
    text = TINY.format(task="tumor", region="body").replace("width = 0.35", 'architecture = "unet"\nwidth = 0.125')
    run = untrained_run(tmp_path / "run", data, text)
    source = unlike_new(open_run(run, data, "best").model)
    source.save_weights(run / "best.weights.h5")

    def network(text: str):
        (tmp_path / "other.toml").write_text(text)
        return build_network(load_config(tmp_path / "other.toml"))

    other = network(text.replace('"unet"', '"resunet"'))
    load_start(other, run / "best.weights.h5")
    own = {layer.name: layer.get_weights() for layer in source.layers}
    pairs = [(own[layer.name], layer.get_weights()) for layer in other.layers if layer.weights and layer.name in own]
    alike = [(ours, theirs) for ours, theirs in pairs if [a.shape for a in ours] == [a.shape for a in theirs]]
    assert len(alike) > 20 and all(
        np.array_equal(a, b) for ours, theirs in alike for a, b in zip(ours, theirs, strict=True)
    )

    slices = TINY.format(task="slice", region="body")
    with pytest.raises(UsageError, match="No layer of"):
        load_start(
            network(slices.replace("width = 0.35", 'architecture = "vgg16"\nwidth = 0.125')), run / "best.weights.h5"
        )
    (run / "best.weights.h5").rename(tmp_path / "alone.weights.h5")
    with pytest.raises(InputError, match=r"has no run\.json beside it"):
        load_start(other, tmp_path / "alone.weights.h5")


def test_a_training_from_a_model_says_so_and_begins_where_that_ended(data, tmp_path):
    text = TINY.format(task="slice", region="body")
    run = untrained_run(tmp_path / "run", data, text)
    unlike_new(open_run(run, data, "best").model).save_weights(run / "best.weights.h5")
    write_variants(run, data, tmp_path / "model")
    (tmp_path / "model/float32.tflite").rename(tmp_path / "model/model.tflite")
    config = config_from_dict(
        {**open_run(run, data, "best").config.to_dict(), "optimizer": {"epochs": 1, "learning_rate": 1e-12, "batch": 8}}
    )
    start = start_file(str(tmp_path / "model"))
    train(config, data, tmp_path / "next", TrainSettings(start=start))
    assert json.loads((tmp_path / "next/run.json").read_text())["start"] == str(tmp_path / "model/model.tflite")
    first, second = open_run(run, data, "best"), open_run(tmp_path / "next", data, "last")
    images = calibration_slices(config, first.slices["val"])
    expected, new = answer(first.model, images), answer(build_network(config), images)
    # The batch norms' statistics move with each step, whatever the learning rate.
    assert np.abs(answer(second.model, images) - expected).mean() < 0.3 * np.abs(new - expected).mean()


def test_weights_to_start_from_that_are_missing_or_none_are_refused(tmp_path):
    check_start(None)
    check_start(start_file("liver-roi"))
    with pytest.raises(InputError, match="last.weights.h5, whose weights training should start from, is missing"):
        check_start(start_file(str(tmp_path / "last.weights.h5")))
    with pytest.raises(InputError, match="liver-ro, whose .*.'livertumor models' lists"):
        check_start(start_file("liver-ro"))
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="run.json holds no weights"):
        check_start(tmp_path / "run.json")


def test_a_model_of_another_network_is_refused(tmp_path):
    (tmp_path / "unet.toml").write_text(
        TINY.format(task="liver", region="body").replace("[network]", '[network]\narchitecture = "unet"')
    )
    config = load_config(tmp_path / "unet.toml")
    with pytest.raises(UsageError, match="No layer of .*model.tflite matches one of this network"):
        load_start(build_network(config), start_file("liver-roi"))


def test_a_workflow_from_a_model_that_knows_the_val_patients_is_refused_before_it_begins(tmp_path):
    split = load_split(CONFIGS.parents[1] / "data/splits/lits17-subset.json", tmp_path)
    workflow = load_workflow("best", "liver-roi", {"start": start_file("liver-roi")})
    with pytest.raises(
        UsageError, match="trained on the cases .* of 'val', so figures on them would say nothing about new patients"
    ):
        check_files(workflow, split)
    check_files(workflow, None)
    with pytest.raises(UsageError, match="trained on the cases 11, 22, 34, 37 of 'val'"):
        check_files(workflow, replace(split, name="the same patients by another name"))
    check_files(workflow, replace(split, name="patients of another hospital", sha256={}))


def test_weights_that_know_the_val_patients_are_refused(data, tmp_path):
    text = TINY.format(task="slice", region="body")
    refitted = untrained_run(tmp_path / "refitted", data, text.replace("[input]", "refit = true\n[input]"))
    (tmp_path / "tiny.toml").write_text(text)
    config, start = load_config(tmp_path / "tiny.toml"), refitted / "last.weights.h5"
    with pytest.raises(UsageError, match="trained on the cases 2 of 'val'"):
        train(config, data, tmp_path / "run", TrainSettings(start=start))
    assert not (tmp_path / "run").exists()
    write_variants(refitted, data, tmp_path / "model")
    training = {"training": json.loads((refitted / "run.json").read_text())}
    (tmp_path / "model/manifest.json").write_text(json.dumps(training))
    with pytest.raises(UsageError, match="trained on the cases 2 of 'val'"):
        train(config, data, tmp_path / "run", TrainSettings(start=tmp_path / "model/int8.tflite"))


def test_patients_are_known_by_their_ct_in_any_split_and_after_any_start(data, tmp_path):
    folder = data.folder
    content = json.loads(data.split.read_text())
    names = {case: content["files"]["ct"].format(case=case) for case in range(3)}
    content |= {"name": "turned", "patients": {"train": [[2]], "val": [[1]], "test": [[0]]}}
    content["sha256"] = {name: sha256_of(folder / name) for name in names.values()}
    (tmp_path / "turned.json").write_text(json.dumps(content))
    content |= {"name": "as it was", "patients": {"train": [[0]], "val": [[2]], "test": [[1]]}}
    (tmp_path / "split.json").write_text(json.dumps(content))
    text = TINY.format(task="slice", region="body")
    run = untrained_run(tmp_path / "run", replace(data, split=tmp_path / "split.json"), text)
    with pytest.raises(UsageError, match="trained on the cases 0 of 'test'"):
        open_run(run, replace(data, split=tmp_path / "turned.json"))
    write_record(tmp_path, read_run(run), load_split(tmp_path / "turned.json", folder), None, run / "last.weights.h5")
    known = json.loads((tmp_path / "run.json").read_text())["train_ct_sha256"]
    assert known == sorted(content["sha256"][names[case]] for case in (0, 2))


def test_patients_are_known_by_what_their_ct_show(data, tmp_path):
    """In a split that says nothing of the files, of CT that were unpacked, clipped and thinned out."""
    import nibabel
    from CompressionTrainerLib.data.signature import sign_file

    folder, split_file = data.folder, data.split
    run = untrained_run(tmp_path / "run", data, TINY.format(task="slice", region="body"))
    record = json.loads((run / "run.json").read_text())
    names = json.loads(split_file.read_text())["files"]
    signatures = {str(case): sign_file(folder / names["ct"].format(case=case)).to_dict() for case in (0, 1)}
    assert record["train_signatures"] == signatures
    for case in range(3):
        for kind, copy in (("ct", f"image-{case}.nii"), ("mask", f"labels-{case}.nii")):
            image = nibabel.load(folder / names[kind].format(case=case))
            array = np.asarray(image.dataobj)[..., ::2].clip(-40, 160)
            nibabel.save(nibabel.Nifti1Image(array, image.affine @ np.diag([1, 1, 2, 1])), tmp_path / copy)
    content = {
        "patients": {"train": [[2]], "val": [[1], [0]]},
        "files": {"ct": "image-{case}.nii", "mask": "labels-{case}.nii"},
    }
    (tmp_path / "elsewhere.json").write_text(json.dumps(content))
    split = load_split(tmp_path / "elsewhere.json", tmp_path)
    with pytest.raises(UsageError, match="run/last.weights.h5 was trained on the cases 0, 1 of 'val'"):
        check_unseen_start(run / "last.weights.h5", split)
    check_unseen_start(run / "last.weights.h5", replace(split, cases=split.cases | {"val": []}))
    write_record(tmp_path, read_run(run), split, None, run / "last.weights.h5")
    known = json.loads((tmp_path / "run.json").read_text())["train_signatures"]
    assert list(known) == ["2", "0", "1"] and known == known | signatures
