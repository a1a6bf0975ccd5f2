"""The ONNX route with the real converter and the real runtimes: ONNX Runtime answers as LiteRT does."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the converter needs TensorFlow")
pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")

from CompressionTrainerLib.export import onnx
from CompressionTrainerLib.export.tflite import float_tflite, int8_tflite
from little_networks import little_classifier, little_segmenter
from LiverTumorLib.cli import main
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.errors import ModelError, RequirementError
from LiverTumorLib.models.bundle import MODEL, ONNX, load_bundle, write_bundle
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.models.manifest import Manifest
from LiverTumorLib.models.session import open_session
from LiverTumorLib.phantom import make_phantom
from LiverTumorLib.pipelines.classification import classify_case
from LiverTumorLib.pipelines.segmentation import segment_case
from onnx import TensorProto, load_from_string

NAMES = ("liver-roi", "liver-tumor", "tumor-slice")
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Copies of the shipped bundles, each with a twin that the command has made."""
    folder = tmp_path_factory.mktemp("models")
    for name in NAMES:
        shutil.copytree(SHIPPED / name, folder / name)
    assert main(["export-onnx", *(str(folder / name) for name in NAMES)]) == 0
    return folder


@pytest.fixture
def in_both_runtimes(twins, monkeypatch):
    """What a function answers with LiteRT and with ONNX Runtime, where the user's models are those with twins."""
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(twins))

    def call(function):
        answers = []
        for runtime in ("litert", "onnx"):
            monkeypatch.setenv("LIVERTUMOR_RUNTIME", runtime)
            answers.append(function())
        return answers

    return call


def _bundle(folder, task, content):
    manifest = Manifest(
        "mine", "1.0", "Mine", task, InputSpec((64, 64), 4.0), 0.5, {MODEL: {"quantization": "int8"}}, "mine alone"
    )
    return write_bundle(folder, manifest, {MODEL: content, "card.md": b"# Mine"})


@pytest.mark.parametrize("name", NAMES)
def test_a_twin_is_in_the_manifest_as_small_and_as_near_as_it_says(twins, name):
    bundle = load_bundle(twins / name)
    bundle.verify()
    entry, original = bundle.manifest.files[ONNX], bundle.manifest.files[MODEL]
    assert entry["bytes"] == (twins / name / ONNX).stat().st_size < 1.05 * original["bytes"]
    assert entry["quantization"] == original["quantization"]
    assert entry["mean_difference"] < onnx.TOLERANCE and entry["mean_difference"] <= entry["worst_difference"]
    assert bundle.manifest.threshold == load_bundle(SHIPPED / name).manifest.threshold
    assert bundle.card == load_bundle(SHIPPED / name).card


def test_segmentation_and_scores_are_those_of_litert(in_both_runtimes):
    volume, truth = make_phantom(seed=2, shape=(40, 128, 128))
    litert, other = in_both_runtimes(lambda: segment_case(volume))
    assert [model["runtime"] for run in (litert, other) for model in run.result.models] == ["LiteRT"] * 3 + [
        "ONNX Runtime"
    ] * 3
    liver = litert.labels > 0
    assert np.count_nonzero(liver & (truth > 0)) > 0.5 * np.count_nonzero(truth), "without a liver nothing is compared"
    assert np.count_nonzero((other.labels > 0) != liver) < 0.01 * np.count_nonzero(liver)
    assert np.count_nonzero(other.labels != litert.labels) < 0.02 * np.count_nonzero(liver)
    scores = [np.array([record.probability for record in run.result.slices]) for run in (litert, other)]
    assert np.abs(scores[0] - scores[1]).max() < 0.1


def test_classification_is_that_of_litert(in_both_runtimes):
    volume, _ = make_phantom(seed=3, shape=(12, 96, 96))
    scores = [
        [record.probability for record in run.result.slices] for run in in_both_runtimes(lambda: classify_case(volume))
    ]
    assert scores[0] != scores[1], "two runtimes, not one twice"
    assert scores[0] == pytest.approx(scores[1], abs=0.1)


