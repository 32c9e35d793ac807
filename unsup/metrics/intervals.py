"""Intervals over test images and training seeds: of one score, and of the difference between two on the same images."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, stdtrit

from unsup.metrics.variance import initialisation_variance

RESAMPLES = 10_000
LEVEL = 0.95
DIGITS = 7  # of an interval's ends: shares are kept as float32, and 0 would be -1e-9
FINEST = 1_000  # values are told apart to at least this fraction of 1 where no coarser grid holds them all


def bootstrap_interval(correct: NDArray[Any], seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of `correct` (n,): 0/1, or the share of tries that were right."""
    return _interval(_resampled_means(correct, seed))


def paired_difference(
    a: NDArray[Any], b: NDArray[Any], initialisations: Sequence[float] = ()
) -> dict[str, float | bool]:
    """mean(a) - mean(b) for two models on the same test images (n,), with its 95 % paired bootstrap interval.

    `separable`: the interval leaves out 0.

    Args:
        initialisations: where b is the mean of a network's k untrained initialisations, the accuracy of each. The
            question is then whether `a` is more than one further initialisation: the bootstrap's draws get draws of
            Student's t times the deviation of `initialisation_variance` added.

    Raises:
        ValueError: a and b are not of one length, so not of the same images.
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
    """{n, mean, sd, low, high} of a score (s,) over training seeds: sd with ddof 1, 95 % interval by Student's t.

    Only n and mean with one seed: one value says nothing about the spread.
    """
    x = np.asarray(values, dtype=np.float64)
    found = {"n": len(x), "mean": float(x.mean())}
    if len(x) > 1:
        half = float(stdtrit(len(x) - 1, (1 + LEVEL) / 2)) * _standard_error(x)
        found |= {"sd": float(x.std(ddof=1)), "low": found["mean"] - half, "high": found["mean"] + half}
    return found


def paired_over_seeds(a: NDArray[Any], b: NDArray[Any], initialisations: Sequence[float] = ()) -> dict[str, Any]:
    """Mean difference a - b of two methods over their training seeds, on the same test images, with a 95 % interval.

    Two independent sources are added up, and quantiles of the sum taken. Test sampling: the paired bootstrap over
    images of the seed-averaged difference, less what seeds and images do together (another seed errs on other images),
    which the spread of the seeds holds already. Training seeds: resampling three of them would be far too narrow, so
    Student's t with the degrees of freedom of Welch 1947 and Satterthwaite 1946 times the standard error over seeds.
    A side with one seed adds nothing of its own: the interval then holds for that very seed, and `seeds` tells so.
    Coverage of simulated truths, 2 to 10 seeds: .92 to .98, .91 where the seeds of one side alone scatter widely.

    Args:
        a, b: (s_a, n) and (s_b, n): per seed and image 0/1, or the share of tries that were right.
        initialisations: where b (1, n) is the mean of a network's untrained initialisations, the accuracy of each:
            the variance of `initialisation_variance` then joins that over seeds.

    Returns:
        {difference, low, high, separable, seeds: [s_a, s_b]}; separable: the interval leaves out 0. Where both hold
        0 and 1 only, also mcnemar {agree, pairs}: of all pairs of a seed of a and one of b, in how many McNemar's test
        finds p < .05 in the direction of the difference.

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
        images, together = gain.var() / len(gain), sum(_together(x) for x in repeated)
        draws *= np.sqrt(max(0, 1 - together / images)) if images else 1
    few = [(_standard_error(x.mean(axis=1)) ** 2, len(x) - 1) for x in repeated]
    draws += _draws(few + ([initialisation_variance(initialisations, len(a))] if initialisations else []))
    low, high = _interval(difference + draws)
    found: dict[str, Any] = {"difference": difference, "low": low, "high": high, "separable": low > 0 or high < 0}
    found["seeds"] = [len(a), len(b)]
    if all(np.isin(x, (0, 1)).all() for x in (a, b)):
        both = a @ b.T  # (s_a, s_b): images that both get right
        wins, losses = a.sum(axis=1, keepdims=True) - both, b.sum(axis=1) - both
        agree = (mcnemar_p(wins, losses) < 1 - LEVEL) & (np.sign(wins - losses) == np.sign(difference))
        found["mcnemar"] = {"agree": int(agree.sum()), "pairs": agree.size}
    return found


