"""The trainer on tiny data with the real TensorFlow: train, export to int8, run what was exported."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.data.augmentation import Augmentation, augment
from CompressionTrainerLib.data.samples import Sampling, plan_epoch
from CompressionTrainerLib.data.slices import BORDER, CaseSlices
from CompressionTrainerLib.data.splits import load_split
from CompressionTrainerLib.data.synthetic import paint_lesions, paint_mass
from CompressionTrainerLib.export.bundle import export_run
from CompressionTrainerLib.export.tflite import float_tensors, float_tflite, int8_tflite
from CompressionTrainerLib.export.thresholds import nearest_to_half
from CompressionTrainerLib.networks.keras_module import keras
from CompressionTrainerLib.networks.mobile_unet import mobile_unet
from CompressionTrainerLib.networks.mobilenet_v2 import load_imagenet, mobilenet_v2_classifier, reestimate_batch_norm
from CompressionTrainerLib.training.batches import _cells
from CompressionTrainerLib.training.config import load_config
from CompressionTrainerLib.training.quantize import quantize_run
from CompressionTrainerLib.training.run import train
from LiverTumorLib.errors import InputError, UsageError
from LiverTumorLib.models.bundle import load_bundle
from LiverTumorLib.models.manifest import InputSpec
from LiverTumorLib.models.session import open_session
from tiny_training import TINY, write_data

CONFIGS = Path(__file__).parents[2] / "CompressionTrainer/CompressionTrainerLib/training/configs"
IMAGENET = Path(os.environ.get("LIVERTUMOR_TEST_DATA", "none")) / "imagenet/mobilenet_v2_1.0_224.npz"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


@pytest.mark.parametrize(("task", "region"), [("liver", "body"), ("tumor", "liver"), ("slice", "body")])
def test_train_and_export_each_task(data, tmp_path, task, region):
    config = tmp_path / "tiny.toml"
    config.write_text(TINY.format(task=task, region=region))
    run, cache = tmp_path / "run", tmp_path / "cache"
    train(load_config(config), data, data / "split.json", run, cache, None)
    log = (run / "log.csv").read_text().splitlines()
    assert len(log) == 3 and "val_loss" in log[0]
    record = json.loads((run / "run.json").read_text())
    assert record["cases"] == {"train": [0, 1], "val": [2]}

    bundle = export_run(run, data, data / "split.json", cache, tmp_path / f"tiny-{task}", "0.0.1")
    assert float_tensors(bundle.model.read_bytes()) == []
    assert "0, 1" in bundle.card and "Research use" in bundle.card and "LiTS" not in bundle.card
    images = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)
    output = open_session(bundle).predict(images)
    assert output.shape == ((3, 2) if task == "slice" else (3, 64, 64, 1))
    assert output.min() >= 0 and output.max() <= 1


def test_a_run_is_not_overwritten(data, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY.format(task="liver", region="body"))
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="holds a run already"):
        train(load_config(tmp_path / "tiny.toml"), data, data / "split.json", tmp_path, tmp_path / "cache", None)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_configurations_load(path):
    assert load_config(path).name == path.stem


def test_a_typo_in_a_configuration_is_named(tmp_path):
    text = TINY.format(task="liver", region="body").replace("background_share", "backgroud_share")
    (tmp_path / "typo.toml").write_text(text)
    with pytest.raises(UsageError, match="'backgroud_share' is no setting; did you mean 'background_share'"):
        load_config(tmp_path / "typo.toml")


def test_a_patient_in_two_subsets_is_refused(tmp_path):
    split = {"patients": {"train": [[1, 2]], "test": [[2]]}, "files": {"ct": "{case}", "mask": "{case}"}}
    (tmp_path / "split.json").write_text(json.dumps(split))
    with pytest.raises(InputError, match="a patient belongs to one subset"):
        load_split(tmp_path / "split.json", tmp_path)


def test_a_changed_file_is_refused(data, tmp_path):
    content = json.loads((data / "split.json").read_text())
    content["sha256"] = {"volume-0.nii.gz": "0" * 64}
    (tmp_path / "split.json").write_text(json.dumps(content))
    split = load_split(tmp_path / "split.json", data)
    with pytest.raises(InputError, match="is not the file that the split"):
        split.verify(split.cases["train"])


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


def test_cells_are_taught_where_the_tumor_is():
    tumor = np.zeros((64, 96))
    tumor[:8, :8] = 1  # enough for its cell
    tumor[40, 40] = 1  # too little to call its cell one with tumour, too much to call it one without
    truth, weight = np.moveaxis(_cells(tumor), -1, 0)
    assert truth.tolist() == [[1, 0, 0], [0, 0, 0]]
    assert weight.tolist() == [[1, 1, 1], [1, 0, 1]]


@pytest.mark.skipif(not IMAGENET.is_file(), reason="needs LIVERTUMOR_TEST_DATA with the ImageNet weights")
def test_imagenet_weights_fill_classifier_and_encoder():
    assert load_imagenet(mobilenet_v2_classifier(keras, (96, 96)), IMAGENET) == 104
    assert load_imagenet(mobile_unet(keras, (96, 96)), IMAGENET) == 72
    with pytest.raises(ValueError, match="width 1.0"):
        load_imagenet(mobilenet_v2_classifier(keras, (96, 96), width=0.5), IMAGENET)


def test_quantization_aware_training_is_exported_with_its_float_twin(data, tmp_path):
    """Train, quantize in training, export: int8 throughout, and the float twin has the same weights."""
    (tmp_path / "tiny.toml").write_text(TINY.format(task="liver", region="body"))
    run, cache = tmp_path / "run", tmp_path / "cache"
    train(load_config(tmp_path / "tiny.toml"), data, data / "split.json", run, cache, None)
    quantize_run(run, data, data / "split.json", cache, "last", epochs=1, learning_rate=1e-4)
    bundle = export_run(run, data, data / "split.json", cache, tmp_path / "tiny", "0.0.1", "last")
    assert float_tensors(bundle.model.read_bytes()) == []
    assert bundle.manifest.files["model.tflite"]["quantization"] == "int8, quantization-aware training"
    twin = load_bundle(run / "float" / "tiny")
    assert float_tensors(twin.model.read_bytes()) != []
    images = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), np.uint8)
    assert np.abs(open_session(bundle).predict(images) - open_session(twin).predict(images)).mean() < 0.03
    with pytest.raises(InputError, match="exists already"):
        quantize_run(run, data, data / "split.json", cache, "last", epochs=1, learning_rate=1e-4)


def test_a_folder_without_a_run_cannot_be_quantized(data, tmp_path):
    with pytest.raises(InputError, match="holds no finished training run"):
        quantize_run(tmp_path, data, data / "split.json", tmp_path, "best", 1, 1e-4)


def test_float_and_int8_agree():
    model = mobile_unet(keras, (32, 32), width=0.35, decoder=(16, 16, 16))
    samples = np.random.default_rng(0).uniform(-1, 1, (16, 32, 32, 3)).astype(np.float32)
    from ai_edge_litert.interpreter import Interpreter

    outputs = []
    for content in (float_tflite(model), int8_tflite(model, samples)):
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
        (scale_in, zero_in), (scale_out, zero_out) = (
            d()[0]["quantization"] for d in (interpreter.get_input_details, interpreter.get_output_details)
        )
        x = samples[:1] if not scale_in else np.rint(samples[:1] / scale_in + zero_in).clip(-128, 127).astype(np.int8)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        y = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).astype(np.float32)
        outputs.append((y - zero_out) * scale_out if scale_out else y)
    assert np.abs(outputs[0] - outputs[1]).max() < 0.05


def _case(flags_liver, flags_tumor):
    shape = (len(flags_liver), 64 + 2 * BORDER, 64 + 2 * BORDER)
    image = np.full(shape, 120, np.uint8)
    return CaseSlices(1, 1, image, image, np.zeros_like(image), np.array(flags_liver), np.array(flags_tumor), 2.0)


def test_an_epoch_holds_its_shares_and_repeats_by_seed():
    cases = [_case([False, True, True, True], [False, False, True, True]), _case([True, True], [False, False])]
    sampling = Sampling(slices=200, tumor_share=0.5, background_share=0.1)
    plan = plan_epoch(cases, sampling, seed=3, epoch=7)
    tumor = [p for p in plan if cases[p.case].has_tumor[p.k]]
    background = [p for p in plan if not cases[p.case].has_liver[p.k]]
    assert (len(plan), len(tumor), len(background)) == (200, 100, 20)
    assert plan == plan_epoch(cases, sampling, seed=3, epoch=7)
    assert plan != plan_epoch(cases, sampling, seed=3, epoch=8)


def test_augmentation_moves_image_and_masks_together():
    """A bright square labelled as liver is, after any movement, where its label is."""
    spec = InputSpec((64, 64), 2.0)
    image = np.zeros((128, 128, 3), np.float32)
    image[54:74, 50:78] = 1
    masks = np.stack([image[..., 0], np.zeros((128, 128), np.float32)], -1)
    for seed in range(20):
        only_moves = Augmentation(probability=0.0)
        moved, labels = augment(image, masks, spec, only_moves, np.random.default_rng(seed))
        assert np.array_equal(moved[..., 1] > 0.5, labels[..., 0] > 0.5)
        assert labels[..., 0].sum() > 100


def test_painted_lesions_are_dark_or_bright_where_labelled_and_inside_the_liver():
    image = np.full((96, 96, 3), 0.6, np.float32)
    masks = np.zeros((96, 96, 2), np.float32)
    masks[20:80, 20:80, 0] = 1
    painted, labels = paint_lesions(image, masks, pixel_mm=1.25, neighbour_mm=4.0, radius_mm=(2.5, 16.0), rng=np.random.default_rng(1))
    lesion = labels[..., 1] > 0.5
    assert lesion.any() and not lesion[masks[..., 0] == 0].any()
    assert np.abs(painted[..., 1][lesion] - 0.6).min() > 0.02
    untouched = labels[..., 1] == 0
    assert painted[..., 1][untouched] == pytest.approx(0.6)
    assert masks[..., 1].sum() == 0, "the inputs stay as they were"


def test_a_painted_mass_lies_in_the_body_and_leaves_the_liver_alone():
    image, masks = np.zeros((128, 128, 3), np.float32), np.zeros((128, 128, 2), np.float32)
    image[10:118, 10:118] = 0.4
    masks[30:70, 30:60, 0] = 1
    image[30:70, 30:60] = 0.7
    painted, labels = paint_mass(image, masks, pixel_mm=2.0, neighbour_mm=5.0, rng=np.random.default_rng(2))
    changed = np.abs(painted - image).max(axis=-1) > 1e-3
    assert changed.sum() > 50
    assert not changed[masks[..., 0] == 1].any() and not changed[image[..., 1] == 0].any()
    assert (labels == masks).all()
    empty = np.zeros_like(image)
    assert paint_mass(empty, masks, 2.0, 5.0, np.random.default_rng(2))[0] is empty


def test_a_plateau_gives_the_threshold_in_its_middle_and_a_peak_its_own():
    assert nearest_to_half({0.1: 0.5, 0.3: 0.795, 0.6: 0.8, 0.9: 0.801}) == 0.6
    assert nearest_to_half({0.1: 0.5, 0.5: 0.7, 0.8: 0.75}) == 0.8
