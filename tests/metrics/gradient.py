"""How far from its optimum a fit of logistic regression stopped."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from unsup.core.arrays import Floats, Ids


def largest_gradient(probe: LogisticRegression, x: Floats, labels: Ids) -> float:
    """Return the largest entry of the gradient of mean loss and L2 term."""
    residual = probe.predict_proba(x) - (labels[:, None] == probe.classes_)
    if len(probe.classes_) == 2:
        residual = residual[:, 1:]  # one weight vector serves both classes
    weights = residual.T @ x / len(x) + probe.coef_ / (probe.C * len(x))
    return float(max(np.abs(weights).max(), np.abs(residual.mean(axis=0)).max()))
