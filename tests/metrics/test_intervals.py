"""Intervals of accuracies over test images and over seeds, rank correlations."""

import numpy as np
import pytest
from scipy.stats import binomtest, spearmanr
from scipy.stats import t as student

from unsup.metrics.intervals import accuracy_interval, accuracy_over_seeds, chance_spearman, seeds_interval, spearman
from unsup.metrics.variance import SeedSpread


@pytest.mark.parametrize(("right", "n"), [(180, 200), (50, 50), (0, 30), (9_000, 10_000), (3, 7)])
def test_the_interval_is_wilsons(right, n):
    expected = binomtest(right, n).proportion_ci(0.95, "wilson")
    assert accuracy_interval(np.arange(n) < right) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_it_is_symmetric_on_the_logit_scale_and_stays_within_its_range():
    low, high = accuracy_interval(np.arange(500) < 495)
    low, middle, high = (np.log(p / (1 - p)) for p in (low, 0.99, high))
    assert high - middle == pytest.approx(middle - low, abs=1e-4)
    assert accuracy_interval(np.ones(50)) == (pytest.approx(0.928651, abs=1e-5), 1)  # 50 / (50 + 1.96²)


def test_shares_count_by_their_variance():
    shares = np.random.default_rng(0).integers(11, size=3000) / 10
    low, high = accuracy_interval(shares.astype(np.float32))
    expected = 1.96 * shares.std() / np.sqrt(3000)
    assert (high - low) / 2 == pytest.approx(expected, rel=0.01)


def test_interval_over_seeds_is_students_t():
    values = [9.51, 9.47, 9.53]
    found = seeds_interval(values)
    low, high = student.interval(0.95, 2, np.mean(values), np.std(values, ddof=1) / np.sqrt(3))
    assert (found["low"], found["high"]) == pytest.approx((low, high))
    assert found["mean"] == pytest.approx(9.50333, abs=1e-5) and found["sd"] == pytest.approx(0.0305505)
    assert found["n"] == 3


def test_under_three_seeds_there_is_no_interval():
    assert seeds_interval([0.9]) == accuracy_over_seeds([0.9], None) == {"n": 1, "mean": 0.9}
    for found in (seeds_interval([0.9, 0.92]), accuracy_over_seeds([0.9, 0.92], None)):
        assert found == {"n": 2, "mean": pytest.approx(0.91), "sd": pytest.approx(0.0141421, abs=1e-6)}
    assert SeedSpread.of([[0.9], [0.8, 0.82]]) is None  # one degree of freedom


def test_the_spread_of_other_models_does_not_make_an_interval_of_two_seeds():
    assert accuracy_over_seeds([0.9, 0.92], SeedSpread(0.04, 4, 20)).keys() == {"n", "mean", "sd"}


def test_the_interval_of_a_mean_is_symmetric_on_the_logit_scale():
    spread = SeedSpread(0.04, np.inf, 10**9)  # .2 on the logit scale, well known
    scores = accuracy_over_seeds([0.9] * 4, spread)
    half = 2 * np.arcsinh(1.959964 * 0.1 / 2)  # Newcombe 2001
    ends = [1 / (1 + np.exp(-(np.log(9) + sign * half))) for sign in (-1, 1)]
    assert (scores["low"], scores["high"]) == pytest.approx(ends, abs=1e-6)
    assert ends == pytest.approx([0.881, 0.916], abs=1e-3)


@pytest.mark.parametrize("values", [[0.598, 0.998, 0.998], [0.001, 0.0, 0.02], [1.0, 1.0, 0.99]])
def test_no_interval_leaves_the_range_of_an_accuracy(values):
    found = accuracy_over_seeds(values, SeedSpread.of([values]))
    assert 0 <= found["low"] < np.mean(values) < found["high"] <= 1


def test_spearman_agrees_with_scipy_ties_included():
    rng = np.random.default_rng(0)
    for n in (4, 7, 50):
        x, y = rng.integers(5, size=n).astype(float), rng.normal(size=n)
        assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert spearman(np.arange(5), np.arange(5) ** 3) == 1 and spearman(np.arange(5), -np.arange(5)) == -1


def test_a_constant_has_no_ranks():
    assert spearman(np.zeros(5), np.arange(5)) is None


def test_rank_correlations_that_chance_reaches():
    """Critical values of a two-sided test at 5 %, Zar 1972; none for four values."""
    assert chance_spearman(4) == float("inf")
    for n, critical in ((5, 1.0), (6, 0.886), (8, 0.738), (10, 0.648), (20, 0.447)):
        assert chance_spearman(n) == pytest.approx(critical, abs=0.02)