def test_without_litert_the_twin_runs_on_any_number_of_threads(twins):
    script = (
        "import sys, json, numpy; sys.modules['ai_edge_litert'] = None\n"
        "from LiverTumorLib.models.bundle import load_bundle\nfrom LiverTumorLib.models.session import open_session\n"
        "bundle = load_bundle(sys.argv[1])\nimages = numpy.full((3, *bundle.manifest.input.size, 3), 90, numpy.uint8)\n"
        "images += numpy.arange(3, dtype=numpy.uint8)[:, None, None, None] * 30\n"
        "runs = [open_session(bundle, threads) for threads in (1, 2)]\n"
        "print(json.dumps([runs[0].runtime, *(float(run.predict(images).sum()) for run in runs)]))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "LIVERTUMOR_RUNTIME"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2] / "LiverTumorClassifier")
    command = [sys.executable, "-c", script, str(twins / "liver-roi")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    runtime, one, two = json.loads(done.stdout)
    assert runtime == "ONNX Runtime" and one == two > 0


def test_the_map_of_cells_comes_second_in_both_runtimes(tmp_path, monkeypatch):
    model = little_classifier()
    samples = np.random.default_rng(1).uniform(-1, 1, (8, 64, 64, 3)).astype(np.float32)
    bundle = _bundle(tmp_path / "mine", "slice", int8_tflite(model, samples))
    onnx.add_twin(bundle.folder)
    bundle = load_bundle(bundle.folder)
    expected = model.predict(IMAGES / np.float32(127.5) - 1, verbose=0)
    for runtime in ("litert", "onnx"):
        monkeypatch.setenv("LIVERTUMOR_RUNTIME", runtime)
        session = open_session(bundle, threads=2)
        outputs = session.predict_all(IMAGES)
        assert [output.shape for output in outputs] == [(3, 2), (3, 2, 2, 1)]
        for output, exact in zip(outputs, expected, strict=True):
            assert output == pytest.approx(exact, abs=0.05)
        assert np.array_equal(session.predict(IMAGES), outputs[0])


@pytest.fixture(scope="module")
def float_network(tmp_path_factory):
    """A float TFLite file and its twin."""
    path = tmp_path_factory.mktemp("float") / MODEL
    path.write_bytes(float_tflite(little_segmenter()))
    return path.read_bytes(), onnx.onnx_twin(path)


def test_a_float_network_keeps_its_numbers(float_network):
    images = [image / np.float32(127.5) - 1 for image in IMAGES]
    assert onnx.compare(*float_network, images)["worst_difference"] < 1e-4


@pytest.mark.parametrize("content", [b"this is not a flatbuffer", b""])
def test_a_file_that_is_no_network_is_refused_and_nothing_written(tmp_path, content):
    bundle = _bundle(tmp_path / "mine", "liver", content)
    with pytest.raises(ModelError, match=r"model\.tflite does not convert to ONNX"):
        onnx.add_twin(bundle.folder)
    assert sorted(path.name for path in bundle.folder.iterdir()) == ["card.md", "manifest.json", MODEL]


def test_a_damaged_bundle_gets_no_twin(tmp_path):
    bundle = _bundle(tmp_path / "mine", "liver", b"weights")
    bundle.model.write_bytes(b"Weights")
    with pytest.raises(ModelError, match="is damaged"):
        onnx.add_twin(bundle.folder)


def test_a_twin_that_answers_otherwise_is_not_written(float_network, tmp_path, monkeypatch):
    original, twin = float_network
    wrong = load_from_string(twin)
    (bias,) = (
        tensor
        for tensor in wrong.graph.initializer
        if list(tensor.dims) == [1] and tensor.data_type == TensorProto.FLOAT
    )
    bias.raw_data = np.float32(2).tobytes()
    monkeypatch.setattr(onnx, "onnx_twin", lambda model: wrong.SerializeToString())
    bundle = _bundle(tmp_path / "mine", "liver", original)
    with pytest.raises(ModelError, match="does not give the results of the original"):
        onnx.add_twin(bundle.folder)
    assert ONNX not in load_bundle(bundle.folder).manifest.files and not (bundle.folder / ONNX).exists()


def test_without_the_converter_one_sentence_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    assert main(["export-onnx", str(tmp_path)]) == RequirementError.exit_code
    (sentence,) = capsys.readouterr().err.strip().splitlines()
    assert "of which tf2onnx cannot be found" in sentence and sentence.endswith("run: pip install '.[train]'")
