"""`livertumor benchmark` with tiny networks and few rounds: what it writes is what is in the files. Nothing is asserted
about time."""

import csv
import gzip
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the networks are made with TensorFlow")
pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")

from CompressionTrainerLib.evaluation.formats import describe, find_models
from CompressionTrainerLib.export.onnx import onnx_twin
from CompressionTrainerLib.export.tflite import float_tflite, int8_tflite
from CompressionTrainerLib.networks.build import build_network
from CompressionTrainerLib.networks.keras_module import keras
from CompressionTrainerLib.networks.tflite_file import kernels
from CompressionTrainerLib.training.config import config_from_dict
from little_networks import little_segmenter
from LiverTumorLib.cli import main
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.errors import InputError, ModelError, OutputError, RequirementError
from LiverTumorLib.models.bundle import MODEL, ONNX, write_bundle
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.models.manifest import Manifest

ZEROS = 0.25  # share that is made zero in every kernel of the tiny network but the depthwise ones


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Tiny networks with zeros among their weights: a run's folder; another as float and int8 TFLite, as ONNX, and as a
    bundle."""
    folder = tmp_path_factory.mktemp("models")
    samples = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    network = _with_zeros(little_segmenter(32))
    (folder / "float.tflite").write_bytes(float_tflite(network))
    (folder / "int8.tflite").write_bytes(int8_tflite(network, samples))
    (folder / "int8.onnx").write_bytes(onnx_twin(folder / "int8.tflite"))
    manifest = Manifest("mine", "1.0", "Mine", "liver", InputSpec((32, 32), 4.0), 0.5, {}, "mine alone")
    write_bundle(
        folder / "bundle",
        manifest,
        {MODEL: (folder / "int8.tflite").read_bytes(), ONNX: (folder / "int8.onnx").read_bytes()},
    )

    settings = {"name": "tiny", "task": "liver", "input": {"size": [32, 32], "spacing_mm": 5.0}}
    settings |= {"sampling": {"slices": 64, "tumor_share": 0.5, "background_share": 0.25}}
    config = config_from_dict(settings | {"network": {"width": 0.35, "decoder": [16, 16, 16]}})
    trained = _with_zeros(build_network(config))
    (folder / "run").mkdir()
    (folder / "run/run.json").write_text(json.dumps({"config": config.to_dict()}))
    trained.save_weights(folder / "run/best.weights.h5")
    return SimpleNamespace(folder=folder, trained=trained)


def _with_zeros(model):
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and not isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel, *rest = layer.get_weights()
            np.put(kernel, np.argsort(np.abs(kernel), axis=None)[: round(ZEROS * kernel.size)], 0)
            layer.set_weights([kernel, *rest])
    return model


def test_every_format_is_measured_and_written(files, tmp_path, capsys):
    places = [str(files.folder / name) for name in ("run", "float.tflite", "int8.tflite", "int8.onnx")]
    assert main(["benchmark", *places, "--out", str(tmp_path), "--rounds", "2", "--slices", "3", "--threads", "1"]) == 0
    report = json.loads((tmp_path / "benchmark.json").read_text())
    assert {"processor", "cores", "load_before", "system", "versions", "date", "settings"} <= set(report)
    assert report["settings"] == {"rounds": 2, "slices": 3, "threads": [1]}
    rows = report["rows"]
    assert [(row["file"].split("/")[1], row["runtime"], row["delegate"]) for row in rows] == [
        ("best.weights.h5", "Keras predict", "none"),
        ("float.tflite", "LiteRT without XNNPACK", "none"),
        ("float.tflite", "LiteRT", "XNNPACK"),
        ("int8.tflite", "LiteRT without XNNPACK", "none"),
        ("int8.tflite", "LiteRT", "XNNPACK"),
        ("int8.onnx", "ONNX Runtime", "CPU"),
    ]
    for row in rows:
        assert row["timed_slices"] == 6 and row["threads"] == 1
        assert 0 < row["median_ms"] <= row["p90_ms"] and row["fps"] == pytest.approx(1000 / row["median_ms"])
        assert 0 < row["load_s"] < row["first_result_s"]
        assert row["runtime_version"] in report["versions"].values()
        assert row["processor"] == report["processor"] and row["date"] == report["date"]
        if os.path.exists("/proc/self/status"):
            assert row["peak_mb"] > 20
    written = list(csv.DictReader((tmp_path / "benchmark.csv").open()))
    assert [(row["file"], row["runtime"], int(row["bytes"])) for row in written] == [
        (r["file"], r["runtime"], r["bytes"]) for r in rows
    ]
    printed = capsys.readouterr().out
    assert report["processor"] in printed and all(row["file"] in printed and row["runtime"] in printed for row in rows)
    with pytest.raises(SystemExit):
        main(["benchmark", *places, "--out", str(tmp_path), "--rounds", "0"])
    assert main(["benchmark", *places, "--out", str(tmp_path)]) == OutputError.exit_code
    assert "benchmark.csv exists; choose another --out, or --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "weights"),
    [("float.tflite", "float32"), ("int8.tflite", "int8"), ("int8.onnx", "int8"), ("run", "float32")],
)
def test_sizes_and_zeros_are_those_of_the_file(files, name, weights):
    (model,) = find_models([str(files.folder / name)])
    found, content = describe(model), model.path.read_bytes()
    assert found["bytes"] == len(content) and found["gzip_bytes"] == len(gzip.compress(content, 9)) < len(content)
    assert found["weights"] == weights
    # Rounding to int8 makes a few more zeros.
    assert ZEROS - 0.01 < found["sparsity"] < (ZEROS + 0.01 if weights == "float32" else ZEROS + 0.05)


def test_int8_onnx_holds_the_weights_of_the_tflite_file(files):
    tflite, onnx = (describe(find_models([str(files.folder / f"int8.{kind}")])[0]) for kind in ("tflite", "onnx"))
    assert {key: tflite[key] for key in ("kernel_weights", "sparsity")} == {
        key: onnx[key] for key in ("kernel_weights", "sparsity")
    }
    assert tflite["kernel_weights"] == sum(
        kernel.weights for kernel in kernels((files.folder / "int8.tflite").read_bytes())
    )


def test_adams_state_is_two_more_numbers_for_each_trained_weight(files):
    found = describe(find_models([str(files.folder / "run")])[0])
    trained = sum(np.prod(weight.shape) for weight in files.trained.trainable_weights)
    more = found["with_optimizer_bytes"] - found["without_optimizer_bytes"]
    assert found["without_optimizer_bytes"] == found["bytes"]  # these weights were saved without an optimizer
    # The file's own bookkeeping comes on top.
    assert 8 * trained < more < 8 * trained + 1000 * len(files.trained.trainable_weights)


def test_gzip_is_that_of_the_weights_where_a_file_holds_adams_state_too(files, tmp_path):
    trained = keras.models.clone_model(files.trained)
    trained.set_weights(files.trained.get_weights())
    trained.compile(keras.optimizers.Adam())
    trained.optimizer.build(trained.trainable_variables)
    for variable in trained.optimizer.variables:
        # As after a training.
        variable.assign(np.random.default_rng(1).normal(size=variable.shape).astype(variable.dtype.name))
    trained.save_weights(tmp_path / "best.weights.h5")
    (tmp_path / "run.json").write_text((files.folder / "run/run.json").read_text())
    found, plain = (describe(find_models([str(folder)])[0]) for folder in (tmp_path, files.folder / "run"))
    assert found["bytes"] > 2 * plain["bytes"]
    assert found["gzip_bytes"] == pytest.approx(plain["gzip_bytes"], rel=0.01)


def test_models_are_found_by_every_name(files):
    run, bundle = files.folder / "run", files.folder / "bundle"
    assert find_models([str(run)]) == find_models([str(run / "best.weights.h5"), str(run)])
    assert [(model.path.name, model.kind) for model in find_models([str(bundle)])] == [
        (MODEL, "tflite"),
        (ONNX, "onnx"),
    ]
    assert find_models(["liver-roi"])[0].path == SHIPPED / "liver-roi" / MODEL


def test_what_is_no_model_is_refused(files, tmp_path):
    with pytest.raises(InputError, match=r"no-such is not a \.tflite or \.onnx file, no training run .* and no model"):
        find_models(["no-such"])
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"has no best\.weights\.h5; is its training finished"):
        find_models([str(tmp_path)])


@pytest.mark.parametrize("name", ["broken.tflite", "broken.onnx"])
def test_a_broken_file_is_named(tmp_path, capsys, name):
    (tmp_path / name).write_bytes(b"this is not a network")
    assert (
        main(["benchmark", str(tmp_path / name), "--out", str(tmp_path / "out"), "--rounds", "1"])
        == ModelError.exit_code
    )
    sentence = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence.startswith("livertumor: ") and name in sentence
    assert not (tmp_path / "out").exists()


def test_a_missing_runtime_is_said_before_anything_is_measured(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("CompressionTrainerLib.evaluation.machine.PACKAGES", ("numpy",))
    assert main(["benchmark", str(files.folder / "int8.onnx"), "--out", str(tmp_path)]) == RequirementError.exit_code
    assert (
        capsys.readouterr().err.strip()
        == "livertumor: ONNX Runtime is not installed; run 'pip install onnxruntime', or leave those models out."
    )
