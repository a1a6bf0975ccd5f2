"""Operating points of slice classifiers, on scores that are made up."""

import numpy as np
import pytest
from CompressionTrainerLib.export import thresholds
from LiverTumorLib.models.manifest import Calibration


class Case:
    """Slices of a case of which all hold liver."""

    def __init__(self, logits, tumor) -> None:
        self.logits, self.has_tumor, self.has_liver = np.array(logits), np.array(tumor), np.ones(len(tumor), bool)

    def ks(self, wanted) -> np.ndarray:
        return np.flatnonzero(wanted)


@pytest.fixture
def calibrate(monkeypatch):
    monkeypatch.setattr(thresholds, "liver_slice_logits", lambda session, case: case.logits)
    rng = np.random.default_rng(0)
    tumor = rng.random(300) < 0.3

    def calibrate(direction: int):
        return thresholds.slice_calibration(None, [Case(direction * (2.0 * tumor - 1) + rng.normal(0, 1.5, 300), tumor)])

    return calibrate


def test_a_network_that_tells_slices_apart_is_calibrated(calibrate):
    calibration, threshold, figures = calibrate(1)
    assert calibration.slope > 0.3 and figures["auc"] == pytest.approx(0.83, abs=0.06) and 0.02 <= threshold <= 0.98


def test_a_network_that_is_wrong_throughout_is_not_turned_round(calibrate):
    calibration, _, figures = calibrate(-1)
    assert calibration == Calibration() and figures["auc"] < 0.3
