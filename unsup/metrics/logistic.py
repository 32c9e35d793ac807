"""Multinomial logistic regression with L2, fitted until it has converged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, solve_triangular
from scipy.optimize import OptimizeResult, minimize
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from unsup.core.arrays import Floats, Ids

C_GRID = tuple(
    10 ** (i / 2) for i in range(-8, 3)
)  # inverse L2 strength on the summed loss: carries over to more images
TOLERANCE = 1e-4  # largest entry of the gradient of the mean loss at which scikit-learn stops; it is its default
NEAR = 0.9 * TOLERANCE  # float32 sums over 60,000 images hardly come below
PRECONDITIONED = 200  # dimensions; below, scikit-learn's own steps are cheap
PLAIN_STEPS = 150  # enough for most classes
EVEN_STEPS = 500  # rarely reached; scikit-learn continues from the last

Doubles = NDArray[np.float64]
Fold = tuple[Ids, Ids]  # positions of images to fit on, and of those held out
Moments = Callable[[], Doubles]  # second moments of some codes, (D, D)


def fit_with_chosen_c(
    x: Floats,
    labels: Ids,
    folds: Sequence[Fold],
    grid: Sequence[float] = C_GRID,
    tolerance: float = TOLERANCE,
) -> LogisticRegression:
    """Fit on all codes (n, D) with the C of the grid that has the least cross-entropy.

    It is the mean over the images held out in all folds, after fits on the others; of equal ones the smallest C. The
    fits go from strong to weak L2, each from the solution before, until one is two standard errors of the paired
    difference above the least: weaker ones, which take longer, can hardly be better. The last fit starts at the
    solution in the first fold that had as much L2 per image.
    """
    moments = cache(lambda: second_moments(x[folds[0][0]]))
    losses: dict[float, Doubles] = {}
    solutions: dict[float, list[LogisticRegression]] = {}
    for c in grid:
        starts = solutions[max(solutions)] if solutions else [None] * len(folds)
        solutions[c] = [
            fit_logistic(x[fit], labels[fit], c, start, moments, tolerance)
            for (fit, _), start in zip(folds, starts, strict=True)
        ]
        losses[c] = np.concatenate(
            [cross_entropies(probe, x[at], labels[at]) for probe, (_, at) in zip(solutions[c], folds, strict=True)]
        )
        excess = losses[c] - min(losses.values(), key=np.mean)
        if excess.mean() > 2 * excess.std() / np.sqrt(len(excess)):
            break
    best = min(losses, key=lambda c: losses[c].mean())
    alike = best * len(x) / len(folds[0][0])
    return fit_logistic(
        x, labels, best, solutions[min(solutions, key=lambda c: abs(np.log(c / alike)))][0], moments, tolerance
    )


def cross_entropies(probe: LogisticRegression, x: Floats, labels: Ids) -> Doubles:
    """Return -log p of the class of each image whose class the probe knows."""
    known = np.isin(labels, probe.classes_)
    logs = log_probabilities(probe, x[known])
    return -logs[np.arange(len(logs)), np.searchsorted(probe.classes_, labels[known])]


def log_probabilities(probe: LogisticRegression, x: Floats) -> Doubles:
    """Return (n, K) for codes (n, D), finite where single precision reads 0."""
    scores = probe.decision_function(x).astype(np.float64)
    if scores.ndim == 1:  # of the second of two classes against the first
        scores = np.column_stack([np.zeros(len(x)), scores])
    return np.asarray(log_softmax(scores, axis=1))


def fit_logistic(
    x: Floats,
    labels: Ids,
    c: float,
    start: LogisticRegression | None = None,
    moments: Moments | None = None,
    tolerance: float = TOLERANCE,
) -> LogisticRegression:
    """Fit scikit-learn's logistic regression, on wide codes from next to its optimum.

    Directions of very different variance take L-BFGS thousands of steps: 42 s for 10,000 images of CIFAR-10 and the 500
    units of a hidden layer, at a C of 10. After preconditioning it takes 5 s. Codes (n, D) are standardised; c is the
    inverse L2 strength on the summed loss. The fit starts from `start` if that has the same classes.
    """
    # lbfgs stops at its gradient tolerance; if it gives up before, scikit-learn shows a ConvergenceWarning
    probe = LogisticRegression(C=c, tol=tolerance, warm_start=True, max_iter=10_000)
    at = None
    if start is not None and np.array_equal(start.classes_, np.unique(labels)):
        at = start.coef_, start.intercept_
    if PRECONDITIONED <= x.shape[1] < len(x):  # fewer images than dimensions take few steps
        at = next_to_optimum(x, labels, c, at, moments)
    if at is not None:
        probe.coef_, probe.intercept_ = at
    return probe.fit(x, labels)


def second_moments(x: Floats) -> Doubles:
    """Return the mean products (D, D) of the entries of codes (n, D)."""
    return (x.T @ x / np.float32(len(x))).astype(np.float64)


def next_to_optimum(
    x: Floats, labels: Ids, c: float, start: tuple[Floats, Floats] | None, moments: Moments | None
) -> tuple[Floats, Floats]:
    """Return weights and biases with a gradient smaller than scikit-learn asks for.

    L-BFGS, at first on the weights w themselves, then on v = Lᵀ w, with L Lᵀ the curvature of the loss in w as if it
    were the same for all images: second moments of the codes * mean p(1 - p) + L2, p being the shares of the classes.
    With two classes scikit-learn has one row w and the penalty |w|²; two rows, ∓w / 2, and twice the penalty's strength
    have the same optimum.
    """
    classes, ids = np.unique(labels, return_inverse=True)
    two = len(classes) == 2
    loss = _Loss(x, ids, len(classes), (2 if two else 1) / (c * len(x)))
    weights, biases = np.zeros((len(classes), x.shape[1])), np.zeros(len(classes))
    if start is not None:
        weights, biases = (np.concatenate([-z, z]) / 2 if two else z for z in (s.astype(np.float64) for s in start))
    weights, biases, reached = loss.descend(weights, biases, PLAIN_STEPS)
    if not reached:
        p = np.exp(loss.log_shares(weights, biases))
        curvature = float((p * (1 - p)).mean(dtype=np.float64))
        products = moments() if moments else second_moments(x)
        root = root_of(curvature * products + loss.strength * np.eye(x.shape[1]))
        weights, biases, _ = loss.descend(weights, biases, EVEN_STEPS, root)
    if two:
        weights, biases = weights[1:] - weights[:1], biases[1:] - biases[:1]
    return weights.astype(np.float32), biases.astype(np.float32)


def root_of(curvature: Doubles) -> Doubles:
    """Return lower triangular L (D, D), with L Lᵀ the curvature.

    If float32 products left the curvature indefinite, it is a matrix near it.
    """
    try:
        root: Doubles = cholesky(curvature, lower=True)
    except LinAlgError:  # the optimum does not depend on it, only how soon it is found
        rounding = float(np.finfo(np.float32).eps) * np.trace(curvature)
        root = cholesky(curvature + rounding * np.eye(len(curvature)), lower=True)
    return root


@dataclass
class _Loss:
    """Mean cross-entropy plus L2, of weights (K, D) and biases (K,)."""

    x: Floats  # (n, D)
    ids: Ids  # (n,) 0 to K - 1
    classes: int  # K
    strength: float  # half of it times the squared norm of the weights is the penalty

    def log_shares(self, weights: Doubles, biases: Doubles) -> Floats:
        """Return log probabilities (n, K)."""
        scores = self.x @ weights.T.astype(np.float32) + biases.astype(np.float32)
        return np.asarray(log_softmax(scores, axis=1))

    def descend(
        self, weights: Doubles, biases: Doubles, steps: int, root: Doubles | None = None
    ) -> tuple[Doubles, Doubles, bool]:
        """Take steps of L-BFGS on v = rootᵀ w until every entry of the gradient is small.

        Returns:
            Weights, biases and whether the gradient in w is small.
        """
        rows, dim = np.arange(len(self.x)), self.x.shape[1]
        largest = np.inf

        def unpacked(flat: Doubles) -> tuple[Doubles, Doubles]:
            v = flat.reshape(self.classes, dim + 1)
            w = v[:, :dim] if root is None else solve_triangular(root, v[:, :dim].T, lower=True, trans="T").T
            return w, v[:, dim]

        def objective(flat: Doubles) -> tuple[float, Doubles]:
            nonlocal largest
            w, b = unpacked(flat)
            logs = self.log_shares(w, b)
            error = np.exp(logs)
            error[rows, self.ids] -= 1
            by_w = (error.T @ self.x / np.float32(len(self.x))).astype(np.float64) + self.strength * w
            by_b = error.mean(axis=0, dtype=np.float64)
            largest = max(np.abs(by_w).max(), np.abs(by_b).max())
            by_v = by_w if root is None else solve_triangular(root, by_w.T, lower=True).T
            value = self.strength * (w**2).sum() / 2 - logs[rows, self.ids].mean(dtype=np.float64)
            return float(value), np.column_stack([by_v, by_b]).ravel()

        def small_enough(intermediate_result: OptimizeResult) -> None:
            if largest < NEAR:
                raise StopIteration

        begin = np.column_stack([weights if root is None else weights @ root, biases]).ravel()
        options = {"maxiter": steps, "gtol": 0, "ftol": 0}
        result = minimize(objective, begin, jac=True, method="L-BFGS-B", callback=small_enough, options=options)
        return *unpacked(result.x), bool(largest < NEAR)
