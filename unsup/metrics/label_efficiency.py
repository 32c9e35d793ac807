"""Accuracy of a linear probe against the number of labels that it may see.

Everything that labels decide is decided by the drawn ones: the fit, and C by cross-validation among them. The scale of
the codes comes from all training codes and no label.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids
from unsup.metrics.intervals import accuracy_over_draws
from unsup.metrics.logistic import fit_logistic, fit_with_chosen_c
from unsup.metrics.probes import FEW_LABEL_C, Splits
from unsup.metrics.subsets import balanced_draws, random_draws, stratified_folds

TOTALS = (10, 30, 100, 300, 1_000, 3_000)  # labels; the probe of all training images is the last point
DRAWS = 3
C_GRID = (0.01, 0.1, 1.0)  # coarser than the probe's: a few labels cannot tell half decades apart
TOLERANCE = 1e-3  # of a fit, ten times that of other probes: a point of the curve is worth two digits
FOLDS = 3
ONE_FOLD = 100  # labels from which a single one is held out
Drawing = Literal["random", "balanced"]
DRAWINGS: tuple[Drawing, ...] = get_args(Drawing)


@dataclass(frozen=True)
class CurvePoint:
    """Test accuracy with a number of labels, mean over draws, with its 95 % interval."""

    labels: int
    accuracy: float
    low: float
    high: float
    by_draw: list[float]


@threadpool_limits.wrap(limits=1)
def label_curve(splits: Splits, drawing: Drawing) -> list[CurvePoint]:
    """Return a point for each number of labels below that of the training images.

    The draws depend on the training labels alone, so that two models are compared on the same ones. Random draws ignore
    the classes: one without a label is never predicted. Balanced draws have as many labels of each class, or one more.
    The codes are centred and divided by one common scale, as those of few-label probes are.

    Args:
        splits: of standardised codes.
        drawing: how labelled images are drawn.
    """
    scale, points = splits.relative_scale(), []
    test = splits.test * scale
    for total in TOTALS:
        if total >= splits.n_train:
            break
        draw = random_draws if drawing == "random" else balanced_draws
        drawn = draw(splits.train_labels, total, DRAWS)
        right = np.array([_predicted(splits, at, scale, test) == splits.test_labels for at in drawn])  # (draws, n_test)
        if len(right):
            by_draw, (low, high) = right.mean(axis=1), accuracy_over_draws(right)
            points.append(CurvePoint(total, float(by_draw.mean()), low, high, by_draw.tolist()))
    return points


def _predicted(splits: Splits, at: Ids, scale: Floats, test: Floats) -> Ids:
    """Return the classes (n_test,) of test codes by a probe of some training images.

    C is the one of the grid with the least cross-entropy in a three-fold, stratified cross-validation, from 100
    labels on in its first fold alone. The only label of a class is never held out; if no class has two, C is that of
    the few-label probes.
    """
    codes, labels = splits.train[at] * scale, splits.train_labels[at]
    if len(np.unique(labels)) == 1:
        return np.full(len(test), labels[0])
    folds = stratified_folds(labels, FOLDS)[: 1 if len(at) >= ONE_FOLD else FOLDS]
    if not folds:
        return np.asarray(fit_logistic(codes, labels, FEW_LABEL_C, tolerance=TOLERANCE).predict(test))
    return np.asarray(fit_with_chosen_c(codes, labels, folds, C_GRID, TOLERANCE).predict(test))
