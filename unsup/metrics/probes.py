"""Simple classifiers on frozen codes, tuned on validation images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids
from unsup.metrics.calibration import temperature
from unsup.metrics.diagnostics import deviations
from unsup.metrics.intervals import accuracy_interval
from unsup.metrics.logistic import Doubles, Fold, fit_logistic, fit_with_chosen_c, log_probabilities
from unsup.metrics.readout import Probe
from unsup.metrics.subsets import imbalanced_draws, labelled_draws, stratified, stratified_folds

CHOICE_IMAGES = 10_000  # C is chosen after fits on at most this many training images
VALIDATION_IMAGES = 1_000  # with fewer C is chosen by cross-validation
CROSS_VALIDATED = 3_000  # images, at most
FOLDS = 5
DRAWN_IMAGES = 10_000  # training images of a draw, at most
DRAWS = 5
FEW_LABEL_DRAWS = 10
FEW_LABEL_C = 0.1  # near the best with 1 and 10 labels per class, for MNIST pixels, PCA codes and random features alike
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
    deviation: Doubles  # (D,) of the training codes before that

    @classmethod
    def of(cls, codes: Sequence[Floats], labels: Sequence[Ids]) -> Self:
        """Return the splits of training, validation and test images, in that order."""
        train_val = np.concatenate(codes[:2])
        zeros, all_labels = np.zeros(train_val.shape[1], np.float32), np.concatenate(labels[:2])
        of_train = deviations(codes[0])
        return cls(train_val, codes[2], len(codes[0]), all_labels, labels[2], zeros, zeros + 1, of_train)

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
        mean = self.train.mean(axis=0, dtype=np.float64).astype(np.float32)
        varies = self.deviation > ROUNDING * self.deviation.max(initial=0)
        scale = np.where(varies, self.deviation, 1).astype(np.float32)
        train_val, test = self.train_val - mean, self.test - mean
        for codes in (train_val, test):
            codes /= scale
        return replace(self, train_val=train_val, test=test, mean=mean, scale=scale)

    def relative_scale(self) -> Floats:
        """Return factors (D,) that undo the standardisation but for one common scale.

        After it the variance over the training images is 1 in the mean of all entries.
        """
        common = float(np.sqrt(np.mean(self.deviation**2)))
        return np.asarray(self.scale / (common or 1.0), np.float32)


@dataclass(frozen=True)
class LinearProbe:
    """Accuracies in [0, 1] of test images, with Wilson's 95 % interval."""

    accuracy: float
    low: float
    high: float
    C: float
    per_class: list[float]  # of the classes that have test images, in label order
    untested: list[int]  # the other classes
    predicted: Ids  # (n_test,)
    correct: Floats  # (n_test,) 0 or 1
    log_probabilities: Doubles  # (n_test, K) of the classes that it was fitted on
    fitted: Probe  # for codes that are not standardised
    regression: LogisticRegression  # the same, for standardised codes


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

    C is the grid's best by cross-entropy, after fits on at most 10,000 training images; then one fit on all training
    and validation images is scored on the test images. C multiplies the summed loss, so the chosen value is a prior
    that stays right for more images.
    """
    probe = fit_with_chosen_c(splits.train_val, splits.train_val_labels, _choice_folds(splits))
    predicted = probe.predict(splits.test)
    correct = (predicted == splits.test_labels).astype(np.float32)
    low, high = accuracy_interval(correct)
    counts = np.bincount(splits.test_labels, minlength=int(splits.train_val_labels.max()) + 1)
    hits = np.bincount(splits.test_labels, weights=correct, minlength=len(counts))
    return LinearProbe(
        accuracy=float(correct.mean(dtype=np.float64)),
        low=low,
        high=high,
        C=probe.C,
        per_class=[float(share) for share in hits[counts > 0] / counts[counts > 0]],
        untested=[int(c) for c in np.flatnonzero(counts == 0)],
        predicted=predicted,
        correct=correct,
        log_probabilities=log_probabilities(probe, splits.test),
        fitted=Probe.of(probe, splits.mean, splits.scale),
        regression=probe,
    )


@threadpool_limits.wrap(limits=1)
def probe_temperature(splits: Splits, probe: LinearProbe) -> float:
    """Return the temperature that calibrates a probe (`calibration.temperature`).

    The probe with its C is fitted again without the validation images, or without each fold of those that C was
    cross-validated on, to have images that it was not fitted on.
    """
    folds: list[tuple[Ids | slice, Ids]] = [*_choice_folds(splits)]
    if len(folds) == 1:
        folds = [(slice(splits.n_train), folds[0][1])]
    parts = []
    for fit, at in folds:
        held_out = fit_logistic(splits.train_val[fit], splits.train_val_labels[fit], probe.C, probe.regression)
        labels = splits.train_val_labels[at]
        known = np.isin(labels, held_out.classes_)
        logs = log_probabilities(held_out, splits.train_val[at][known])
        parts.append((logs, np.searchsorted(held_out.classes_, labels[known]).astype(np.int64)))
    return temperature(parts)


def _choice_folds(splits: Splits) -> list[Fold]:
    """Return the folds that C is chosen on, validation images or cross-validation.

    Fewer than 1,000 validation images choose little better than chance. Then at most 3,000 training and validation
    images are held out in turn.
    """
    if len(splits.val) >= VALIDATION_IMAGES:
        part = stratified(splits.train_labels, CHOICE_IMAGES)
        return [(part, np.arange(splits.n_train, len(splits.train_val)))]
    some = stratified(splits.train_val_labels, CROSS_VALIDATED)
    return [(some[fit], some[at]) for fit, at in stratified_folds(splits.train_val_labels[some], FOLDS)]


@threadpool_limits.wrap(limits=1)
def few_label(splits: Splits, labels_per_class: int, standardised: bool = False) -> Draws | None:
    """Fit logistic regression on fixed draws of a few labelled images per class.

    The draws depend on the training labels alone, so that two models are compared on the same ones. The codes are
    centred and divided by one scale for all entries, because standardising amplifies entries that hardly vary.

    Args:
        splits: of standardised codes.
        labels_per_class: the number of images of a draw, for each class.
        standardised: leave the codes standardised.

    Returns:
        None if a class has too few labelled training images.
    """
    drawn = labelled_draws(splits.train_labels, labels_per_class, FEW_LABEL_DRAWS)
    if not drawn:
        return None
    return _over_draws(splits, drawn, FEW_LABEL_C, None if standardised else splits.relative_scale())


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


def _over_draws(splits: Splits, drawn: list[Ids], c: float, scale: Floats | None = None) -> Draws:
    """Fit a probe on each draw of training images, codes multiplied by `scale`."""
    factors = np.ones(splits.test.shape[1], np.float32) if scale is None else scale
    probes = [fit_logistic(splits.train[at] * factors, splits.train_labels[at], c) for at in drawn]
    test = splits.test if scale is None else splits.test * scale
    right = np.array([probe.predict(test) == splits.test_labels for probe in probes])  # (draws, n_test)
    accuracies, share = right.mean(axis=1), right.mean(axis=0).astype(np.float32)
    return Draws(
        float(accuracies.mean()), float(accuracies.std(ddof=1)), len(drawn), len(drawn[0]), accuracies.tolist(), share
    )
