"""Both modules' logics through ONNX Runtime, the only route on Intel macOS: the results are LiteRT's within
rounding."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import slicer
from LiverTumorLib.metrics import Counts
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.mrml import labels_from_segmentation
from mrml_scene import new_scene
from panel_tools import add_phantom

from LiverSegmentationMobileUNet import LiverSegmentationMobileUNetLogic
from LiverTumorClassifier import LiverTumorClassifierLogic


@pytest.fixture
def in_both_runtimes(monkeypatch):
    """What a function of the CT answers with LiteRT and with ONNX Runtime, and who has run the models."""
    assert all((SHIPPED / name / "model.onnx").is_file() for name in ("liver-roi", "liver-tumor", "tumor-slice"))
    new_scene()
    ct = add_phantom()

    def call(process):
        answers = []
        for runtime in ("litert", "onnx"):
            monkeypatch.setenv("LIVERTUMOR_RUNTIME", runtime)  # the child has it from its parent
            nodes = process(ct)
            answers.append(nodes)
            used = {model["runtime"] for model in nodes.result.models}
            assert used == {{"litert": "LiteRT", "onnx": "ONNX Runtime"}[runtime]}
        return ct, *answers

    return call


def probabilities(nodes) -> np.ndarray:
    return slicer.util.arrayFromTableColumn(nodes.sliceTable, "probability")


def test_segmentation(in_both_runtimes):
    ct, litert, onnx = in_both_runtimes(LiverSegmentationMobileUNetLogic().process)
    one, other = (labels_from_segmentation(nodes.segmentationNode, ct) for nodes in (litert, onnx))
    assert Counts.of(one > 0, other > 0).dice > 0.99
    assert Counts.of(one == 2, other == 2).dice > 0.9
    assert onnx.summary.liver_ml == pytest.approx(litert.summary.liver_ml, rel=0.01)
    np.testing.assert_allclose(probabilities(onnx), probabilities(litert), atol=0.1)


def test_classification(in_both_runtimes):
    _, litert, onnx = in_both_runtimes(LiverTumorClassifierLogic().process)
    np.testing.assert_allclose(probabilities(onnx), probabilities(litert), atol=0.1)
    assert np.abs(probabilities(onnx) - probabilities(litert)).mean() < 0.02
