"""Which images are unlike the training images, with a stated rate of false alarms."""

from typing import NamedTuple

import numpy as np
from scipy.stats import beta
from sklearn.metrics import pairwise_distances_argmin_min, roc_auc_score
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids
from unsup.metrics.logistic import Doubles

RATE = 0.01  # of familiar images that are flagged, if there are enough validation images
PASSING = 0.95  # share of familiar images that pass where the share of others that pass is counted


class HeldOutClasses(NamedTuple):
    """How well images of a class are told from the others if no training image has it.

    Means over classes. `fpr95` is the share of its images that pass as familiar where 95 % of the familiar images do.
    """

    auroc: float
    fpr95: float
    classes: int


def p_values(scores: Floats, usual: Floats) -> Doubles:
    """Return the conformal p-value of each score (n,), larger being less usual.

    It is the share of usual scores, itself counted in, that are at least as large: if an image is exchangeable with the
    usual ones, the probability of p <= a is at most a.

    Source: S. Bates et al., Testing for Outliers with Conformal p-values, Annals of Statistics 51:149 (2023), eq. 1.

    Args:
        scores: of new images.
        usual: (m,) of familiar images that nothing was fitted on, in ascending order.
    """
    at_least = len(usual) - np.searchsorted(usual, scores, side="left")
    return np.asarray((1 + at_least) / (1 + len(usual)), np.float64)


def false_alarm_rate(usual: int, statistics: int) -> float:
    """Return the share of familiar images that may be flagged.

    It is 1 %, or as few as can be distinguished by so many usual images; 0 if there are none.

    Args:
        usual: familiar images that p-values are taken from.
        statistics: how many p-values there are of an image; the smallest counts, times their number.
    """
    return max(RATE, statistics / (usual + 1)) if usual else 0.0


def false_alarm_limit(usual: int, statistics: int) -> float:
    """Return the share of false alarms that is exceeded by bad luck in 1 of 20 cases.

    `false_alarm_rate` holds on average over the usual images. With those at hand the share of one statistic has a beta
    distribution (Bates et al. 2023, section 3).
    """
    if not usual:
        return 0.0
    rank = _rank(false_alarm_rate(usual, statistics) / statistics, usual)
    return float(min(1, statistics * beta.ppf(0.95, rank, usual + 1 - rank)))


def threshold(usual: Floats, rate: float) -> float:
    """Return the score above which p is at most `rate`, usual ones ascending."""
    return float(usual[-_rank(rate, len(usual))]) if len(usual) else np.inf


def _rank(rate: float, usual: int) -> int:
    """Return how many usual scores reach the threshold."""
    return int(rate * (usual + 1) + 1e-9)


@threadpool_limits.wrap(limits=1)
def held_out_classes(reference: Floats, labels: Ids, codes: Floats, test_labels: Ids) -> HeldOutClasses | None:
    """Score how far images of a class are from the training images of the others.

    Distances are Euclidean, to the nearest reference code of another class, or of any class but the one that is held
    out. The encoder itself has seen all classes.

    Args:
        reference: (m, d) training codes.
        labels: (m,) their classes.
        codes: (n, d) test codes.
        test_labels: (n,) their classes.

    Returns:
        None if there are no two classes with test and reference codes.
    """
    classes = np.unique(labels)
    tested = np.intersect1d(classes, test_labels)
    if len(tested) < 2 or len(np.unique(test_labels)) < 2:
        return None
    nearest = np.stack([nearest_of(codes, reference[labels == c])[1] for c in classes], axis=1)  # (n, K)
    aurocs, shares = [], []
    for c in tested:
        distances, novel = nearest[:, classes != c].min(axis=1), test_labels == c
        aurocs.append(roc_auc_score(novel, distances))
        shares.append(np.mean(distances[novel] <= np.quantile(distances[~novel], PASSING)))
    return HeldOutClasses(float(np.mean(aurocs)), float(np.mean(shares)), len(tested))


def nearest_of(queries: Floats, rows: Floats) -> tuple[Ids, Doubles]:
    """Return the position of and Euclidean distance to the row nearest to each query."""
    at, distances = pairwise_distances_argmin_min(queries, rows)
    return at.astype(np.int64), np.asarray(distances, np.float64)
