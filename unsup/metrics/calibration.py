"""Confidences that are right as often as they say."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from unsup.core.arrays import Ids
from unsup.metrics.logistic import Doubles

BOUNDS = (np.log(0.05), np.log(1000.0))  # of the logarithm of the temperature


def temperature(parts: Sequence[tuple[Doubles, Ids]]) -> float:
    """Return the number to divide logits by, so that held-out labels are most likely.

    A label counts as 1 - 1 / (n + 2), the rest spread over the other classes, so that few images which are all right
    do not make every confidence 1.

    Sources: C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2; the smoothed labels:
    J. Platt, Probabilistic Outputs for Support Vector Machines, 1999, section 2.2.

    Args:
        parts: log probabilities (n, K) of some classifiers for images that they were not fitted on, and the columns
            (n,) of the right classes. K >= 2 may differ.
    """
    if not any(len(columns) for _, columns in parts):
        return 1.0
    fit = minimize_scalar(lambda log: held_out_loss(parts, np.exp(log)), bounds=BOUNDS, method="bounded")
    return float(np.exp(fit.x))


def held_out_loss(parts: Sequence[tuple[Doubles, Ids]], temperature: float) -> float:
    """Return the mean cross-entropy at a temperature.

    Labels are smoothed as in `temperature`.
    """
    n = sum(len(columns) for _, columns in parts)
    rest, total = 1 / (n + 2), 0.0
    for logs, columns in parts:
        scaled = log_softmax(logs / temperature, axis=1)
        right = scaled[np.arange(len(columns)), columns]
        others = (scaled.sum(axis=1) - right) / (logs.shape[1] - 1)
        total -= float(((1 - rest) * right + rest * others).sum())
    return total / n
