"""How well simple classifiers read the class from frozen codes. Whatever is chosen is chosen on validation images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from unsup.evaluation.diagnostics import sample
from unsup.evaluation.paired import bootstrap_interval

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

C_GRID = (0.001, 0.01, 0.1, 1.0, 10.0)  # inverse L2 strength on the summed loss: carries over to more images
ALPHA_GRID = (1.0, 10.0, 100.0, 1000.0, 10000.0)
CHOICE_IMAGES = 10_000  # C and alpha are chosen on at most so many training images
FEW_LABEL_C = 0.1  # near the best with 1 and 10 labels a class, for MNIST pixels, PCA codes and random features alike
NEIGHBOURS = 20
ROUNDING = 1e-6  # deviation, relative to the largest entry's, that float32 arithmetic alone makes


@dataclass(frozen=True)
class Splits:
    """One representation of all images; rows of `fit` are the training images, then the validation images."""

    fit: Floats  # (n_train + n_val, D)
    test: Floats  # (n_test, D)
    n_train: int
    fit_labels: Ids
    test_labels: Ids

    @classmethod
    def of(cls, codes: Sequence[Floats], labels: Sequence[Ids]) -> Self:
        """From the codes and labels of the training, the validation and the test images, in that order."""
        fit, fit_labels = np.concatenate(codes[:2]), np.concatenate(labels[:2])
        return cls(fit, codes[2], len(codes[0]), fit_labels, labels[2])

    @property
    def train(self) -> Floats:
        return self.fit[: self.n_train]

    @property
    def val(self) -> Floats:
        return self.fit[self.n_train :]

    @property
    def train_labels(self) -> Ids:
        return self.fit_labels[: self.n_train]

    @property
    def val_labels(self) -> Ids:
        return self.fit_labels[self.n_train :]

    def standardised(self) -> Self:
        """Mean 0 and deviation 1 over the training images.

        Entries constant there but for rounding (PCA's components beyond the rank of the data) are not blown up.
        """
        scaler = StandardScaler().fit(self.train)
        scaler.scale_[scaler.scale_ < ROUNDING * scaler.scale_[scaler.var_ > 0].max(initial=0)] = 1.0
        return replace(self, fit=scaler.transform(self.fit), test=scaler.transform(self.test))


@dataclass(frozen=True)
class LinearProbe:
    """Accuracies are shares of the test images in [0, 1]; low and high bound a 95 % bootstrap interval over them."""

    accuracy: float
    low: float
    high: float
    C: float
    per_class: list[float] | None  # in label order; None where a class has no test images
    predicted: Ids  # (n_test,)
    correct: Floats  # (n_test,) 0 or 1
    gradient: float  # largest entry of the fitted objective's gradient: how far from the optimum the fit stopped


@dataclass(frozen=True)
class FewLabel:
    """Mean and standard deviation (ddof 1) of test accuracy over draws of labels; `share` of draws right per image."""

    mean: float
    std: float
    draws: int
    share: Floats  # (n_test,)


@threadpool_limits.wrap(limits=1)
def linear_probe(splits: Splits) -> LinearProbe:
    """Converged multinomial logistic regression with L2 on standardised codes.

    C is the grid's best on the validation images (the smallest of equals) after fits on at most 10,000 training images;
    then one fit on all training and validation images is scored on the test images. C multiplies the summed loss, so
    the chosen value is a prior that stays right for more images: MNIST pixels choose 0.01 from 10,000 and from 20,000
    images, and are within 0.0005 of the best at 55,000.
    """
    chosen = sample(splits.n_train, CHOICE_IMAGES)
    # lbfgs stops at its gradient tolerance; should it give up before, scikit-learn's ConvergenceWarning is shown
    probe = LogisticRegression(warm_start=True, max_iter=10_000)
    found = {}
    for c in C_GRID:  # from strong to weak: each fit starts at the one before
        probe.set_params(C=c).fit(splits.train[chosen], splits.train_labels[chosen])
        found[c] = probe.score(splits.val, splits.val_labels)
    best = max(C_GRID, key=found.__getitem__)
    probe = LogisticRegression(C=best, max_iter=10_000).fit(splits.fit, splits.fit_labels)

    predicted = probe.predict(splits.test)
    correct = (predicted == splits.test_labels).astype(np.float32)
    low, high = bootstrap_interval(correct)
    return LinearProbe(
        accuracy=float(correct.mean(dtype=np.float64)),
        low=low,
        high=high,
        C=best,
        per_class=_per_class(correct, splits.test_labels, int(splits.fit_labels.max()) + 1),
        predicted=predicted,
        correct=correct,
        gradient=_largest_gradient(probe, splits.fit, splits.fit_labels),
    )


@threadpool_limits.wrap(limits=1)
def ridge_probe(splits: Splits) -> float:
    """Test accuracy of least squares on one-hot classes: closed form, a check on the linear probe.

    alpha is chosen on the validation images as C is; then one fit on all training and validation images.
    """
    chosen = sample(splits.n_train, CHOICE_IMAGES)
    found = {}
    for alpha in ALPHA_GRID:
        probe = RidgeClassifier(alpha=alpha, solver="cholesky").fit(splits.train[chosen], splits.train_labels[chosen])
        found[alpha] = probe.score(splits.val, splits.val_labels)
    best = max(ALPHA_GRID, key=found.__getitem__)
    probe = RidgeClassifier(alpha=best, solver="cholesky").fit(splits.fit, splits.fit_labels)
    return float(probe.score(splits.test, splits.test_labels))


@threadpool_limits.wrap(limits=1)
def knn(train: Floats, labels: Ids, test: Floats, test_labels: Ids) -> tuple[float, int]:
    """Test accuracy of the majority among the k nearest training images (Euclidean), and k: 20, or all there are."""
    k = min(NEIGHBOURS, len(train))
    probe = KNeighborsClassifier(k, algorithm="brute").fit(train, labels)
    pieces = np.array_split(test, -(-len(test) // 500))  # short calls, between which an interrupt is heard
    predicted = np.concatenate([probe.predict(piece) for piece in pieces])
    return float(np.mean(predicted == test_labels)), k


@threadpool_limits.wrap(limits=1)
def few_label(splits: Splits, labels_per_class: int, draws: int = 10) -> FewLabel | None:
    """Logistic regression from a few labelled training images a class, over fixed draws of them; nothing is chosen.

    The draws depend on the training labels alone, so that two models are compared on the same ones. None where a class
    has fewer labelled training images than that.
    """
    drawn = [labelled_draw(splits.train_labels, labels_per_class, draw) for draw in range(draws)]
    right = []
    for at in drawn:
        if at is None:
            return None
        probe = LogisticRegression(C=FEW_LABEL_C, max_iter=10_000).fit(splits.train[at], splits.train_labels[at])
        right.append(probe.predict(splits.test) == splits.test_labels)
    accuracies = np.mean(right, axis=1)
    share = np.mean(right, axis=0).astype(np.float32)
    return FewLabel(float(accuracies.mean()), float(accuracies.std(ddof=1)), draws, share)


def labelled_draw(labels: Ids, per_class: int, draw: int) -> Ids | None:
    """Positions of `per_class` images of every class, without replacement; None where a class has fewer."""
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < per_class:
        return None
    rng = np.random.default_rng([per_class, draw])
    return np.concatenate([rng.choice(np.flatnonzero(labels == c), per_class, replace=False) for c in classes])


def _per_class(correct: Floats, labels: Ids, classes: int) -> list[float] | None:
    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        return None
    return [float(share) for share in np.bincount(labels, weights=correct) / counts]


def _largest_gradient(probe: LogisticRegression, x: Floats, labels: Ids) -> float:
    """Largest absolute entry of the gradient of mean loss + L2 term, with respect to weights and biases."""
    residual = probe.predict_proba(x) - (labels[:, None] == probe.classes_)
    if len(probe.classes_) == 2:
        residual = residual[:, 1:]  # one weight vector serves both classes
    weights = residual.T @ x / len(x) + probe.coef_ / (probe.C * len(x))
    return float(max(np.abs(weights).max(), np.abs(residual.mean(axis=0)).max()))
