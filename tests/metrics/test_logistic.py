"""The probe's solver ends at the optimum that scikit-learn approaches, and soon, on codes that L-BFGS finds hard."""

import numpy as np
import pytest
from metrics.gradient import largest_gradient
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from unsup.metrics.logistic import fit_logistic, second_moments


def hard(classes: int, n: int = 1500, dim: int = 220) -> tuple[np.ndarray, np.ndarray]:
    """Standardised codes whose principal components' variances span eight powers of ten, and labels hard to tell."""
    rng = np.random.default_rng(classes)
    components = rng.standard_normal((n, dim)) * np.logspace(0, -4, dim)
    labels = (components[:, ::7] @ rng.standard_normal((components[:, ::7].shape[1], classes)) * 3).argmax(axis=1)
    labels = np.where(rng.random(n) < 0.3, rng.integers(0, classes, n), labels)
    mixed = components @ np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    return StandardScaler().fit_transform(mixed).astype(np.float32), labels


def loss(probe: LogisticRegression, x: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross-entropy and penalty, as scikit-learn weighs them."""
    right = np.searchsorted(probe.classes_, labels)
    shares = probe.predict_log_proba(x.astype(np.float64))[np.arange(len(x)), right]
    return float(-shares.mean() + (probe.coef_.astype(np.float64) ** 2).sum() / (2 * probe.C * len(x)))


@pytest.mark.parametrize("c", [0.01, 10.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_it_ends_at_the_optimum_and_leaves_scikit_learn_nothing_to_do(classes: int, c: float) -> None:
    x, labels = hard(classes)
    found = fit_logistic(x, labels, c)
    assert found.n_iter_[0] <= 1 and largest_gradient(found, x, labels) < 1e-4
    exact = LogisticRegression(C=c, tol=1e-9, max_iter=100_000).fit(x.astype(np.float64), labels)
    assert loss(exact, x, labels) - 1e-7 < loss(found, x, labels) < loss(exact, x, labels) + 1e-6
    assert np.mean(found.predict(x) == exact.predict(x)) > 0.998


def test_where_directions_differ_it_ends_lower_than_scikit_learn_alone() -> None:
    x, labels = hard(5)
    alone = LogisticRegression(C=10.0, max_iter=10_000).fit(x, labels)
    assert alone.n_iter_[0] > 200  # the codes are hard indeed
    assert loss(fit_logistic(x, labels, 10.0), x, labels) < loss(alone, x, labels) - 1e-5


def test_neither_start_nor_moments_move_the_optimum() -> None:
    x, labels = hard(5)
    cold = fit_logistic(x, labels, 10.0)
    near, other = fit_logistic(x, labels, 1.0), fit_logistic(x[labels < 4], labels[labels < 4], 1.0)
    for start in (near, other):  # the other one knows four classes only, and cannot be a start
        found = fit_logistic(x, labels, 10.0, start, lambda: second_moments(x[::2]))
        assert loss(found, x, labels) == pytest.approx(loss(cold, x, labels), abs=1e-6)
    again = fit_logistic(x, labels, 10.0)
    assert np.array_equal(again.coef_, cold.coef_) and np.array_equal(again.intercept_, cold.intercept_)


def test_products_that_rounding_leaves_indefinite_do_not_stop_it() -> None:
    x, labels = hard(5, dim=300)
    x = np.concatenate([x, x + np.random.default_rng(0).normal(0, 1e-6, x.shape).astype(np.float32)], axis=1)
    assert np.linalg.eigvalsh(second_moments(x)).min() < 0
    found = fit_logistic(x, labels, 1e5)
    assert largest_gradient(found, x, labels) < 1.1e-4


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("moved", ["coef_", "intercept_", None])
def test_the_measure_of_convergence_is_the_largest_entry_of_the_gradient(classes: int, moved: str | None) -> None:
    rng = np.random.default_rng(classes)
    x, labels = rng.standard_normal((300, 3)), np.arange(300) % classes
    x[:, 0] += labels
    probe = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(x, labels)
    if moved is not None:
        getattr(probe, moved).flat[0] += 0.1  # it stopped early
    gradient = []
    for values in (probe.coef_, probe.intercept_):
        for i in range(values.size):
            ends = []
            for step in (1e-5, -2e-5, 1e-5):
                values.flat[i] += step
                ends.append(loss(probe, x, labels))
            gradient.append((ends[0] - ends[1]) / 2e-5)
    assert largest_gradient(probe, x, labels) == pytest.approx(np.abs(gradient).max(), abs=1e-6)
    assert (largest_gradient(probe, x, labels) > 1e-3) == (moved is not None)
    if moved == "intercept_":
        assert np.abs(gradient[probe.coef_.size :]).max() == np.abs(gradient).max()
