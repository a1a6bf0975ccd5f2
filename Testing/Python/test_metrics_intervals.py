"""Intervals by patient, and figures of slices, against independent calculations."""

import math

import numpy as np
import pytest
from LiverTumorLib.metrics import Counts, bootstrap, wilson


def test_bootstrap_of_a_mean_agrees_with_scipy():
    from scipy.stats import bootstrap as scipy_bootstrap

    values = np.random.default_rng(7).normal(0.9, 0.05, 30)
    ours = bootstrap(list(values), lambda drawn: float(np.mean(drawn)), resamples=4000)
    theirs = scipy_bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=3).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.003) and ours.high == pytest.approx(theirs.high, abs=0.003)


def test_bootstrap_repeats_with_its_seed_and_differs_with_another():
    values = list(np.linspace(0, 1, 12) ** 2)
    mean = lambda drawn: float(np.mean(drawn))  # noqa: E731
    assert bootstrap(values, mean, resamples=200) == bootstrap(values, mean, resamples=200)
    assert bootstrap(values, mean, resamples=200) != bootstrap(values, mean, resamples=200, seed=2)


def test_whole_patients_are_drawn():
    """Ten alike slices of each of four patients: the interval is as wide as that of four values, not of forty."""
    levels = [0.0, 0.0, 1.0, 1.0]
    patients = [np.full(10, level) for level in levels]
    by_patient = bootstrap(patients, lambda drawn: float(np.concatenate(drawn).mean()))
    assert (by_patient.low, by_patient.high) == (0.0, 1.0)


def test_resamples_without_a_value_are_left_out_and_counted():
    patients = [np.array([0]), np.array([1])]  # half of the draws hold one class only

    def spread(drawn):
        pooled = np.concatenate(drawn)
        return 1.0 if np.ptp(pooled) else math.nan

    interval = bootstrap(patients, spread, resamples=1000)
    assert interval.value == interval.low == interval.high == 1.0
    assert interval.skipped == pytest.approx(500, abs=80) and interval.resamples == 1000


@pytest.mark.parametrize("patients", [[], [0.9]])
def test_too_few_patients_give_no_interval(patients):
    interval = bootstrap(patients, lambda drawn: float(np.mean(drawn)) if drawn else math.nan, resamples=50)
    assert math.isnan(interval.low) and math.isnan(interval.high)


def test_wilson_of_a_known_case():
    """8 of 10: the closed formula with z = 1.959964, worked out by hand."""
    interval = wilson(8, 10)
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.8, 0.490162, 0.943318), abs=1e-5)
    assert wilson(5, 5).high == pytest.approx(1) and wilson(5, 5).low < 0.6
    assert math.isnan(wilson(0, 0).value)


def test_f1_and_recall_agree_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(11)
    truth, called = rng.random(80) < 0.3, rng.random(80) >= 0.6
    counts = Counts.of(called, truth)
    assert counts.dice == pytest.approx(metrics.f1_score(truth, called))
    assert counts.sensitivity == pytest.approx(metrics.recall_score(truth, called))
    assert counts.precision == pytest.approx(metrics.precision_score(truth, called))
