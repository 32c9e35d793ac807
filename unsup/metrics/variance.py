"""Variance estimates from very few values, shrunk towards a typical one."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from scipy.special import digamma, logit, polygamma

PRIOR = 4.0  # degrees of freedom that a typical deviation is worth where they cannot be estimated
INITIALISED = 0.2  # typical deviation of an untrained network's accuracy p over initialisations, in units of p (1 - p)
PRIOR_MODELS = 5  # models that PRIOR counts as when degrees of freedom are estimated
SMALLEST = 0.001  # of the median: a smaller variance is luck of rounded scores
UNCHANGED = 1e-6  # deviation of accuracies that differ by rounding alone
LEAST_DF = 2  # degrees of freedom that an interval needs: as many as three seeds have


class SeedSpread(NamedTuple):
    """The typical variance of an accuracy over training seeds, pooled over models.

    It is on the logit scale: the variance of an accuracy p is that times (p (1 - p))².
    """

    variance: float  # s₀²
    prior: float  # d₀, the degrees of freedom it is worth for one model
    pooled: int  # degrees of freedom of all models together, which no estimate can exceed

    @classmethod
    def of(cls, models: Sequence[Sequence[float]]) -> Self | None:
        """Estimate it from the accuracies of models, each over its own seeds.

        As in Smyth 2004 (doi:10.2202/1544-6115.1027, section 6.2): with s_g² and d_g = k_g - 1 of model g,
        e_g = log s_g² - ψ(d_g/2) + log(d_g/2) has the mean log s₀² - ψ(d₀/2) + log(d₀/2) and, between models, the
        variance ψ'(d₀/2) in addition to ψ'(d_g/2). With a single model d₀ = PRIOR. Models that no seed changes are
        left out, as are those that are always right or always wrong. None if the others have fewer degrees of freedom
        together than three seeds.
        """
        arrays = [np.asarray(x, dtype=np.float64) for x in models if len(x) > 1 and 0 < np.mean(x) < 1]
        arrays = [x for x in arrays if x.std() > UNCHANGED]
        variances = np.array([x.var(ddof=1) / (x.mean() * (1 - x.mean())) ** 2 for x in arrays])
        df = np.array([len(x) - 1 for x in arrays])
        pooled = int(df.sum())
        if pooled < LEAST_DF:
            return None
        logs = np.log(np.maximum(variances, SMALLEST * np.median(variances)))
        logs -= digamma(df / 2) - np.log(df / 2)
        between = float(logs.var(ddof=1) - polygamma(1, df / 2).mean()) if len(logs) > 1 else 0.0
        expected, others = float(polygamma(1, PRIOR / 2)), len(logs) - 1
        prior = 2 * _inverse_trigamma((others * max(0.0, between) + PRIOR_MODELS * expected) / (others + PRIOR_MODELS))
        return cls(float(np.exp(logs.mean() + digamma(prior / 2) - np.log(prior / 2))), prior, pooled)

    def of_model(self, accuracies: Sequence[float]) -> tuple[float, float]:
        """Return the variance of one seed's accuracy of a model, and its df."""
        p = float(np.mean(accuracies))
        known = 1 / (1 / self.prior + 1 / self.pooled)  # models differ, and their typical variance is an estimate
        variance, df = shrunken_variance(accuracies, np.sqrt(self.variance) * p * (1 - p), known)
        return variance, min(df, self.pooled)


def shrunken_variance(values: Sequence[float], typical: float, prior: float = PRIOR) -> tuple[float, float]:
    """Return the variance s̃² of values (k,), k = 1, 2, …, and its degrees of freedom.

    As in Smyth 2004 (doi:10.2202/1544-6115.1027, equation 1): s̃² = (d₀ s₀² + (k - 1) s²) / (d₀ + k - 1), with
    d₀ + k - 1 degrees of freedom; s² is the variance of the values (ddof 1), s₀ the typical deviation, d₀ the prior.
    """
    df = prior + len(values) - 1
    return (prior * typical**2 + len(values) * float(np.var(values))) / df, df


def initialisation_variance(
    accuracies: Sequence[float], own: float, images: int, seeds: int, counted: float = 0.0
) -> tuple[float, float]:
    """Return the variance due to few initialisations, and its degrees of freedom.

    It is that of (a model's accuracy - the mean of these): s̃²/k for k initialisations. A model of one seed started
    from one more draw of the same distribution: if training did nothing, it differs by s̃² (1 + 1/k), the variance of a
    prediction. Several seeds show their own spread. s̃² is `shrunken_variance` with s₀ = INITIALISED · p (1 - p) at the
    mean accuracy p. In this unit, ten initialisations each of seven architectures on digits deviate by 0.09 to 0.31
    (linear probe) and 0.02 to 0.24 (10 labels per class), with a root mean square of 0.2; four each of five
    architectures on MNIST by 0.05 to 0.18 (ridge probe). s̃² includes some of the test sampling, which the interval
    counts again: it is rather too wide.

    Luck is judged on the logit scale, where the deviation of an accuracy hardly depends on it: a deviation of .012 at
    .935 does not reach .994. p (1 - p) gives way to the slope between the two accuracies (`logit_slope`), so that the
    interval of the difference excludes 0 where the one of logits does.

    Args:
        accuracies: (k,) of the initialisations, on the same test images as the model's.
        own: the model's accuracy.
        images: the number of test images.
        seeds: the number of seeds of the model.
        counted: the variance of the model's seed that the interval has already; the larger of the two counts.
    """
    p, k = float(np.mean(accuracies)), len(accuracies)
    variance, df = shrunken_variance(accuracies, INITIALISED * p * (1 - p))
    if 0 < p < 1:
        variance *= (logit_slope(p, own, images) / (p * (1 - p))) ** 2
    return variance / k + (max(0.0, variance - counted) if seeds == 1 else 0.0), df


def logit_slope(a: float, b: float, images: int) -> float:
    """Return how fast an accuracy grows with its logit between two accuracies.

    It is p (1 - p) if they are equal. Half an image is added to the right and to the wrong ones, as the logits of 0 and
    1 are infinite.
    """
    a, b = ((p * images + 0.5) / (images + 1) for p in (a, b))
    distance = float(logit(a) - logit(b))
    return (a - b) / distance if abs(distance) > UNCHANGED else a * (1 - a)


def _inverse_trigamma(value: float) -> float:
    """Return x with ψ'(x) = value, by Newton's method on 1/ψ' (Smyth 2004, appendix)."""
    x = 0.5 + 1 / value
    for _ in range(30):  # converges from below, in five or so
        trigamma = polygamma(1, x)
        x += trigamma * (1 - trigamma / value) / polygamma(2, x)
    return float(x)
