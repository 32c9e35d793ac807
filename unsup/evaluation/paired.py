"""Intervals from resampling the test images: of one score, and of the difference between two on the same images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
LEVEL = 0.95


def bootstrap_interval(correct: NDArray[Any], seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of `correct` (n,): 0/1, or the share of tries that were right."""
    low, high = np.quantile(_resampled_means(correct, seed), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def paired_difference(a: NDArray[Any], b: NDArray[Any]) -> dict[str, float | bool]:
    """mean(a) - mean(b) for two models on the same test images (n,), with its 95 % paired bootstrap interval.

    `separable`: the interval leaves out 0.

    Raises:
        ValueError: a and b are not of one length, so not of the same images.
    """
    if len(a) != len(b):
        raise ValueError(f"paired_difference: {len(a)} and {len(b)} images: both must be scored on the same ones")
    gain = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    low, high = bootstrap_interval(gain)
    return {"difference": float(gain.mean()), "low": low, "high": high, "separable": low > 0 or high < 0}


def _resampled_means(values: NDArray[Any], seed: int) -> NDArray[np.float64]:
    """Means of `RESAMPLES` resamples. Only how often each distinct value is drawn matters: a multinomial count."""
    rng = np.random.default_rng(seed)
    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    rows = max(1, 10_000_000 // len(distinct))  # at most 80 MB of counts at a time
    sizes = [min(rows, RESAMPLES - start) for start in range(0, RESAMPLES, rows)]
    return np.concatenate([rng.multinomial(len(values), counts / len(values), n) @ distinct for n in sizes]) / len(
        values
    )
