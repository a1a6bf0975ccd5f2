"""The float twin of an int8 file: the same weights, floats throughout, and nearly the same answers."""

import json

import numpy as np
import pytest
from CompressionTrainerLib.export.float_twin import float_twin
from CompressionTrainerLib.export.onnx import phantom_slices
from CompressionTrainerLib.networks.tflite_file import keras_weights
from LiverTumorLib.cli import main
from LiverTumorLib.models.bundle import MODEL, load_bundle
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.models.runtimes import LiteRT

Interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="needs LiteRT").Interpreter
NAMES = ("liver-roi", "liver-tumor", "tumor-slice")


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twins")
    assert main(["float-twin", *NAMES, "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_twin_has_the_same_weights_and_answers_as_the_int8_file_without_its_roundings(twins, name):
    shipped, twin = load_bundle(SHIPPED / name), load_bundle(twins / name)
    twin.verify()
    assert (
        twin.manifest.threshold == shipped.manifest.threshold
        and twin.manifest.calibration == shipped.manifest.calibration
    )
    int8, plain = shipped.model.read_bytes(), twin.model.read_bytes()
    ours, theirs = keras_weights(int8), keras_weights(plain)
    assert ours.keys() == theirs.keys()
    for layer, (kernel, bias) in ours.items():
        assert np.array_equal(kernel, theirs[layer][0])
        assert bias == pytest.approx(theirs[layer][1], abs=1e-6)
    answers = [LiteRT(content) for content in (int8, plain)]
    assert answers[0].output_shapes == answers[1].output_shapes
    both = [
        [np.ravel(network.run(image)[0]) for image in phantom_slices(shipped.manifest.input, 4)] for network in answers
    ]
    assert 0 < np.abs(np.subtract(*both)).mean() < 0.05


def test_nothing_in_a_twin_is_rounded(twins):
    content = (twins / "liver-roi" / MODEL).read_bytes()
    kinds = {tensor["dtype"] for tensor in Interpreter(model_content=content).get_tensor_details()}
    assert kinds == {np.float32, np.int32}, "int32 are the sizes that maps are brought to"
    with pytest.raises(ValueError, match="none of its numbers is quantized"):
        float_twin(content)


def test_a_model_that_is_there_is_not_replaced(twins, capsys):
    before = json.loads((twins / "liver-roi" / "manifest.json").read_text(encoding="utf-8"))
    assert main(["float-twin", "liver-roi", "--out", str(twins)]) == 4
    assert "holds a model already" in capsys.readouterr().err
    assert json.loads((twins / "liver-roi" / "manifest.json").read_text(encoding="utf-8")) == before


def test_a_float_model_is_told(twins, tmp_path, capsys):
    assert main(["float-twin", str(twins / "liver-roi"), "--out", str(tmp_path)]) == 5
    assert "has no float twin: none of its numbers is quantized" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
