"""Paired differences of accuracies: known answers, families, agreement of word and interval."""

import itertools
import time

import numpy as np
import pytest
from metrics.simulated import Method, pooled
from scipy.stats import binomtest
from scipy.stats import t as student

from unsup.metrics.differences import (
    Sample,
    differences,
    differences_from_best,
    mcnemar_agreement,
    mcnemar_p,
    typical_interaction,
)
from unsup.metrics.variance import SeedSpread, initialisation_variance


def planned(a, b):
    (found,) = differences([Sample.of(a), Sample.of(b)], [(0, 1)])
    return found


def test_a_planned_difference_is_that_of_bonett_and_price():
    """Of 500 images 30 only a gets right and 12 only b; two are added to the variance, one on each side."""
    a, b = (np.concatenate([np.full(30, x), np.full(12, 1 - x), np.ones(458)]) for x in (1, 0))
    found = planned(a, b)
    variance = (42 + 2 - 18**2 / 500) / 500**2
    half = 1.959964 * np.sqrt(variance)
    assert found["difference"] == pytest.approx(18 / 500)
    assert (found["low"], found["high"]) == pytest.approx((18 / 500 - half, 18 / 500 + half), abs=1e-6)
    back = planned(b, a)
    assert (back["low"], back["high"]) == pytest.approx((-found["high"], -found["low"]))
    assert found["separable"] and back["separable"]


@pytest.mark.parametrize("wins", range(9))
def test_few_images_are_separable_if_mcnemars_exact_test_says_so(wins):
    a, b = np.ones(500), np.ones(500)
    b[:wins] = 0
    assert planned(a, b)["separable"] == (binomtest(wins, max(1, wins)).pvalue < 0.05 if wins else False)


@pytest.mark.parametrize("wins", [50, 60, 95, 120])
def test_agrees_with_mcnemar_on_clear_cases(wins):
    """`wins` images only a gets right, 60 only b does, 1,000 both do."""
    a = np.concatenate([np.ones(wins), np.zeros(60), np.ones(1000)])
    b = np.concatenate([np.zeros(wins), np.ones(60), np.ones(1000)])
    p = binomtest(wins, wins + 60).pvalue
    assert p < 0.01 or p > 0.2  # a clear case
    assert planned(a, b)["separable"] == (p < 0.05)


def test_pairing_makes_small_consistent_gains_visible():
    rng = np.random.default_rng(0)
    base = (rng.random(2000) < 0.8).astype(float)
    better = base.copy()
    better[np.flatnonzero(base == 0)[:20]] = 1
    found = planned(better, base)
    assert found["difference"] == pytest.approx(0.01) and found["separable"]
    assert not planned(better, rng.permutation(base))["separable"]


def test_a_model_against_itself_is_not_separable_and_not_certain():
    correct = np.random.default_rng(0).random(500) < 0.6
    found = planned(correct, correct)
    assert found["difference"] == 0 and not found["separable"]
    assert found["high"] == -found["low"] == pytest.approx(1.959964 * np.sqrt(2) / 500, abs=1e-6)


def test_other_images_are_refused():
    with pytest.raises(ValueError, match=r"samples of \[10, 11\] images"):
        planned(np.ones(10), np.ones(11))


def test_seeds_add_students_t_weighted_by_their_variances():
    """Cochran & Cox 1950; 4.302653 and 2.776445 are t(2) and t(4) at 97.5 %. Images add next to nothing."""
    n = 10**6
    a = Sample(np.ones(n), variance=0.02**2 / 3, df=2)
    b = Sample(np.ones(n), variance=0.01**2 / 5, df=4)
    (single,) = differences([a, b], [(0, 1)])
    total = 0.02**2 / 3 + 0.01**2 / 5
    weighted = (4.302653 * 0.02**2 / 3 + 2.776445 * 0.01**2 / 5) / total
    assert single["high"] == pytest.approx(weighted * np.sqrt(total), rel=1e-4)


def test_two_shrunken_variances_have_heavier_tails_than_welchs_t():
    """The sum of two of Student's t with 4 degrees of freedom: 97.5 % of it lie below 2.78, not 2.31 = t(8)."""
    draws = np.random.default_rng(0).standard_t(4, (2, 10**6)).sum(axis=0) / np.sqrt(2)
    sides = [Sample(np.ones(10**6), variance=0.01**2 / 2, df=4)] * 2
    (single,) = differences(sides, [(0, 1)])
    assert np.mean(np.abs(draws) < single["high"] / 0.01) == pytest.approx(0.95, abs=0.003)
    assert np.mean(np.abs(draws) < student.ppf(0.975, 8)) < 0.925


