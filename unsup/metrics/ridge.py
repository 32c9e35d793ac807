"""Least squares on one-hot classes, along its whole regularisation path."""

import numpy as np

from unsup.core.arrays import Floats, Ids

RIDGE_ROWS = 2_000  # taken to double precision at a time


class RidgePath:
    """Predictions of scikit-learn's RidgeClassifier at any alpha, in double precision.

    They take one eigendecomposition. With centred codes X (n, D), centred one-hot classes Y (n, K) and XᵀX = V Λ Vᵀ,
    the weights are V (Λ + alpha)⁻¹ VᵀXᵀY; with fewer images than dimensions, and XXᵀ = U Λ Uᵀ, they are XᵀU (Λ +
    alpha)⁻¹ UᵀY (Hastie, Tibshirani & Friedman 2009, "The elements of statistical learning", sections 3.4.1 and
    18.3.5).

    Args:
        codes: (n, D).
        labels: (n,).
    """

    def __init__(self, codes: Floats, labels: Ids) -> None:
        self.classes, row = np.unique(labels, return_inverse=True)
        one_hot = np.eye(len(self.classes))[row]
        self._mean, self._shares = codes.mean(axis=0, dtype=np.float64), one_hot.mean(axis=0)
        targets = one_hot - self._shares
        n, dimensions = codes.shape
        if n > dimensions:
            gram, products = np.zeros((dimensions, dimensions)), np.zeros((dimensions, len(self.classes)))
            for start in range(0, n, RIDGE_ROWS):
                x = codes[start : start + RIDGE_ROWS] - self._mean
                gram += x.T @ x
                products += x.T @ targets[start : start + RIDGE_ROWS]
            eigenvalues, self._basis = np.linalg.eigh(gram)
            self._projected = self._basis.T @ products
        else:
            x = codes - self._mean
            eigenvalues, vectors = np.linalg.eigh(x @ x.T)
            self._basis, self._projected = x.T @ vectors, vectors.T @ targets
        self._eigenvalues = eigenvalues.clip(min=0)  # below 0 by rounding alone

    def predict(self, codes: Floats, alpha: float) -> Ids:
        """Return classes (n,) of codes (n, D), for any alpha > 0."""
        weights = self._basis @ (self._projected / (self._eigenvalues + alpha)[:, None])  # (D, K)
        scores = codes @ weights.astype(np.float32) + (self._shares - self._mean @ weights).astype(np.float32)
        return self.classes[scores.argmax(axis=1)]