def spearman(x: NDArray[Any], y: NDArray[Any]) -> float | None:
    """Spearman's rank correlation of two vectors (n,), ties by average ranks; None where one of them is constant."""
    a, b = (ranks - ranks.mean() for ranks in (_ranks(x), _ranks(y)))
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size else None


def chance_spearman(n: int, seed: int = 0) -> float:
    """The size that |Spearman's correlation| of n unrelated values reaches with a probability of at most 5 %.

    By permutations. Above 1 where even a perfect agreement happens by chance more often than that (n < 5).
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


def _together(correct: NDArray[np.float64]) -> float:
    """Part of the variance of the mean of (s, n) that seeds and images make together, beyond what each makes alone."""
    seeds, images = correct.shape
    share = correct.mean(axis=0)
    within = (np.vdot(correct, correct) - seeds * (share @ share)) / ((seeds - 1) * images)  # mean variance over seeds
    return max(0.0, float(within - correct.mean(axis=1).var(ddof=1))) / (seeds * images)


def _draws(parts: Sequence[tuple[float, int]]) -> NDArray[np.float64]:
    """How far a difference of means may lie off for want of more seeds: `RESAMPLES` draws.

    Args:
        parts: the variance of each mean, and its degrees of freedom.
    """
    total, over = sum(v for v, _ in parts), sum(v**2 / freedom for v, freedom in parts)
    return _student(round(total**2 / over, 1)) * np.sqrt(total) if over else np.zeros(RESAMPLES)


@cache
def _student(freedom: float) -> NDArray[np.float64]:
    return np.random.default_rng(0).standard_t(freedom, RESAMPLES)


def mcnemar_p(wins: Any, losses: Any) -> Any:
    """Return two-sided p-values of McNemar's exact test, which is binomial (McNemar 1947).

    Args:
        wins: how many images only the first model gets right, as whole numbers in floats of any shape.
        losses: how many only the second model gets right.
    """
    return np.minimum(1, 2 * bdtr(np.minimum(wins, losses), np.asarray(wins + losses, dtype=np.int64), 0.5))


def _ranks(x: NDArray[Any]) -> NDArray[np.float64]:
    """1, 2, …; equal values share the mean of their ranks."""
    _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _bootstrap_quantiles(gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """`RESAMPLES` evenly spaced quantiles of the bootstrap distribution of the mean of `gain` (n,), from low to high.

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
    """z**n by squaring, ten times as fast as through logarithms."""
    found = np.ones_like(z)
    while n:
        if n & 1:
            found = found * z
        z, n = z * z, n >> 1
    return found


def _grid(above: NDArray[np.float64]) -> int:
    """The coarsest grid 1/parts that holds all of these values (k,), up to rounding of float32; 1,000 if none does."""
    for parts in range(1, FINEST):
        steps = above * parts
        if np.abs(steps - np.rint(steps)).max() < 1e-3:
            return parts
    return FINEST


def _resampled_means(values: NDArray[Any], seed: int) -> NDArray[np.float64]:
    """Means of `RESAMPLES` resamples. Only how often each distinct value is drawn matters: a multinomial count."""
    rng = np.random.default_rng(seed)
    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    rows = max(1, 10_000_000 // len(distinct))  # at most 80 MB of counts at a time
    sizes = [min(rows, RESAMPLES - start) for start in range(0, RESAMPLES, rows)]
    return np.concatenate([rng.multinomial(len(values), counts / len(values), n) @ distinct for n in sizes]) / len(
        values
    )