def test_draws_of_labels_add_students_t_and_are_paired():
    rng = np.random.default_rng(0)
    draws = rng.normal(0.8, 0.02, 10)
    share = np.tile([0.6, 1.0], 50_000)
    same = [Sample(share, draws=draws), Sample(share - 0.05, draws=draws - 0.05)]
    other = [same[0], Sample(share - 0.05, draws=rng.permutation(draws) - 0.05)]
    (paired,), (apart,) = differences(same, [(0, 1)]), differences(other, [(0, 1)])
    assert paired["high"] - paired["low"] < 1e-4  # another draw helps both alike
    gain = np.asarray(other[0].draws) - other[1].draws
    half = student.ppf(0.975, 9) * gain.std(ddof=1) / np.sqrt(10)
    assert (apart["high"] - apart["low"]) / 2 == pytest.approx(half, rel=1e-3)
    older = [same[0], Sample(share - 0.05)]
    assert differences(older, [(0, 1)])[0]["high"] == pytest.approx(0.05, abs=1e-4)  # unknown draws add nothing


def test_a_seeds_luck_on_images_is_not_counted_twice():
    rng = np.random.default_rng(0)
    correct = (rng.random((3, 4000)) < 0.8).astype(float)  # nothing but luck of seed and image
    spread = SeedSpread(0.0025, np.inf, 10**9)
    sample = Sample.of(correct, spread)
    assert sample.variance == pytest.approx((0.05 * 0.16) ** 2 / 3, rel=0.05)
    assert sample.interaction == pytest.approx(0.16 / 3 / 4000, rel=0.1)
    assert typical_interaction([correct, correct[:1]]) == pytest.approx(1, abs=0.03)
    one = Sample.of(correct[0], spread, interaction=0.5)
    assert one.interaction == pytest.approx(0.5 * 0.16 / 4000, rel=0.05)
    assert Sample.of(correct).variance == 0  # about these runs


