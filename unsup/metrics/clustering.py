"""k-means, and the agreement of clusters with classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Ids
from unsup.metrics.diagnostics import subsample

START_IMAGES = 10_000  # that the starts are compared on, at most


@dataclass(frozen=True)
class Clustering:
    """k-means from the start with the lowest inertia, and all starts on test images."""

    train: Ids  # (n_train,) cluster of each image k-means was fitted on
    test: Ids  # (n_test,)
    restarts: list[Ids]  # (n_test,) by each start, in the order of their seeds
    centres: NDArray[np.float32]  # (k, D)


@dataclass(frozen=True)
class Assignment:
    """Clusters of a method other than k-means."""

    train: Ids  # (n_train,)
    test: Ids  # (n_test,)
    k: int
    fitted_on: int  # training images; the others were assigned afterwards
    dim: int  # dimensions that it saw


def matched_accuracy(labels: Ids, clusters: Ids) -> float:
    """Return the share of images in the class that their cluster is matched to.

    The matching is the best one-to-one matching (Hungarian). Surplus clusters or classes count as wrong.
    """
    counts = contingency_matrix(labels, clusters)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / len(labels))


def agreement(labels: Ids, clusters: Ids) -> dict[str, float]:
    """Return matched accuracy, NMI (by the arithmetic mean) and adjusted Rand index."""
    return {
        "acc": matched_accuracy(labels, clusters),
        "nmi": float(normalized_mutual_info_score(labels, clusters, average_method="arithmetic")),
        "ari": float(adjusted_rand_score(labels, clusters)),
    }


# One thread: with two, scikit-learn adds up the centres in the order in which the threads finish (seen on MNIST: 41
# iterations instead of 42). The protocol uses the other cores for other parts instead.
@threadpool_limits.wrap(limits=1)
def kmeans(train: NDArray[np.float32], test: NDArray[np.float32], k: int, restarts: int = 10) -> Clustering:
    """Fit Lloyd's k-means on `train` (n, D) from k-means++ seeds 0, 1, ….

    The start is chosen by inertia alone, on at most 10,000 images, and continues with all of them: on pixels of MNIST a
    fifth of the time of ten fits on all, at an inertia .01 % higher. `test` (m, D) goes to the nearest centre. k is at
    most n.
    """
    k = min(k, len(train))
    some = train[subsample(len(train), max(k, START_IMAGES))]
    fits = [KMeans(k, n_init=1, random_state=seed).fit(some) for seed in range(restarts)]
    best = min(fits, key=lambda fit: float(fit.inertia_))
    last = best if len(some) == len(train) else KMeans(k, init=best.cluster_centers_, n_init=1).fit(train)
    return Clustering(
        train=last.labels_.astype(np.int64),
        test=last.predict(test).astype(np.int64),
        restarts=[fit.predict(test).astype(np.int64) for fit in fits],
        centres=last.cluster_centers_,
    )


@threadpool_limits.wrap(limits=1)
def kmeans_from(centres: NDArray[np.float32], codes: NDArray[np.float32]) -> Ids:
    """Return clusters of codes (n, D) when k-means continues from centres (k, D)."""
    return KMeans(len(centres), init=centres, n_init=1).fit(codes).labels_.astype(np.int64)
