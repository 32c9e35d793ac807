"""Intervals over test images and training seeds: coverage on simulated data, pairing, agreement with textbook tests."""

import time

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binomtest, spearmanr
from scipy.stats import t as student

from unsup.metrics.intervals import (
    bootstrap_interval,
    chance_spearman,
    mcnemar_p,
    paired_difference,
    paired_over_seeds,
    seeds_interval,
    spearman,
)
from unsup.metrics.variance import INITIALISED, PRIOR, initialisation_variance


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


def test_interval_over_seeds_is_students_t():
    values = [0.951, 0.947, 0.953]
    found = seeds_interval(values)
    low, high = student.interval(0.95, 2, np.mean(values), np.std(values, ddof=1) / np.sqrt(3))
    assert (found["low"], found["high"]) == pytest.approx((low, high))
    assert found["mean"] == pytest.approx(0.950333, abs=1e-6) and found["sd"] == pytest.approx(np.std(values, ddof=1))
    assert found["n"] == 3


def test_one_seed_has_no_spread():
    assert seeds_interval([0.9]) == {"n": 1, "mean": 0.9}


class Method:
    """Right on an image where ability + seed + ease of the image + luck of both > 0, all normal: the truth is known."""

    def __init__(self, ability: float, seed_sd: float, luck: float = 0.5) -> None:
        self.ability, self.seed_sd, self.luck = ability, seed_sd, luck

    @property
    def accuracy(self) -> float:
        """Over all images and seeds."""
        return ndtr(self.ability / np.sqrt(1 + self.seed_sd**2 + self.luck**2))

    def correct(self, ease, seeds, rng):
        """(seeds, n) of 0 and 1."""
        shift = self.ability + rng.normal(0, self.seed_sd, (seeds, 1))
        return (shift + ease + rng.normal(0, self.luck, (seeds, len(ease))) > 0).astype(np.float32)


def resampled_seeds(a, b, rng, draws=1000):
    """What a plain bootstrap of seeds and images would say: seeds (s, n) drawn with replacement."""
    gain = a.mean(axis=0) - b.mean(axis=0)
    seeds = [x.mean(axis=1)[rng.integers(len(x), size=(draws, len(x)))].mean(axis=1) for x in (a, b)]
    return np.quantile(seeds[0] - seeds[1] + rng.normal(0, gain.std() / np.sqrt(len(gain)), draws), [0.025, 0.975])


def coverage(interval, n, seeds, spread, times=300):
    """How often `interval(a, b, rng)` holds the true difference, for methods whose seeds deviate by `spread`."""
    rng = np.random.default_rng(0)
    a, b = Method(1.3, spread[0]), Method(1.2, spread[1])
    truth, covered = a.accuracy - b.accuracy, []
    for _ in range(times):
        ease = rng.normal(size=n)
        low, high = interval(a.correct(ease, seeds[0], rng), b.correct(ease, seeds[1], rng), rng)
        covered.append(low <= truth <= high)
    return np.mean(covered)


def ours(a, b, rng):
    found = paired_over_seeds(a, b)
    return found["low"], found["high"]


# images, seeds of a and b, deviation over seeds of a and b: of one alone, of both, much, little; more and uneven seeds
@pytest.mark.parametrize(
    ("n", "seeds", "spread"),
    [
        (1000, (3, 3), (0.1, 0.1)),
        (1000, (3, 3), (0.3, 0.3)),
        (1000, (3, 3), (0.1, 0.02)),
        (4000, (3, 3), (0.03, 0.03)),
        (1000, (5, 5), (0.1, 0.1)),
        (1000, (3, 5), (0.1, 0.1)),
    ],
)
def test_intervals_over_seeds_cover_the_truth_as_often_as_they_say(n, seeds, spread):
    assert 0.92 <= coverage(ours, n, seeds, spread) <= 0.985  # .95 with a standard error of .013


def test_one_method_whose_seeds_scatter_wildly_costs_little():
    """Seven points of standard deviation on one side, half a point on the other: the worst case found."""
    assert coverage(ours, 1000, (3, 3), (0.3, 0.02)) > 0.88


def test_resampling_three_seeds_would_be_too_narrow():
    settings = (1000, (3, 3), (0.3, 0.3))
    assert coverage(resampled_seeds, *settings) < 0.86 < 0.92 <= coverage(ours, *settings)


def test_against_a_baseline_only_the_models_seeds_vary():
    rng = np.random.default_rng(0)
    a, baseline = Method(1.3, 0.1), Method(1.2, 0.0)
    covered = []
    for _ in range(300):
        ease = rng.normal(size=1000)
        found = paired_over_seeds(a.correct(ease, 3, rng), baseline.correct(ease, 1, rng))
        covered.append(found["low"] <= a.accuracy - baseline.accuracy <= found["high"])
        assert found["seeds"] == [3, 1]
    assert 0.92 <= np.mean(covered) <= 0.985


def test_equal_methods_are_seldom_called_separable():
    rng = np.random.default_rng(1)
    method, called = Method(1.0, 0.1), []
    for _ in range(300):
        ease = rng.normal(size=500)
        called.append(paired_over_seeds(method.correct(ease, 3, rng), method.correct(ease, 3, rng))["separable"])
    assert np.mean(called) < 0.08


