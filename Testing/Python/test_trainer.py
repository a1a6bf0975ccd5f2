"""The trainer on tiny data with the real TensorFlow: train, export to int8, quantize in training, run what was
exported.

With the U-Net at an eighth of its width, which has few layers, and MobileNetV2; test_workflow_real.py trains the Mobile
U-Net.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.data.slices import BORDER, CaseSlices
from CompressionTrainerLib.data.training_data import TrainingData
from CompressionTrainerLib.export.bundle import export_run
from CompressionTrainerLib.export.settings import ExportSettings
from CompressionTrainerLib.export.tflite import float_tflite
from CompressionTrainerLib.export.thresholds import case_score, nearest_to_half
from CompressionTrainerLib.networks.tflite_file import float_tensors, keras_weights
from CompressionTrainerLib.stages.quantize import QuantizeSettings, quantize_run
from CompressionTrainerLib.training.config import load_config
from CompressionTrainerLib.training.finished import open_run
from CompressionTrainerLib.training.run import train
from CompressionTrainerLib.training.settings import TrainSettings
from CompressionTrainerLib.training.state import read_state
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.errors import InputError, UsageError
from LiverTumorLib.models.bundle import load_bundle
from LiverTumorLib.models.session import open_session
from tiny_training import TINY, write_data

IMAGES = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return TrainingData(folder, folder / "split.json", folder / "cache")


def trained(folder: Path, data, task: str, region: str, network: str = "width = 0.35", refit: bool = False) -> Path:
    """A run of the tiny configuration, trained here."""
    folder.mkdir(exist_ok=True)
    text = TINY.format(task=task, region=region).replace("width = 0.35", network)
    (folder / "tiny.toml").write_text(text.replace("[input]", "refit = true\n[input]") if refit else text)
    train(load_config(folder / "tiny.toml"), data, folder / "run", TrainSettings())
    return folder / "run"


@pytest.fixture(scope="module")
def segmenter(data, tmp_path_factory) -> Path:
    """A U-Net's run that looks for tumor in the liver region."""
    return trained(tmp_path_factory.mktemp("segmenter"), data, "tumor", "liver", 'architecture = "unet"\nwidth = 0.125')


def check_export(run: Path, data, out: Path, weights: str = "best", beside: str = "float, the same weights"):
    """Export a run; the bundle is int8 throughout, and its float twin answers nearly alike."""
    bundle = export_run(run, data, out, ExportSettings(weights, "0.0.1"))
    twin = load_bundle(run / "float" / out.name)
    assert float_tensors(bundle.model.read_bytes()) == [] and float_tensors(twin.model.read_bytes()) != []
    assert "0, 1" in bundle.card and "Research use" in bundle.card and "LiTS" not in bundle.card
    beside_float = bundle.manifest.metrics["int8_against_float"]
    assert beside_float["mean_difference"] < 0.03 and beside_float["slices"] > 10
    assert f"int8 against {beside}, on" in bundle.card
    output = open_session(bundle).predict(IMAGES)
    assert output.min() >= 0 and output.max() <= 1
    assert np.abs(output - open_session(twin).predict(IMAGES)).mean() < 0.03
    return bundle, output


def test_a_segmenter_is_trained_and_exported_with_its_float_twin(segmenter, data, tmp_path):
    log = (segmenter / "log.csv").read_text().splitlines()
    assert len(log) == 3 and "val_dice" in log[0]
    record = json.loads((segmenter / "run.json").read_text())
    assert record["cases"] == {"train": ["0", "1"], "val": ["2"]}
    bundle, output = check_export(segmenter, data, tmp_path / "tiny-tumor")
    metrics = bundle.manifest.metrics
    chosen = metrics["validation"]["score"]
    assert metrics["int8_against_float"]["truth_dice"] == pytest.approx(chosen), (
        "tumor's threshold is chosen by the mean over cases too"
    )
    assert abs(metrics["int8_against_float"]["float_truth_dice"] - chosen) < 0.2
    assert "Dice with the truth" in bundle.card
    assert bundle.manifest.files["model.tflite"]["quantization"] == "int8, post-training"
    assert output.shape == (4, 64, 64, 1)
    assert bundle.manifest.title == "Liver tumor (U-Net)" and "- U-Net, width 0.125, int8" in bundle.card


def test_a_classifier_is_trained_and_exported_with_its_float_twin(data, tmp_path):
    run = trained(tmp_path, data, "slice", "body")
    bundle, output = check_export(run, data, tmp_path / "tiny-slice")
    assert output.shape == (4, 2) and bundle.manifest.calibration is not None


def test_quantization_aware_training_is_exported_with_its_float_twin(segmenter, data, tmp_path):
    """The float twin has the weights that were learned with rounding in place."""
    run = shutil.copytree(segmenter, tmp_path / "run")
    (run / "quantized").mkdir()
    (run / "quantized/config.json").write_text("{}")
    with pytest.raises(InputError, match="The quantization of .* is not finished"):
        export_run(run, data, tmp_path / "tiny", ExportSettings("last"))
    shutil.rmtree(run / "quantized")
    quantize_run(run, data, QuantizeSettings("last", epochs=1))
    bundle, _ = check_export(run, data, tmp_path / "tiny", "last")
    assert bundle.manifest.files["model.tflite"]["quantization"] == "int8, quantization-aware training"
    with pytest.raises(InputError, match="exists already"):
        quantize_run(run, data, QuantizeSettings("last", epochs=1))


