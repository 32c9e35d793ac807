"""Intervals of scores and differences over test images and training seeds.

`bootstrap_interval`, and so `paired_difference` without initialisations, resamples; every other interval over images is
from the exact bootstrap. They agree up to chance; both stay because stored reports hold numbers of both.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, stdtrit

from unsup.metrics.variance import initialisation_variance

RESAMPLES = 10_000
LEVEL = 0.95
DIGITS = 7  # of an interval's ends, because shares are float32 and 0 would be -1e-9
FINEST = 1_000  # parts of 1 that values are rounded to if no coarser grid holds them all


def bootstrap_interval(correct: NDArray[Any], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean of `correct` (n,)."""
    return _interval(_resampled_means(correct, seed))


def paired_difference(
    a: NDArray[Any], b: NDArray[Any], initialisations: Sequence[float] = ()
) -> dict[str, float | bool]:
    """Return mean(a) - mean(b) with its 95 % paired bootstrap interval.

    It is `separable` if the interval excludes 0.

    Args:
        a: (n,) 0/1, or the share of correct draws, of each test image.
        b: the same of another model on the same images.
        initialisations: if b is the mean of a network's k untrained initialisations, the accuracy of each. The question
            is then whether `a` differs from one further initialisation: the bootstrap's draws are extended by draws of
            Student's t times the deviation of `initialisation_variance`.

    Raises:
        ValueError: a and b differ in length, so they are not of the same images.
    """
    if len(a) != len(b):
        raise ValueError(f"paired_difference: {len(a)} and {len(b)} images: both must be scored on the same ones")
    gain = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    if initialisations:
        low, high = _interval(_bootstrap_quantiles(gain) + _draws([initialisation_variance(initialisations, 1)]))
    else:
        low, high = bootstrap_interval(gain)
    return {"difference": float(gain.mean()), "low": low, "high": high, "separable": low > 0 or high < 0}


def seeds_interval(values: Sequence[float]) -> dict[str, float]:
    """Return {n, mean, sd, low, high} of a score (s,) over training seeds.

    sd has ddof 1, the 95 % interval is by Student's t. One seed gives only n and mean.
    """
    x = np.asarray(values, dtype=np.float64)
    scores = {"n": len(x), "mean": float(x.mean())}
    if len(x) > 1:
        half = float(stdtrit(len(x) - 1, (1 + LEVEL) / 2)) * _standard_error(x)
        scores |= {"sd": float(x.std(ddof=1)), "low": scores["mean"] - half, "high": scores["mean"] + half}
    return scores


def paired_over_seeds(a: NDArray[Any], b: NDArray[Any], initialisations: Sequence[float] = ()) -> dict[str, Any]:
    """Return the mean difference of two methods over seeds with a 95 % interval.

    The interval holds quantiles of the sum of two independent sources. The first is test sampling: the paired bootstrap
    over images of the seed-averaged difference, less the interaction of seeds and images (another seed errs on other
    images), which the spread of the seeds includes already. The second is training seeds: resampling three of them
    would be far too narrow, so Student's t with the degrees of freedom of Welch 1947 and Satterthwaite 1946 times the
    standard error over seeds. A side with one seed adds nothing: the interval then holds for that very seed, and
    `seeds` says so. Coverage of simulated truths, 2 to 10 seeds: .91 to .98, least if only one side's seeds scatter
    widely.

    Args:
        a: (s_a, n) 0/1, or the share of correct draws, of each seed and test image.
        b: (s_b, n) the same of another method on the same images.
        initialisations: if b (1, n) is the mean of a network's untrained initialisations, the accuracy of each: the
            variance of `initialisation_variance` is added to that over seeds.

    Returns:
        {difference, low, high, separable, seeds: [s_a, s_b]}; separable: the interval excludes 0. If both hold only 0
        and 1, also mcnemar {agree, pairs}: of all pairs of a seed of a and one of b, in how many McNemar's test finds
        p < .05 in the direction of the difference.

    Raises:
        ValueError: a and b are not of the same images.
    """
    a, b = (np.atleast_2d(np.asarray(x, dtype=np.float64)) for x in (a, b))
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"paired_over_seeds: {a.shape[1]} and {b.shape[1]} images: both must be of the same ones")
    gain = a.mean(axis=0) - b.mean(axis=0)
    difference = float(gain.mean())
    draws = _bootstrap_quantiles(gain) - difference
    if repeated := [x for x in (a, b) if len(x) > 1]:
        images, interaction = gain.var() / len(gain), sum(_interaction_variance(x) for x in repeated)
        draws *= np.sqrt(max(0, 1 - interaction / images)) if images else 1
    seed_variances = [(_standard_error(x.mean(axis=1)) ** 2, len(x) - 1) for x in repeated]
    if initialisations:
        seed_variances.append(initialisation_variance(initialisations, len(a)))
    draws += _draws(seed_variances)
    low, high = _interval(difference + draws)
    comparison: dict[str, Any] = {"difference": difference, "low": low, "high": high, "separable": low > 0 or high < 0}
    comparison["seeds"] = [len(a), len(b)]
    if all(np.isin(x, (0, 1)).all() for x in (a, b)):
        both = a @ b.T  # (s_a, s_b): images that both get right
        wins, losses = a.sum(axis=1, keepdims=True) - both, b.sum(axis=1) - both
        agree = (mcnemar_p(wins, losses) < 1 - LEVEL) & (np.sign(wins - losses) == np.sign(difference))
        comparison["mcnemar"] = {"agree": int(agree.sum()), "pairs": agree.size}
    return comparison


