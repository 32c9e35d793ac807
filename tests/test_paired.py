"""Intervals over test images: coverage on simulated data, pairing, agreement with McNemar's test."""

import time

import numpy as np
import pytest
from scipy.stats import binomtest

from unsup.evaluation.paired import bootstrap_interval, paired_difference


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = [low <= 0.8 <= high for low, high in (bootstrap_interval(rng.random(500) < 0.8) for _ in range(400))]
    assert 0.91 < np.mean(covered) < 0.98  # .95 with a standard error of .011


def test_the_interval_has_the_textbook_width():
    correct = np.arange(10_000) < 9000
    low, high = bootstrap_interval(correct)
    expected = 1.96 * np.sqrt(0.9 * 0.1 / 10_000)
    assert (0.9 - low, high - 0.9) == pytest.approx((expected, expected), rel=0.05)


def test_shares_are_resampled_like_any_other_number():
    rng = np.random.default_rng(0)
    shares = rng.integers(11, size=3000) / 10
    low, high = bootstrap_interval(shares.astype(np.float32))
    expected = 1.96 * shares.std() / np.sqrt(3000)
    assert (high - low) / 2 == pytest.approx(expected, rel=0.05)


def test_all_different_values_agree_with_resampling_by_hand():
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    by_hand = np.quantile(rng.choice(values, (10_000, 200)).mean(axis=1), [0.025, 0.975])
    assert bootstrap_interval(values) == pytest.approx(by_hand, abs=0.01)


def test_same_seed_same_interval_and_another_seed_another():
    correct = np.random.default_rng(0).random(77)
    assert bootstrap_interval(correct, seed=3) == bootstrap_interval(correct, seed=3)
    assert bootstrap_interval(correct, seed=3) != bootstrap_interval(correct, seed=4)


def test_nothing_to_resample_in_a_perfect_score():
    assert bootstrap_interval(np.ones(50)) == (1, 1)


def test_pairing_makes_small_consistent_gains_visible():
    rng = np.random.default_rng(0)
    base = rng.random(2000) < 0.8
    better = base.copy()
    better[np.flatnonzero(~base)[:20]] = True
    found = paired_difference(better, base)
    assert found["difference"] == pytest.approx(0.01)
    assert found["separable"] and found["low"] > 0
    (low, _), (_, high) = bootstrap_interval(better), bootstrap_interval(base)
    assert low < high  # each alone, the two intervals overlap: unpaired, nothing could be said
    back = paired_difference(base, better)
    assert back["separable"] and back["high"] < 0 and back["difference"] == pytest.approx(-0.01)


def test_a_model_against_itself_is_not_separable():
    correct = np.random.default_rng(0).random(500) < 0.6
    assert paired_difference(correct, correct) == {"difference": 0, "low": 0, "high": 0, "separable": False}


@pytest.mark.parametrize("wins", [50, 60, 95, 120])
def test_agrees_with_mcnemar_on_clear_cases(wins):
    """`wins` images only a gets right, 60 only b does, 1,000 both do."""
    a = np.concatenate([np.ones(wins), np.zeros(60), np.ones(1000)])
    b = np.concatenate([np.zeros(wins), np.ones(60), np.ones(1000)])
    p = binomtest(wins, wins + 60).pvalue
    assert p < 0.01 or p > 0.2  # a clear case
    assert paired_difference(a, b)["separable"] == (p < 0.05)


def test_two_equal_models_are_seldom_called_different():
    rng = np.random.default_rng(1)
    called = [paired_difference(rng.random(400) < 0.7, rng.random(400) < 0.7)["separable"] for _ in range(300)]
    assert np.mean(called) < 0.1


def test_other_images_are_refused():
    with pytest.raises(ValueError, match="10 and 11 images"):
        paired_difference(np.ones(10), np.ones(11))


def test_ten_thousand_images_take_no_time():
    rng = np.random.default_rng(0)
    a, b = rng.integers(11, size=(2, 10_000)) / 10
    start = time.perf_counter()
    paired_difference(a, b)
    assert time.perf_counter() - start < 1
