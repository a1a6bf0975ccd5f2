"""Operating points of slice classifiers, on scores that are made up."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from CompressionTrainerLib.data.slices import BORDER, CaseSlices
from CompressionTrainerLib.evaluation.text import one_answer
from CompressionTrainerLib.export import thresholds
from CompressionTrainerLib.export.card import answers_alike, model_card
from LiverTumorLib.models.catalogue import get_bundle
from LiverTumorLib.models.manifest import Calibration


class Case:
    """Slices of a case of which all hold liver."""

    def __init__(self, logits, tumor) -> None:
        self.logits, self.has_tumor, self.has_liver = np.array(logits), np.array(tumor), np.ones(len(tumor), bool)

    def ks(self, wanted) -> np.ndarray:
        return np.flatnonzero(wanted)


def test_a_smaller_region_beside_the_liver_does_not_raise_its_threshold(monkeypatch):
    shape = (9, 64, 64)
    liver, probability = np.zeros((2, *shape), np.float32)
    liver[:, 8:40, 8:56] = 255
    probability[liver > 0], probability[:, 48:60, 8:30] = 0.7, 0.6  # a spleen, nearly as sure
    bordered = np.pad(liver, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)))
    case = CaseSlices("1", "1", bordered, bordered, 0 * bordered, np.ones(9, bool), np.zeros(9, bool), slice_mm=2.0)
    monkeypatch.setattr(thresholds, "predictions", lambda session, case: [probability[..., None]])
    session = SimpleNamespace(bundle=get_bundle("liver-roi"))
    threshold, dice = thresholds.liver_threshold(session, [case])
    assert threshold == 0.5 and dice[0.5] == dice[0.55] > 0.95 and dice[0.9] == 0


@pytest.fixture
def calibrate(monkeypatch):
    monkeypatch.setattr(thresholds, "liver_slice_logits", lambda session, case: case.logits)
    rng = np.random.default_rng(0)
    tumor = rng.random(300) < 0.3

    def calibrate(direction: int):
        return thresholds.slice_calibration(
            None, [Case(direction * (2.0 * tumor - 1) + rng.normal(0, 1.5, 300), tumor)]
        )

    return calibrate


def test_a_network_that_tells_slices_apart_is_calibrated(calibrate):
    calibration, threshold, figures = calibrate(1)
    assert 0 < figures["called_tumor"] < figures["slices"] == 300
    assert calibration.slope > 0.3 and figures["auc"] == pytest.approx(0.83, abs=0.06) and 0.02 <= threshold <= 0.98


def test_a_network_that_is_wrong_throughout_is_not_turned_round(calibrate):
    calibration, _, figures = calibrate(-1)
    assert calibration == Calibration() and figures["auc"] < 0.3


def test_a_network_that_answers_the_same_for_all_is_told(monkeypatch):
    monkeypatch.setattr(thresholds, "liver_slice_logits", lambda session, case: case.logits)
    tumor = np.arange(20) < 9
    calibration, threshold, figures = thresholds.slice_calibration(None, [Case(np.full(20, 0.3), tumor)])
    assert figures["called_tumor"] == figures["slices"] == 20
    manifest = get_bundle("tumor-slice").manifest
    same = replace(manifest, metrics=manifest.metrics | {"validation": figures})
    told = (
        "tumor-slice calls all of the 20 slices tumor, so at its threshold it tells no two of them apart. Train it "
        "longer"
    )
    assert answers_alike(same).startswith(told) and f"- **{told}" in model_card(same, 1000)
    assert answers_alike(manifest) is None and "apart" not in model_card(manifest, 1000)


@pytest.mark.parametrize(
    ("called", "words"), [(0, "calls none of the 7"), (7, "calls all of the 7"), (1, None), (6, None)]
)
def test_only_one_answer_for_all_is_said(called, words):
    said = one_answer(called, 7)
    assert said is None if words is None else said.startswith(words)
    assert one_answer(0, 0) is None
