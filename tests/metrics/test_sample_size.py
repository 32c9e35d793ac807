"""The number of images of a paired comparison is that of published programs, and finds what it promises."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from unsup.metrics.sample_size import images_needed


def power(n: int, disagreement: float, difference: float) -> float:
    """Probability that McNemar's test without correction is significant, summed over all outcomes."""
    m = np.arange(1, n + 1)  # images that the two disagree about
    total = 0.0
    for count, chance in zip(m, binom.pmf(m, n, disagreement), strict=True):
        first = np.arange(count + 1)
        significant = np.abs(2 * first - count) / np.sqrt(count) >= norm.ppf(0.975)
        total += chance * binom.pmf(first, count, (1 + difference / disagreement) / 2)[significant].sum()
    return total


def test_published_values() -> None:
    assert images_needed(0.05 + 0.45, 0.4) == 23  # 22.0 in the tests of the R package MESS, which rounds
    assert images_needed(0.3, 0.1) == 234  # by hand: (1.95996 · 0.54772 + 0.84162 · 0.53852)² / 0.01 = 233.1
    assert images_needed(0.3, 0.2) == 57


@pytest.mark.parametrize(("disagreement", "difference"), [(0.2, 0.1), (0.3, 0.1), (0.5, 0.1), (0.3, 0.2), (0.5, 0.2)])
def test_the_test_has_the_stated_power(disagreement: float, difference: float) -> None:
    n = images_needed(disagreement, difference)
    assert power(n, disagreement, difference) == pytest.approx(0.8, abs=0.04)


def test_more_images_for_smaller_differences_and_more_disagreement() -> None:
    assert images_needed(0.3, 0.1) > images_needed(0.2, 0.1) > images_needed(0.2, 0.2)
    assert images_needed(0.2, 0.2) > 0  # all disagreement in one direction
    assert images_needed(0.3, 0.1, power=0.9) > images_needed(0.3, 0.1)