def untrained(seeds, spread, rng, images=500):
    """Of a model that training left as it was, on seeds of its own (s, n), and of the mean of three initialisations."""
    method, ease = Method(1.0, spread), rng.normal(size=images)
    networks = method.correct(ease, 3, rng)
    return method.correct(ease, seeds, rng), networks.mean(axis=0), list(networks.mean(axis=1))


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(("spread", "most"), [(0.05, 0.09), (0.1, 0.09), (0.2, 0.09), (0.3, 0.2)])  # 1 to 7 points
def test_one_more_initialisation_is_seldom_called_better_than_the_untrained_network(spread, most, seeds):
    """.05 with a standard error of .013; the last deviates more than twice as much as networks typically do."""
    rng, called = np.random.default_rng(0), []
    for _ in range(300):
        a, network, each = untrained(seeds, spread, rng)
        called.append(paired_over_seeds(a, network, each)["separable"])
        if seeds == 1:
            assert paired_difference(a[0], network, each)["separable"] == called[-1]
    assert np.mean(called) < most


def test_without_their_spread_it_would_often_be():
    rng = np.random.default_rng(0)
    called = [
        paired_difference(a[0], network)["separable"] for a, network, _ in (untrained(1, 0.2, rng) for _ in range(60))
    ]
    assert np.mean(called) > 0.4


def test_what_was_learned_is_told_from_initialisations_that_scatter():
    """Fifteen points better than initialisations that deviate by three, as digits has them."""
    rng = np.random.default_rng(0)
    right, network = rng.random(500) < 0.95, rng.random(500) < 0.80
    found = paired_difference(right, network, [0.77, 0.80, 0.83])
    assert found["separable"] and found["difference"] == pytest.approx(0.15, abs=0.03)
    assert not paired_difference(right, network, [0.6, 0.8, 1.0])["separable"]


def test_the_spread_over_initialisations_is_students_t_with_the_moderated_deviation():
    p, k = 0.8, 3
    each, typical = [0.77, 0.80, 0.83], INITIALISED * p * (1 - p)
    variance, freedom = initialisation_variance(each, seeds=1)
    s = np.sqrt((PRIOR * typical**2 + (k - 1) * 0.03**2) / (PRIOR + k - 1))
    assert (variance, freedom) == (pytest.approx(s**2 * (1 + 1 / k)), PRIOR + k - 1)
    assert initialisation_variance(each, seeds=2) == (pytest.approx(s**2 / k), freedom)
    assert initialisation_variance([p], seeds=1) == (pytest.approx(2 * typical**2), PRIOR)
    same = np.ones(500)  # images add nothing
    low, high = student.interval(0.95, freedom, 0, np.sqrt(variance))
    found = paired_difference(same, same, each)
    assert (found["low"], found["high"]) == pytest.approx((low, high), rel=0.05)


@pytest.mark.parametrize("n", [40, 360, 10_000])
def test_with_one_seed_each_it_is_the_paired_bootstrap(n):
    rng = np.random.default_rng(0)
    a, b = rng.random(n) < 0.9, rng.integers(4, size=n) / 3  # 0 or 1, and a share of three initialisations
    found, expected = paired_over_seeds(a, b), paired_difference(a, b)
    width = expected["high"] - expected["low"]
    assert found["difference"] == pytest.approx(expected["difference"], abs=1e-12)
    assert (found["low"], found["high"]) == pytest.approx((expected["low"], expected["high"]), abs=0.04 * width)
    assert found["seeds"] == [1, 1] and "mcnemar" not in found


def test_values_on_no_common_grid_are_resampled_too():
    rng = np.random.default_rng(0)
    values = rng.random(200)
    found, expected = paired_over_seeds(values, np.zeros(200)), paired_difference(values, np.zeros(200))
    assert (found["low"], found["high"]) == pytest.approx((expected["low"], expected["high"]), abs=0.003)


def test_seeds_in_another_order_and_sides_exchanged():
    rng = np.random.default_rng(0)
    ease = rng.normal(size=2000)
    a, b = Method(1.4, 0.02).correct(ease, 3, rng), Method(1.0, 0.02).correct(ease, 4, rng)
    found = paired_over_seeds(a, b)
    other = paired_over_seeds(a[::-1], b)
    assert (other["low"], other["high"]) == pytest.approx((found["low"], found["high"]))
    back = paired_over_seeds(b, a)
    width = found["high"] - found["low"]
    assert (-back["high"], -back["low"]) == pytest.approx((found["low"], found["high"]), abs=0.1 * width)
    assert found["separable"] and found["seeds"] == [3, 4] and back["seeds"] == [4, 3]
    assert found["mcnemar"] == {"agree": 12, "pairs": 12}


def test_identical_seeds_that_are_never_wrong():
    found = paired_over_seeds(np.ones((3, 50)), np.ones((2, 50)))
    assert (found["difference"], found["low"], found["high"]) == (0, 0, 0)
    assert not found["separable"] and found["mcnemar"]["agree"] == 0


def test_mcnemar_counts_only_pairs_in_the_direction_of_the_difference():
    base = np.concatenate([np.ones(500), np.zeros(500)])
    better, worse = base.copy(), base.copy()
    better[500:600], worse[:30] = 1, 0
    found = paired_over_seeds(np.stack([better, worse]), base)
    assert found["difference"] > 0 and found["mcnemar"] == {"agree": 1, "pairs": 2}


def test_seeds_of_other_images_are_refused():
    with pytest.raises(ValueError, match="10 and 11 images"):
        paired_over_seeds(np.ones((2, 10)), np.ones((2, 11)))


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (5, 0), (12, 3), (40, 60), (60, 60), (700, 500)])
def test_mcnemar_is_the_binomial_test_of_discordant_images(wins, losses):
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert mcnemar_p(wins, losses) == pytest.approx(expected) == mcnemar_p(losses, wins)


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


def test_a_hundred_statements_take_no_time():
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 3, 10_000)).astype(float)
    start = time.process_time()
    for _ in range(100):
        paired_over_seeds(a, b)
    assert time.process_time() - start < 1
