"""The spread over seeds, pooled over models."""

import numpy as np
import pytest
from scipy.special import polygamma

from unsup.metrics.variance import SeedSpread, initialisation_variance, shrunken_variance


def models(rng, number, seeds, deviation, prior, p=0.9):
    """Accuracies of models whose variances are d₀ s₀² / χ²(d₀), on the scale of p (1 - p)."""
    sigma = deviation * p * (1 - p) * np.sqrt(prior / rng.chisquare(prior, (number, 1)))
    return (p + sigma * rng.normal(size=(number, seeds))).tolist()


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "prior"), [(3, 4), (5, 10)])
def test_typical_deviation_and_prior_are_found_in_many_models(seeds, prior):
    spread = SeedSpread.of(models(np.random.default_rng(0), 60_000, seeds, 0.1, prior))
    assert np.sqrt(spread.variance) == pytest.approx(0.1, rel=0.08)
    assert spread.prior == pytest.approx(prior, rel=0.15) and spread.pooled > 59_000 * (seeds - 1)


def test_few_models_leave_the_prior_near_four():
    rng = np.random.default_rng(0)
    priors = [SeedSpread.of(models(rng, 3, 3, 0.1, 1000)).prior for _ in range(200)]
    assert np.quantile(priors, 0.05) > 2 and max(priors) < 7
    assert SeedSpread.of([[0.9, 0.91, 0.92]]).prior == pytest.approx(4)


def test_models_that_no_seed_changes_do_not_spoil_the_prior():
    usual = models(np.random.default_rng(0), 20, 3, 0.1, 1000)
    assert SeedSpread.of([*usual, [0.9, 0.9, 0.9 + 1e-9], [0.7, 0.7]]) == SeedSpread.of(usual)


def test_what_cannot_be_pooled():
    assert SeedSpread.of([]) is None and SeedSpread.of([[0.9], [0.8]]) is None
    assert SeedSpread.of([[0.9, 0.8]]) is None  # fewer degrees of freedom than three seeds have
    assert SeedSpread.of([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]) is None
    assert SeedSpread.of([[0.9, 0.9, 0.9]]) is None  # no seed changes it


def test_the_variance_of_a_model():
    spread = SeedSpread(0.04, 4.0, 12)  # together worth 1 / (1/4 + 1/12) = 3 degrees of freedom
    assert spread.of_model([0.9]) == (pytest.approx(0.04 * 0.09**2), 3)
    variance, df = spread.of_model([0.88, 0.90, 0.92])
    assert df == 5 and variance == pytest.approx((3 * 0.04 * 0.09**2 + 2 * 0.0004) / 5)
    assert spread.of_model([0.5] * 30)[1] == 12  # no more than all have together


def test_known_shrinkage():
    variance, df = shrunken_variance([0.77, 0.80, 0.83], 0.032)
    assert df == 6 and variance == pytest.approx((4 * 0.032**2 + 2 * 0.03**2) / 6)
    assert shrunken_variance([0.5], 0.1, prior=2.4) == (pytest.approx(0.01), pytest.approx(2.4))


def test_the_spread_over_initialisations():
    each = [0.77, 0.80, 0.83]
    shrunk = (4 * 0.032**2 + 2 * 0.03**2) / 6  # .2 p (1 - p) = .032
    at = {"own": 0.8, "images": 10**9}
    assert initialisation_variance(each, **at, seeds=1) == (pytest.approx(shrunk * 4 / 3), 6)
    assert initialisation_variance(each, **at, seeds=2) == (pytest.approx(shrunk / 3), 6)
    assert initialisation_variance([0.8], **at, seeds=1) == (pytest.approx(2 * 0.032**2), 4)
    assert initialisation_variance(each, **at, seeds=1, counted=shrunk / 2)[0] == pytest.approx(shrunk / 3 + shrunk / 2)
    assert initialisation_variance(each, **at, seeds=1, counted=2 * shrunk)[0] == pytest.approx(shrunk / 3)


@pytest.mark.parametrize(("own", "images"), [(0.994, 500), (1.0, 500), (0.5, 20), (0.0, 20)])
def test_luck_of_initialisations_is_judged_on_the_logit_scale(own: float, images: int) -> None:
    each, with_half = [0.92, 0.935, 0.95], [(p * images + 0.5) / (images + 1) for p in (own, 0.935)]
    variance, _ = initialisation_variance(each, own, images, seeds=1)
    of_logits = initialisation_variance(each, 0.935, 10**9, seeds=1)[0] / (0.935 * 0.065) ** 2
    logits = np.log(with_half) - np.log1p(-np.array(with_half))
    assert (with_half[0] - with_half[1]) / np.sqrt(variance) == pytest.approx(
        (logits[0] - logits[1]) / np.sqrt(of_logits), rel=1e-6
    )


def test_initialisations_that_are_always_right_have_no_variance() -> None:
    assert initialisation_variance([1.0, 1.0], 0.9, 500, seeds=1)[0] == 0


@pytest.mark.parametrize("df", [0.5, 2, 9.5, 400])
def test_the_estimate_of_the_prior_inverts_the_trigamma_function(df):
    from unsup.metrics.variance import _inverse_trigamma

    assert _inverse_trigamma(float(polygamma(1, df / 2))) == pytest.approx(df / 2)
