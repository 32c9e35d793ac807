"""Simple classifiers on frozen codes, tuned on validation images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids
from unsup.metrics.intervals import accuracy_interval
from unsup.metrics.logistic import fit_logistic, fit_with_chosen_c
from unsup.metrics.readout import Probe
from unsup.metrics.ridge import RidgePath
from unsup.metrics.subsets import imbalanced_draws, labelled_draws, stratified

ALPHA_GRID = tuple(10 ** (i / 2) for i in range(-6, 7))  # L2 strength on the summed loss, in units of the dimension
CHOICE_IMAGES = 10_000  # C and alpha are chosen on at most this many training images
DRAWN_IMAGES = 10_000  # training images of a draw, at most
DRAWS = 5
FEW_LABEL_DRAWS = 10
FEW_LABEL_C = 0.1  # near the best with 1 and 10 labels per class, for MNIST pixels, PCA codes and random features alike
NEIGHBOURS = 20
ROUNDING = 1e-6  # deviation, relative to the largest entry's, that float32 arithmetic alone makes


@dataclass(frozen=True)
class Splits:
    """Codes of all images, in `train_val` training images before validation images."""

    train_val: Floats  # (n_train + n_val, D)
    test: Floats  # (n_test, D)
    n_train: int
    train_val_labels: Ids
    test_labels: Ids
    mean: Floats  # (D,) what was subtracted from the codes
    scale: Floats  # (D,) what they were then divided by

    @classmethod
    def of(cls, codes: Sequence[Floats], labels: Sequence[Ids]) -> Self:
        """Return the splits of training, validation and test images, in that order."""
        train_val = np.concatenate(codes[:2])
        zeros = np.zeros(train_val.shape[1], np.float32)
        return cls(train_val, codes[2], len(codes[0]), np.concatenate(labels[:2]), labels[2], zeros, zeros + 1)

    @property
    def train(self) -> Floats:
        return self.train_val[: self.n_train]

    @property
    def val(self) -> Floats:
        return self.train_val[self.n_train :]

    @property
    def train_labels(self) -> Ids:
        return self.train_val_labels[: self.n_train]

    @property
    def val_labels(self) -> Ids:
        return self.train_val_labels[self.n_train :]

    def standardised(self) -> Self:
        """Scale codes to mean 0 and deviation 1 over the training images.

        Entries that are constant there but for rounding (PCA's components beyond the rank of the data) are not
        amplified.
        """
        scaler = StandardScaler().fit(self.train)
        scaler.scale_[scaler.scale_ < ROUNDING * scaler.scale_[scaler.var_ > 0].max(initial=0)] = 1.0
        mean, scale = scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32)
        train_val, test = ((codes - mean) / scale for codes in (self.train_val, self.test))
        return replace(self, train_val=train_val, test=test, mean=mean, scale=scale)


@dataclass(frozen=True)
class LinearProbe:
    """Accuracies in [0, 1] of test images, with Wilson's 95 % interval."""

    accuracy: float
    low: float
    high: float
    C: float
    per_class: list[float] | None  # in label order; None if a class has no test images
    predicted: Ids  # (n_test,)
    correct: Floats  # (n_test,) 0 or 1
    fitted: Probe  # for codes that are not standardised


@dataclass(frozen=True)
class Ridge:
    """Test accuracy at the chosen `alpha`, and validation accuracy at each."""

    accuracy: float
    alpha: float
    alphas: list[float]
    validation: list[float]


@dataclass(frozen=True)
class Draws:
    """Mean and standard deviation (ddof 1) of test accuracy over draws."""

    mean: float
    std: float
    draws: int
    images: int  # training images of each draw
    by_draw: list[float]  # accuracy with each draw
    share: Floats  # (n_test,) of the draws that classify the image correctly


@threadpool_limits.wrap(limits=1)
def linear_probe(splits: Splits) -> LinearProbe:
    """Fit converged multinomial logistic regression with L2 on standardised codes.

    C is the grid's best on the validation images (the smallest of equals) after fits on at most 10,000 training images;
    then one fit on all training and validation images is scored on the test images. C multiplies the summed loss, so
    the chosen value is a prior that stays right for more images: MNIST pixels choose 0.01 from 10,000 and from 20,000
    images, and are within 0.0005 of the best at 55,000.
    """
    chosen = stratified(splits.train_labels, CHOICE_IMAGES)
    part, val = (splits.train[chosen], splits.train_labels[chosen]), (splits.val, splits.val_labels)
    probe = fit_with_chosen_c(part, val, (splits.train_val, splits.train_val_labels))

    predicted = probe.predict(splits.test)
    correct = (predicted == splits.test_labels).astype(np.float32)
    low, high = accuracy_interval(correct)
    counts = np.bincount(splits.test_labels, minlength=int(splits.train_val_labels.max()) + 1)
    per_class = None
    if counts.all():
        per_class = [float(share) for share in np.bincount(splits.test_labels, weights=correct) / counts]
    return LinearProbe(
        accuracy=float(correct.mean(dtype=np.float64)),
        low=low,
        high=high,
        C=probe.C,
        per_class=per_class,
        predicted=predicted,
        correct=correct,
        fitted=Probe.of(probe, splits.mean, splits.scale),
    )


@threadpool_limits.wrap(limits=1)
def ridge_probe(splits: Splits) -> Ridge:
    """Fit least squares on one-hot classes, a check on the linear probe.

    alpha is chosen on the validation images as C is, the largest of equals; then one fit on all training and validation
    images. alpha scales with the dimension, so that one grid suits standardised codes of any width. One thread takes
    1.5 s for 60,000 images of 784 dimensions, 55 s and 1 GB in addition to the codes for 50,000 of 4,096.
    """
    chosen = stratified(splits.train_labels, CHOICE_IMAGES)
    alphas = [alpha * splits.train_val.shape[1] for alpha in ALPHA_GRID]
    path = RidgePath(splits.train[chosen], splits.train_labels[chosen])
    validation = [float(np.mean(path.predict(splits.val, alpha) == splits.val_labels)) for alpha in alphas]
    best = max(zip(validation, alphas, strict=True))[1]
    predicted = RidgePath(splits.train_val, splits.train_val_labels).predict(splits.test, best)
    return Ridge(float(np.mean(predicted == splits.test_labels)), best, alphas, validation)


@threadpool_limits.wrap(limits=1)
def knn(train: Floats, labels: Ids, test: Floats, test_labels: Ids) -> tuple[float, int]:
    """Return accuracy by majority of the k nearest training images, and k."""
    k = min(NEIGHBOURS, len(train))
    probe = KNeighborsClassifier(k, algorithm="brute").fit(train, labels)
    pieces = np.array_split(test, -(-len(test) // 500))  # short calls, between which an interrupt is heard
    predicted = np.concatenate([probe.predict(piece) for piece in pieces])
    return float(np.mean(predicted == test_labels)), k


@threadpool_limits.wrap(limits=1)
def few_label(splits: Splits, labels_per_class: int) -> Draws | None:
    """Fit logistic regression on fixed draws of a few labelled images per class.

    The draws depend on the training labels alone, so that two models are compared on the same ones. None if a class has
    too few labelled training images.
    """
    drawn = labelled_draws(splits.train_labels, labels_per_class, FEW_LABEL_DRAWS)
    return _over_draws(splits, drawn, FEW_LABEL_C) if drawn else None


@threadpool_limits.wrap(limits=1)
def probe_draws(splits: Splits, c: float) -> Draws:
    """Fit the probe, C given, on draws of half of the images, at most 10,000."""
    size = min(DRAWN_IMAGES, max(splits.n_train // 2, len(np.unique(splits.train_labels))))
    return _over_draws(splits, [stratified(splits.train_labels, size, draw) for draw in range(1, DRAWS + 1)], c)


@threadpool_limits.wrap(limits=1)
def imbalanced(splits: Splits, c: float, ratio: int) -> Draws | None:
    """Fit the probe with its C on classes of unequal size, rare ones by draw.

    The ratio of the most to the least frequent class is one of `subsets.RATIOS`; 1 is the balanced counterpart with the
    same number of images. None if a class has under about 100 training images (`subsets.imbalanced_draws`).
    """
    drawn = imbalanced_draws(splits.train_labels, ratio, DRAWS)
    return _over_draws(splits, drawn, c) if drawn else None


def _over_draws(splits: Splits, drawn: list[Ids], c: float) -> Draws:
    """Fit a probe on each draw of training images."""
    probes = [fit_logistic(splits.train[at], splits.train_labels[at], c) for at in drawn]
    right = np.array([probe.predict(splits.test) == splits.test_labels for probe in probes])  # (draws, n_test)
    accuracies, share = right.mean(axis=1), right.mean(axis=0).astype(np.float32)
    return Draws(
        float(accuracies.mean()), float(accuracies.std(ddof=1)), len(drawn), len(drawn[0]), accuracies.tolist(), share
    )
