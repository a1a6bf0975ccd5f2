"""ROC, precision-recall and reliability curves with bands by patient, against scikit-learn and by hand."""

import numpy as np
import pytest
from LiverTumorLib.metrics import auc_difference, precision_recall_curve, reliability, roc_curve

sklearn_metrics = pytest.importorskip("sklearn.metrics")


def patients(seed=1, count=8, slices=40):
    """Slices of which those with tumor get higher probabilities; patients differ in how much higher."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(count):
        truth = rng.random(slices) < 0.4
        drawn.append((np.clip(rng.normal(0.35, 0.2, slices) + truth * rng.uniform(0.0, 0.5), 0, 1), truth))
    return drawn


def test_roc_passes_through_the_points_of_the_sample_and_its_area_is_the_auc():
    sample = patients()
    curve = roc_curve(sample)
    probability, truth = (np.concatenate(part) for part in zip(*sample, strict=True))
    assert curve.area.value == pytest.approx(sklearn_metrics.roc_auc_score(truth, probability))
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(curve.area.value, abs=0.005)
    average = precision_recall_curve(sample).area.value
    assert average == pytest.approx(sklearn_metrics.average_precision_score(truth, probability))
    inside = curve.low <= curve.y
    assert inside.mean() > 0.98 and (curve.y <= curve.high).mean() > 0.98
    assert curve.area.low < curve.area.value < curve.area.high


def test_the_auc_is_the_share_of_pairs_in_the_right_order_ties_counting_half():
    sample = [(np.round(probability, 1), truth) for probability, truth in patients(5)]  # rounded: many ties
    probability, truth = (np.concatenate(part) for part in zip(*sample, strict=True))
    pairs = probability[truth][:, None] - probability[~truth][None, :]
    assert roc_curve(sample).area.value == pytest.approx(float(((pairs > 0) + 0.5 * (pairs == 0)).mean()))


def test_a_paired_difference_is_narrower_than_the_intervals_of_the_two():
    sample = patients()
    rng = np.random.default_rng(9)
    noisy = [(probability + rng.normal(0, 0.02, len(probability)), truth) for probability, truth in sample]
    difference = auc_difference(sample, noisy)
    assert difference.value == pytest.approx(roc_curve(noisy).area.value - roc_curve(sample).area.value)
    area = roc_curve(sample).area
    assert difference.low <= difference.value <= difference.high and difference.high - difference.low < 0.3 * (
        area.high - area.low
    )


def test_precision_is_the_one_at_the_least_recall_that_is_enough():
    truth = np.array([True, False, True, True])
    curve = precision_recall_curve(
        [(np.array([0.9, 0.8, 0.7, 0.1]), truth), (np.array([0.95, 0.85, 0.75, 0.15]), truth)]
    )
    by_recall = dict(zip(np.round(curve.x, 3), curve.y, strict=True))
    # By falling probability: T T F F T T T T.
    assert by_recall[0.3] == 1.0 and by_recall[0.335] == pytest.approx(3 / 5) and by_recall[1.0] == pytest.approx(6 / 8)


def test_bands_are_of_patients_not_of_slices():
    """Copies of a patient's slices add nothing to what is known."""
    sample = patients()
    copied = [(np.tile(probability, 5), np.tile(truth, 5)) for probability, truth in sample]
    for curve in (roc_curve, precision_recall_curve):
        np.testing.assert_allclose(curve(sample).low, curve(copied).low, atol=0.02)


def test_one_class_has_no_curve_and_one_patient_no_band():
    [patient] = patients(count=1)
    nothing = roc_curve([(patient[0], np.zeros_like(patient[1]))] * 2)
    assert np.isnan(nothing.y).all() and np.isnan(nothing.area.value)
    alone = roc_curve([patient])
    assert np.isfinite(alone.y).all() and np.isnan(alone.low).all()


def test_reliability_by_hand():
    result = reliability(
        [(np.array([0.05, 0.15, 0.15]), np.array([False, True, False])), (np.array([1.0]), np.array([True]))]
    )
    np.testing.assert_allclose(result.predicted, [0.05, 0.15, 1.0])
    np.testing.assert_allclose(result.observed, [0.0, 0.5, 1.0])
    assert result.count.tolist() == [1, 2, 1]
    assert result.brier.value == pytest.approx((0.05**2 + 0.85**2 + 0.15**2) / 4)
    assert result.error.value == pytest.approx((1 * 0.05 + 2 * 0.35 + 0) / 4)


def test_a_calibrated_probability_has_a_small_error_and_a_stretched_one_a_large_one():
    rng = np.random.default_rng(3)
    probability = rng.random((10, 400))
    honest = [(p, rng.random(400) < p) for p in probability]
    boastful = [(np.clip(p * 2 - 0.5, 0, 1), truth) for p, truth in honest]
    assert reliability(honest).error.value < 0.03 < 0.1 < reliability(boastful).error.value