def test_intervals_of_a_family_are_those_of_dunnett():
    """Three models of equal, independent errors against one: Dunnett 1964, table of two-sided 5 % points: 2.35."""
    n = 200_000
    signs = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]).repeat(n // 4, axis=0)
    samples = [Sample(0.5 + 0.25 * column) for column in signs.T] + [
        Sample(0.5 + 0.25 * signs.prod(axis=1) * np.tile([1, -1], n // 2))
    ]
    family = differences(samples, [(0, 3), (1, 3), (2, 3)])
    single = differences(samples[2:], [(0, 1)])[0]
    ratio = (family[0]["high"] - family[0]["low"]) / (single["high"] - single["low"])
    assert 1.959964 * ratio == pytest.approx(2.349, abs=0.06)


def test_intervals_from_the_best_are_those_of_tukey():
    """The range of four equal, independent means: q / sqrt(2) = 3.633 / sqrt(2)."""
    rng = np.random.default_rng(0)
    samples = [Sample(rng.permutation(np.tile([0.0, 1.0], 50_000))) for _ in range(4)]
    best, found = differences_from_best(samples)
    single = differences([samples[0], samples[1]], [(0, 1)])[0]
    other = found[1 if best != 1 else 2]
    ratio = (other["high"] - other["low"]) / (single["high"] - single["low"])
    assert 1.959964 * ratio == pytest.approx(3.633 / np.sqrt(2), abs=0.06)
    assert not any(one["separable"] for one in found)
    samples[2] = Sample(np.ones(100_000))
    best, found = differences_from_best(samples)
    assert best == 2 and [one["separable"] for one in found] == [True, True, False, True]


def test_intervals_of_a_family_are_those_of_resampled_images():
    """The largest t of all pairs of six models, from 10,000 paired bootstrap samples of 500 images."""
    rng = np.random.default_rng(0)
    ease = rng.normal(size=500)
    correct = np.concatenate([Method(a).runs(ease, 1, rng).correct for a in np.linspace(1, 1.6, 6)])
    pairs = list(itertools.combinations(range(6), 2))
    family = differences([Sample.of(row) for row in correct], pairs)
    deviations = np.array([one["high"] - one["difference"] for one in family])  # q times the standard error
    weights = rng.multinomial(500, np.full(500, 1 / 500), 10_000) / 500
    errors = weights @ correct.T - correct.mean(axis=1)
    largest = np.max([np.abs(errors[:, i] - errors[:, j]) / d for (i, j), d in zip(pairs, deviations, strict=True)], 0)
    assert np.quantile(largest, 0.95) == pytest.approx(1, abs=0.04)


def random_table(rng):
    """A table with anything that an interval may contain."""
    methods = [Method(rng.normal(1.3, 0.2), rng.choice([0, 0.02, 0.2])) for _ in range(rng.integers(2, 7))]
    ease = rng.normal(size=rng.choice([40, 300]))
    return pooled([method.runs(ease, int(rng.choice([1, 2, 3])), rng) for method in methods])[1]


def test_word_and_interval_agree_in_every_family():
    rng = np.random.default_rng(0)
    for _ in range(60):
        samples = random_table(rng)
        pairs = list(itertools.combinations(range(len(samples)), 2))
        best, from_best = differences_from_best(samples)
        for one in [*from_best, *differences(samples, pairs), *differences(samples[:2], [(0, 1)])]:
            assert one["separable"] == (one["low"] > 0 or one["high"] < 0)
            assert one["low"] <= one["difference"] <= one["high"]
            assert np.isfinite([one["low"], one["high"]]).all()
        assert not from_best[best]["separable"] and all(one["difference"] <= 0 for one in from_best)
        (single,) = differences(samples[:2], [(0, 1)])
        family = differences(samples, pairs)[0]
        assert single["high"] - single["low"] <= (family["high"] - family["low"]) * 1.01


def test_the_order_of_seeds_and_the_same_call_change_nothing():
    rng = np.random.default_rng(0)
    ease = rng.normal(size=500)
    table = [Method(1.2, 0.1).runs(ease, 3, rng) for _ in range(3)]
    spread = SeedSpread.of([runs.accuracies for runs in table])
    samples = [Sample.of(runs.correct, spread) for runs in table]
    turned = [Sample.of(runs.correct[::-1], spread) for runs in table]
    assert differences_from_best(samples) == differences_from_best(samples)
    for one, other in zip(differences_from_best(samples)[1], differences_from_best(turned)[1], strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_no_difference_exceeds_one():
    (single,) = differences([Sample(np.ones(10)), Sample(np.zeros(10))], [(0, 1)])
    assert (single["difference"], single["high"], single["separable"]) == (1, 1, True) and single["low"] > 0.7


def test_no_statement_without_pairs():
    assert differences([Sample(np.ones(3))], []) == []


def test_mcnemar_counts_only_pairs_in_the_direction_of_the_difference():
    base = np.concatenate([np.ones(500), np.zeros(500)])
    better, worse = base.copy(), base.copy()
    better[500:600], worse[:30] = 1, 0
    assert mcnemar_agreement(np.stack([better, worse]), base) == {"agree": 1, "pairs": 2}
    assert mcnemar_agreement(base, base / 2) is None


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (5, 0), (12, 3), (40, 60), (60, 60), (700, 500)])
def test_mcnemar_is_the_binomial_test_of_discordant_images(wins, losses):
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert mcnemar_p(wins, losses) == pytest.approx(expected) == mcnemar_p(losses, wins)


def untrained(seeds, spread, rng, images=500):
    """Of a model that training left as it was, on seeds of its own (s, n), and of the mean of three initialisations."""
    method, ease = Method(1.0, spread), rng.normal(size=images)
    networks = method.runs(ease, 3, rng).correct
    return method.runs(ease, seeds, rng).correct, networks.mean(axis=0), networks.mean(axis=1).tolist()


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(("spread", "most"), [(0.05, 0.09), (0.1, 0.09), (0.2, 0.09), (0.3, 0.2)])  # 1 to 7 points
def test_one_more_initialisation_is_seldom_called_better_than_the_untrained_network(spread, most, seeds):
    """.05 with a standard error of .013; the last deviates more than twice as much as networks typically do."""
    rng, called = np.random.default_rng(0), []
    for _ in range(300):
        a, network, each = untrained(seeds, spread, rng)
        own = Sample.of(a, SeedSpread.of([a.mean(axis=1).tolist()]))
        variance, df = initialisation_variance(each, float(own.share.mean()), len(own.share), seeds, own.variance)
        called.append(differences([own, Sample(network, variance, df)], [(0, 1)])[0]["separable"])
    assert np.mean(called) < most


def test_a_hundred_rows_take_no_time():
    rng = np.random.default_rng(0)
    samples = [Sample.of(rng.integers(2, size=(3, 10_000)).astype(float)) for _ in range(40)]
    start = time.process_time()
    differences_from_best(samples)
    assert time.process_time() - start < 2
