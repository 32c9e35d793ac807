"""Intervals of accuracies over test images and seeds, and rank correlations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from unsup.metrics.variance import LEAST_DF, SeedSpread

RESAMPLES = 10_000
LEVEL = 0.95
DIGITS = 7  # of an interval's ends, because shares are float32 and 0 would be -1e-9


def accuracy_interval(correct: NDArray[Any]) -> tuple[float, float]:
    """Return Wilson's 95 % interval of the mean of `correct` (n,) over test images.

    It is symmetric on the logit scale and never leaves [0, 1] (Wilson 1927; Newcombe 2001). Shares of several networks
    or draws count as the number of 0/1 images with the same variance.
    """
    values = np.asarray(correct, dtype=np.float64)
    return _wilson(float(values.mean()), float(values.var() / len(values)), len(values), float(ndtri((1 + LEVEL) / 2)))


def seeds_interval(values: Sequence[float]) -> dict[str, float]:
    """Return {n, mean, sd, low, high} of a score (s,) over training seeds.

    sd has ddof 1 and needs two seeds. The 95 % interval is by Student's t and needs three: with two seeds it would be
    18 standard deviations wide.
    """
    x = np.asarray(values, dtype=np.float64)
    scores = {"n": len(x), "mean": float(x.mean())}
    if len(x) > 1:
        scores["sd"] = float(x.std(ddof=1))
    if len(x) > LEAST_DF:
        half = float(stdtrit(len(x) - 1, (1 + LEVEL) / 2)) * scores["sd"] / np.sqrt(len(x))
        scores |= {"low": scores["mean"] - half, "high": scores["mean"] + half}
    return scores


def accuracy_over_seeds(values: Sequence[float], spread: SeedSpread | None) -> dict[str, float]:
    """Return {n, mean, sd, low, high} of an accuracy (s,) over training seeds.

    The 95 % interval is on the logit scale, that of Wilson for the variance of the mean over seeds, with Student's t.
    It is of the mean over all seeds on the same test images. The variance is shrunk towards that of other models, but
    fewer than three seeds have no interval, as all without `spread`.
    """
    scores = {key: value for key, value in seeds_interval(values).items() if key in ("n", "mean", "sd")}
    if spread is not None and len(values) > LEAST_DF:
        variance, df = spread.of_model(values)
        t = float(stdtrit(df, (1 + LEVEL) / 2))
        low, high = _wilson(scores["mean"], variance / len(values), np.inf, t)
        scores |= {"low": low, "high": high}
    return scores


def accuracy_over_draws(correct: NDArray[Any]) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy over test images and draws of labels.

    It is Wilson's for the variance of both, with a quantile between that of the normal distribution and that of
    Student's t, weighted by their parts of the variance.

    Args:
        correct: (draws, n) whether a probe of each draw, of two or more, is right on each test image.
    """
    by_draw, share = correct.mean(axis=1), correct.mean(axis=0)
    images, draws = float(share.var() / len(share)), float(by_draw.var(ddof=1) / len(by_draw))
    at, variance = (1 + LEVEL) / 2, images + draws
    weighted = images * ndtri(at) + draws * stdtrit(len(by_draw) - 1, at)
    quantile = float(weighted / variance) if variance > 0 else float(ndtri(at))
    return _wilson(float(share.mean()), variance, len(share), quantile)


def _wilson(p: float, variance: float, images: float, quantile: float) -> tuple[float, float]:
    """Return Wilson's interval of p with this variance.

    Args:
        p: the mean, in [0, 1].
        variance: of it.
        images: what `p` is a mean of, which counts if the variance is 0.
        quantile: of the normal distribution or Student's t.
    """
    n = p * (1 - p) / variance if variance > 0 else images
    weight = quantile**2 / n
    centre = (p + weight / 2) / (1 + weight)
    half = quantile * np.sqrt(p * (1 - p) / n + weight / (4 * n)) / (1 + weight)
    return round(max(0.0, float(centre - half)), DIGITS), round(min(1.0, float(centre + half)), DIGITS)


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


def _ranks(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return ranks from 1, averaged over ties, without importing scipy.stats."""
    _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
