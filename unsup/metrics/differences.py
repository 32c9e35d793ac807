"""Differences of accuracies on the same test images, one or a family at a time.

The interval of a difference d is d ± Σ vₛ tₛ / sqrt(Σ vₛ). The sum is over the chances that are in it: test images (the
variance of the paired bootstrap), training seeds and draws of few labels. vₛ is the variance due to one of them and tₛ
the quantile of Student's t with its own degrees of freedom (Cochran & Cox 1950): a variance that was shrunk towards
that of other models makes an error of Student's t, and a sum of two such errors has not the lighter tails of Welch's t.
The quantile is that at Φ(q). q is 1.96 for one planned difference; for a family it is the 95 % quantile of the largest
|standardised difference| (max-t), so that all its intervals hold together. A difference is called separable if and only
if its interval excludes 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtr, ndtri, stdtrit

from unsup.metrics.intervals import DIGITS, LEVEL, RESAMPLES
from unsup.metrics.variance import SeedSpread

Pair = tuple[int, int]  # positions of two samples
PLANNED = float(ndtri((1 + LEVEL) / 2))  # q of a single difference
QUANTILES = np.linspace(PLANNED, 6, 42)  # q of the largest of many lies between two of them


@dataclass(frozen=True)
class Sample:
    """The accuracy of a model or baseline, and what chance did to it.

    Attributes:
        share: (n,) how often each test image was classified correctly, over its seeds and draws.
        variance: of the mean over training seeds; 0 if it is about these very runs.
        df: degrees of freedom of `variance`.
        interaction: variance of the mean due to seeds and images jointly (another seed errs on other images), which
            `variance` and the images' variance both hold.
        draws: (k,) accuracy with each draw of few labels, the same draws in all samples; empty without draws.
    """

    share: NDArray[np.float64]
    variance: float = 0.0
    df: float = np.inf
    interaction: float = 0.0
    draws: Sequence[float] = field(default=())

    @classmethod
    def of(
        cls,
        correct: NDArray[Any],
        spread: SeedSpread | None = None,
        interaction: float = 0.0,
        draws: Sequence[float] = (),
    ) -> Self:
        """Return the sample of a model over its seeds.

        Args:
            correct: (s, n) 0/1, or the share of correct draws, of each seed and test image.
            spread: of seeds of such models; None if it is about these very runs.
            interaction: `typical_interaction`, for a model of one seed.
            draws: as in the attributes.
        """
        correct = np.atleast_2d(np.asarray(correct, dtype=np.float64))
        share, seeds = correct.mean(axis=0), len(correct)
        if spread is None:
            return cls(share, draws=draws)
        variance, df = spread.of_model(correct.mean(axis=1).tolist())
        joint = interaction * share.mean() * (1 - share.mean()) if seeds == 1 else _interaction(correct)
        return cls(share, variance / seeds, df, min(joint / len(share), variance) / seeds, draws)


def typical_interaction(models: Sequence[NDArray[Any]]) -> float:
    """Return the mean variance due to seeds and images jointly, over p (1 - p).

    Args:
        models: (s, n) each, 0/1 or shares; those of one seed tell nothing.
    """
    arrays = [np.asarray(correct, dtype=np.float64) for correct in models if len(correct) > 1]
    shares = [_interaction(x) / (x.mean() * (1 - x.mean())) for x in arrays if 0 < x.mean() < 1]
    return float(np.mean(shares)) if shares else 0.0


def differences(samples: Sequence[Sample], pairs: Sequence[Pair], among: Sequence[Pair] = ()) -> list[dict[str, Any]]:
    """Return {difference, low, high, separable} of accuracies for pairs (i, j).

    The difference is that of i minus j. The intervals hold together with a probability of 95 %. A single pair has its
    own, plain interval.

    Args:
        samples: on the same images, in the same order.
        pairs: which ones are compared.
        among: the family, if `pairs` was chosen among more after looking at the accuracies.

    Raises:
        ValueError: the samples are not of the same images.
    """
    if len({len(sample.share) for sample in samples}) > 1:
        raise ValueError(f"samples of {sorted({len(s.share) for s in samples})} images: all must be of the same ones")
    if not pairs:
        return []
    errors = _Errors.of(samples)
    family = among or pairs
    quantiles = errors.quantiles(PLANNED if len(family) == 1 else errors.largest(family))
    means = [float(sample.share.mean()) for sample in samples]
    results = []
    for i, j in pairs:
        difference, half = means[i] - means[j], float(errors.half_width((i, j), quantiles))
        low, high = round(max(-1.0, difference - half), DIGITS), round(min(1.0, difference + half), DIGITS)
        results.append({"difference": difference, "low": low, "high": high, "separable": low > 0 or high < 0})
    return results


def differences_from_best(samples: Sequence[Sample]) -> tuple[int, list[dict[str, Any]]]:
    """Return the position of the best sample and the difference of each from it.

    The best one is chosen by the same accuracies, and may be any. The intervals therefore hold for all pairs together
    (Tukey's method with max-t): if all are equal, one of them is called separable in 5 of 100 cases.
    """
    best = int(np.argmax([sample.share.mean() for sample in samples]))
    everything = [(i, j) for i in range(len(samples)) for j in range(i)]
    return best, differences(samples, [(i, best) for i in range(len(samples))], everything)


@dataclass(frozen=True)
class _Errors:
    """Covariances (m, m) of the errors of m accuracies, by source."""

    images: NDArray[np.float64]
    draws: NDArray[np.float64]
    draws_df: int
    seeds: NDArray[np.float64]  # (m,) variances, independent of each other
    seeds_df: NDArray[np.float64]  # (m,)
    floor: float  # least variance of a difference due to images

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Self:
        """Return the covariances of the paired bootstrap, seeds and draws.

        Two images are added to those that only one of two models gets right, one for each (Bonett & Price 2012,
        doi:10.3102/1076998611411915): without them four images of 500 would be separable, by McNemar's exact test p =
        .125.
        """
        share = np.stack([sample.share for sample in samples])
        m, n = share.shape
        share = share - share.mean(axis=1, keepdims=True)
        images = share @ share.T / n**2 - np.diag([sample.interaction for sample in samples])
        k = min(len(sample.draws) for sample in samples)
        draws = np.atleast_2d(np.cov([sample.draws for sample in samples])) / k if k > 1 else np.zeros((m, m))
        seeds, df = ([sample.variance for sample in samples], [sample.df for sample in samples])
        return cls(images + np.eye(m) / n**2, draws, k - 1, np.array(seeds), np.array(df), 2 / n**2)

    def quantiles(self, q: float | NDArray[np.float64]) -> "_Quantiles":
        """Return the quantiles at Φ(q)."""
        at = ndtr(q)
        draws = stdtrit(max(1, self.draws_df), at)
        return _Quantiles(q, draws, [stdtrit(df, at) if df < np.inf else q for df in self.seeds_df])

    def half_width(self, pair: Pair, quantiles: "_Quantiles") -> Any:
        """Return half the width of the intervals with these quantiles."""
        i, j = pair
        images, draws = max(self.floor, _contrast(self.images, pair)), max(0.0, _contrast(self.draws, pair))
        weighted = images * quantiles.images + draws * quantiles.draws
        weighted += self.seeds[i] * quantiles.seeds[i] + self.seeds[j] * quantiles.seeds[j]
        return weighted / np.sqrt(images + draws + self.seeds[i] + self.seeds[j])

    def largest(self, family: Sequence[Pair]) -> float:
        """Return the 95 % quantile of the largest |standardised difference|, or PLANNED.

        Errors due to images are normal with the covariance of the bootstrap (Chernozhukov, Chetverikov & Kato 2013,
        doi:10.1214/13-AOS1161), those due to seeds and draws are Student's t. A difference is put on the normal scale
        by the width of its own interval.
        """
        rng = np.random.default_rng(0)
        errors = _normal(self.images, rng) + np.sqrt(self.seeds)[:, None] * _student(self.seeds_df[:, None], rng)
        if self.draws.any():
            errors += _normal(self.draws, rng) * np.sqrt(self.draws_df / rng.chisquare(self.draws_df, RESAMPLES))
        largest, quantiles = np.full(RESAMPLES, PLANNED), self.quantiles(QUANTILES)
        for i, j in family:
            widths, error = self.half_width((i, j), quantiles), np.abs(errors[i] - errors[j])
            wide = np.flatnonzero(error > widths[0])
            largest[wide] = np.maximum(largest[wide], np.interp(error[wide], widths, QUANTILES))
        return float(np.quantile(largest, LEVEL))


class _Quantiles(NamedTuple):
    """Quantiles of the errors due to each source, all numbers or all (q,)."""

    images: Any  # of the normal distribution
    draws: Any  # of Student's t
    seeds: Sequence[Any]  # of Student's t, for each sample


def _normal(covariance: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw (m, RESAMPLES) normal errors.

    Negative eigenvalues count as 0. The symmetric root, unlike others, hardly moves with the last bits of the
    covariance.
    """
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(values.clip(min=0)) @ vectors.T
    return root @ rng.standard_normal((len(values), RESAMPLES))


def _student(df: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw (m, RESAMPLES) of Student's t with df (m, 1), which may be infinite."""
    size = (len(df), RESAMPLES)
    chi = np.where(np.isinf(df), 1.0, rng.chisquare(np.where(np.isinf(df), 1.0, df), size) / df)
    return rng.standard_normal(size) / np.sqrt(chi)


def _contrast(covariance: NDArray[np.float64], pair: Pair) -> float:
    i, j = pair
    return float(covariance[i, i] + covariance[j, j] - 2 * covariance[i, j])


def _interaction(correct: NDArray[np.float64]) -> float:
    """Return the variance of one seed on one image that is due to both jointly."""
    seeds, images = correct.shape
    share = correct.mean(axis=0)
    within = (np.vdot(correct, correct) - seeds * (share @ share)) / ((seeds - 1) * images)  # mean variance over seeds
    return max(0.0, float(within - correct.mean(axis=1).var(ddof=1)))


def mcnemar_agreement(a: NDArray[Any], b: NDArray[Any]) -> dict[str, int] | None:
    """Return {agree, pairs} of McNemar's exact tests.

    Of all pairs of a seed of `a` (s_a, n) and one of `b` (s_b, n), in how many it finds p < .05 in the direction of the
    difference of means. None unless both hold only 0 and 1.
    """
    a, b = (np.atleast_2d(np.asarray(x, dtype=np.float64)) for x in (a, b))
    if not all(np.isin(x, (0, 1)).all() for x in (a, b)):
        return None
    both = a @ b.T  # (s_a, s_b): images that both get right
    wins, losses = a.sum(axis=1, keepdims=True) - both, b.sum(axis=1) - both
    agree = (mcnemar_p(wins, losses) < 1 - LEVEL) & (np.sign(wins - losses) == np.sign(a.mean() - b.mean()))
    return {"agree": int(agree.sum()), "pairs": agree.size}


def mcnemar_p(wins: Any, losses: Any) -> Any:
    """Return two-sided p-values of McNemar's exact, binomial test (McNemar 1947).

    `wins` and `losses` count the images that only one model gets right, as whole numbers in floats of any shape.
    """
    return np.minimum(1, 2 * bdtr(np.minimum(wins, losses), np.asarray(wins + losses, dtype=np.int64), 0.5))
