"""How many images a comparison of two classifiers takes."""

import math

from scipy.special import ndtri

LEVEL = 0.05  # of the two-sided test


def images_needed(disagreement: float, difference: float, power: float = 0.8) -> int:
    """Return how many images decide between two classifiers by McNemar's test.

    n = (z(1 - level / 2) sqrt(ψ) + z(power) sqrt(ψ - δ²))² / δ², with ψ the disagreement and δ the difference (Connor
    1987, "Sample size for testing differences in proportions for the paired-sample design", Biometrics 43), for
    the test without a correction for continuity.

    Args:
        disagreement: share of images that one of the two gets right and the other wrong, at least the difference.
        difference: of the two accuracies.
        power: probability that the test finds the difference.
    """
    of_test, of_power = float(ndtri(1 - LEVEL / 2)), float(ndtri(power))
    spread = of_test * math.sqrt(disagreement) + of_power * math.sqrt(disagreement - difference**2)
    return math.ceil((spread / difference) ** 2)