def test_a_network_that_learns_its_float_twins_answers_is_compared_with_that_one(segmenter, data, tmp_path):
    run = shutil.copytree(segmenter, tmp_path / "run")
    quantize_run(run, data, QuantizeSettings("last", epochs=1, distill=True))
    check_export(run, data, tmp_path / "tiny", "last", "the float network that taught it")
    twin = keras_weights((run / "float/tiny/model.tflite").read_bytes())
    before = keras_weights(float_tflite(open_run(segmenter, data, "last").model))
    assert before.keys() == twin.keys() and all(np.array_equal(before[name][0], twin[name][0]) for name in before)


def test_a_refit_trains_on_all_and_takes_the_operating_point_of_the_model_that_was_chosen(segmenter, data, tmp_path):
    chosen = export_run(segmenter, data, tmp_path / "chosen", ExportSettings())
    network = 'architecture = "unet"\nwidth = 0.125'
    run = trained(tmp_path, data, "tumor", "liver", network, refit=True)
    assert json.loads((run / "run.json").read_text())["cases"] == {"train": ["0", "1", "2"], "val": []}
    assert "val_" not in (run / "log.csv").read_text()
    assert (run / "best.weights.h5").read_bytes() and read_state(run).best_epoch == 2, (
        "the last epoch is the best that is known"
    )
    with pytest.raises(UsageError, match="give --operating-point"):
        export_run(run, data, tmp_path / "refit", ExportSettings())
    bundle = export_run(run, data, tmp_path / "refit", ExportSettings(version="0.2.0", operating_point=chosen.folder))
    assert bundle.manifest.threshold == chosen.manifest.threshold
    assert bundle.manifest.training["operating_point"] == {"id": "chosen", "version": "0.1.0", "chosen_on": ["2"]}
    assert bundle.manifest.metrics.keys() == {"int8_against_float"}, "nothing is measured on patients it was trained on"
    assert not {"truth_dice", "float_truth_dice"} & bundle.manifest.metrics["int8_against_float"].keys()
    for said in (
        "Trained on cases 0, 1, 2",
        "those of chosen 0.1.0, chosen on cases 2",
        "slices of the training patients",
    ):
        assert said in bundle.card
    with pytest.raises(UsageError, match="leave out --operating-point"):
        export_run(segmenter, data, tmp_path / "again", ExportSettings(operating_point=chosen.folder))
    with pytest.raises(UsageError, match="was not chosen on val patients itself"):
        export_run(run, data, tmp_path / "again", ExportSettings(operating_point=bundle.folder))


def test_a_run_is_not_overwritten(data, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text("{}")
    with pytest.raises(InputError, match="holds a run already"):
        trained(tmp_path, data, "liver", "body")


def test_a_folder_without_a_run_cannot_be_quantized(data, tmp_path):
    with pytest.raises(InputError, match="is not the folder of a training run"):
        quantize_run(tmp_path, data, QuantizeSettings(epochs=1))


def test_scores_of_a_case_are_dice_in_the_liver_and_without_tumor_how_little_is_invented():
    spec = InputSpec(size=(64, 64), spacing_mm=2.0, region="liver", window_hu=(-40, 160), neighbor_mm=4.0)
    liver, tumor, output = (np.zeros((9, 64 + 2 * BORDER, 64 + 2 * BORDER), np.float32) for _ in range(3))
    liver[:, BORDER + 8 : -BORDER - 8, BORDER + 8 : -BORDER - 8] = 255
    found = np.s_[:, BORDER + 20 : BORDER + 40, BORDER + 20 : BORDER + 40]
    output[found], output[:, :BORDER] = 0.9, 1
    output[:, BORDER + 2 : BORDER + 6, BORDER:-BORDER] = 1  # beside the liver, where no tumor is looked for
    case = CaseSlices(0, 0, output, liver, tumor, np.ones(9, bool), np.zeros(9, bool), slice_mm=2.0)
    inner = output[:, BORDER:-BORDER, BORDER:-BORDER]
    assert case_score(inner, case, spec, "tumor", 0.45) == 0, "29 ml are too much"
    assert case_score(inner, case, spec, "tumor", 0.95) == 1, "nothing is right"
    one_slice = np.where(np.arange(9)[:, None, None] == 4, inner, 0)
    assert case_score(one_slice, case, spec, "tumor", 0.3) == pytest.approx(1 - 3.2 / 5, abs=0.15)
    tumor[found] = 255
    assert case_score(inner, case, spec, "tumor", 0.45) == pytest.approx(1, abs=0.02)
    assert case_score(inner, case, spec, "tumor", 0.95) == 0


def test_a_plateau_gives_the_threshold_in_its_middle_and_a_peak_its_own():
    assert nearest_to_half({0.1: 0.5, 0.3: 0.795, 0.6: 0.8, 0.9: 0.801}) == 0.6
    assert nearest_to_half({0.1: 0.5, 0.5: 0.7, 0.8: 0.75}) == 0.8