def spearman(x: NDArray[Any], y: NDArray[Any]) -> float | None:
    """Return Spearman's rank correlation of two vectors (n,), None if one is constant."""
    a, b = (ranks - ranks.mean() for ranks in (_ranks(x), _ranks(y)))
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size else None


def chance_spearman(n: int, seed: int = 0) -> float:
    """Return the critical value of |Spearman's ρ| at the 5 % level for n pairs.

    It is found by permutations. It exceeds 1 if even a perfect agreement happens by chance more often than that (n <
    5).
    """
    ranks = np.arange(n) - (n - 1) / 2
    drawn = np.random.default_rng(seed).permuted(np.tile(ranks, (RESAMPLES, 1)), axis=1)
    sizes, counts = np.unique(np.abs((drawn @ ranks / (ranks @ ranks)).round(9)), return_counts=True)
    rare = sizes[counts[::-1].cumsum()[::-1] <= (1 - LEVEL) * RESAMPLES]  # P(|r| >= size) <= 5 %
    return float(rare[0]) if len(rare) else float("inf")


def _interval(means: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return round(float(low), DIGITS), round(float(high), DIGITS)


def _standard_error(x: NDArray[np.float64]) -> float:
    return float(x.std(ddof=1) / np.sqrt(len(x)))


def _interaction_variance(correct: NDArray[np.float64]) -> float:
    """Return the variance of the mean of (s, n) due to seeds and images jointly."""
    seeds, images = correct.shape
    share = correct.mean(axis=0)
    within = (np.vdot(correct, correct) - seeds * (share @ share)) / ((seeds - 1) * images)  # mean variance over seeds
    return max(0.0, float(within - correct.mean(axis=1).var(ddof=1))) / (seeds * images)


def _draws(variances: Sequence[tuple[float, int]]) -> NDArray[np.float64]:
    """Draw `RESAMPLES` errors of a sum of means, from (variance, degrees of freedom)."""
    total, squares = sum(v for v, _ in variances), sum(v**2 / df for v, df in variances)
    return _student(round(total**2 / squares, 1)) * np.sqrt(total) if squares else np.zeros(RESAMPLES)


@cache
def _student(df: float) -> NDArray[np.float64]:
    return np.random.default_rng(0).standard_t(df, RESAMPLES)


def mcnemar_p(wins: Any, losses: Any) -> Any:
    """Return two-sided p-values of McNemar's exact, binomial test (McNemar 1947).

    `wins` and `losses` count the images that only one model gets right, as whole numbers in floats of any shape.
    """
    return np.minimum(1, 2 * bdtr(np.minimum(wins, losses), np.asarray(wins + losses, dtype=np.int64), 0.5))


def _ranks(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return ranks from 1, averaged over ties, without importing scipy.stats."""
    _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _bootstrap_quantiles(gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `RESAMPLES` even quantiles of the bootstrap of the mean of `gain` (n,).

    A sum of n draws is distributed as the n-fold convolution of the values with themselves, which is a power of their
    Fourier transform: exactly what resampling approaches, in well under a millisecond. The values are whole multiples
    of a step (shares of seeds and draws); the sum is known up to multiples of a window of 16 standard deviations.
    """
    n = len(gain)
    distinct, counts = np.unique(gain, return_counts=True)
    above = distinct - distinct[0]
    parts = _grid(above)
    steps = np.rint(above * parts).astype(np.int64)
    p = counts / n
    centre = n * (p @ steps)
    spread = np.sqrt(n * max(0.0, p @ steps**2 - (p @ steps) ** 2))
    window = 1 << int(np.ceil(np.log2(16 * spread + 16)))
    once = np.bincount(steps % window, p, window)
    lowest = int(centre) - window // 2
    chances = np.roll(np.fft.irfft(_power(np.fft.rfft(once), n), window), -lowest)
    times = np.diff(np.rint(chances.clip(min=0).cumsum() * RESAMPLES).astype(np.int64), prepend=0)
    return float(gain.mean()) + np.repeat((lowest - centre + np.arange(window)) / (n * parts), times)


def _power(z: NDArray[np.complex128], n: int) -> NDArray[np.complex128]:
    """Return z**n by squaring, ten times as fast as through logarithms."""
    power = np.ones_like(z)
    while n:
        if n & 1:
            power = power * z
        z, n = z * z, n >> 1
    return power


def _grid(above: NDArray[np.float64]) -> int:
    """Return the coarsest grid 1/parts that holds all values (k,), at most 1,000."""
    for parts in range(1, FINEST):
        steps = above * parts
        if np.abs(steps - np.rint(steps)).max() < 1e-3:
            return parts
    return FINEST


def _resampled_means(values: NDArray[Any], seed: int) -> NDArray[np.float64]:
    """Return means of resamples, from multinomial counts of the distinct values."""
    rng = np.random.default_rng(seed)
    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    rows = max(1, 10_000_000 // len(distinct))  # at most 80 MB of counts at a time
    sizes = [min(rows, RESAMPLES - start) for start in range(0, RESAMPLES, rows)]
    return np.concatenate([rng.multinomial(len(values), counts / len(values), n) @ distinct for n in sizes]) / len(
        values
    )
