"""Distances, precision and recall of generated images, from their features."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances, polynomial_kernel
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats

BALL_NEIGHBOURS = 3
ROWS = 500  # rows of the pairwise matrix in memory at a time: 40 MB for 10,000 images


@threadpool_limits.wrap(limits=1)  # the same bits on any number of cores
def image_scores(generated: Floats, real: Floats) -> dict[str, float | int]:
    """Compare generated with real images by features, (n, D) each, n above 3.

    "frechet" and "kernel" are distances between the two distributions: 0 at best; "frechet" falls with n also between
    two draws from one distribution. "precision" and "recall" are shares in [0, 1]. "n" is how many images on each side.
    """
    a, b = generated.astype(np.float64), real.astype(np.float64)
    precision, recall = precision_recall(a, b)
    distances = {"frechet": frechet(a, b), "kernel": kernel_distance(a, b)}
    return distances | {"precision": precision, "recall": recall, "n": len(b)}


@threadpool_limits.wrap(limits=1)
def frechet(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the squared Fréchet distance between Gaussians fitted to (n, D), (m, D).

    |μa - μb|² + Tr(A + B - 2 (AB)^½): Heusel et al. 2017, "GANs trained by a two time-scale update rule", section 3,
    who use features of Inception.
    """
    cov_a, cov_b = (np.cov(x, rowvar=False).reshape(x.shape[1], -1) for x in (a, b))
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(values.clip(min=0))  # A = root rootᵀ, so AB has the eigenvalues of rootᵀ B root
    cross = np.sqrt(np.linalg.eigvalsh(root.T @ cov_b @ root).clip(min=0)).sum()
    means = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return max(0.0, float(means + np.trace(cov_a) + np.trace(cov_b) - 2 * cross))


def kernel_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the unbiased squared maximum mean discrepancy between (n, D) and (m, D).

    The kernel is (x·y / D + 1)³: Bińkowski et al. 2018, "Demystifying MMD GANs", section 4, there averaged over subsets
    of Inception features; here from all pairs at once. About 0, so at times below it, for two draws from one
    distribution, whatever n.
    """

    def total(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        return float(sum(polynomial_kernel(x[i : i + ROWS], y).sum() for i in range(0, len(x), ROWS)))

    def within(x: NDArray[np.float64]) -> float:
        own = np.square(x).sum(axis=1) / x.shape[1] + 1
        return (total(x, x) - float((own**3).sum())) / (len(x) * (len(x) - 1))

    return within(a) + within(b) - 2 * total(a, b) / (len(a) * len(b))


def precision_recall(generated: NDArray[np.float64], real: NDArray[np.float64]) -> tuple[float, float]:
    """Return the share of generated images among real ones, and the reverse.

    An image (D,) is among others if it is in a ball around one of them that reaches to that one's third neighbour:
    Kynkäänniemi et al. 2019, "Improved precision and recall metric", section 2, k = 3 as there.
    """
    reach, reach_generated = _reach(real), _reach(generated)
    among_real = np.zeros(len(generated), dtype=bool)
    among_generated = np.zeros(len(real), dtype=bool)
    for i in range(0, len(generated), ROWS):
        distances = euclidean_distances(generated[i : i + ROWS], real)
        among_real[i : i + ROWS] = (distances <= reach).any(axis=1)
        among_generated |= (distances <= reach_generated[i : i + ROWS, None]).any(axis=0)
    return float(among_real.mean()), float(among_generated.mean())


def _reach(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each of x (n, D) to its third nearest neighbour."""
    neighbours = NearestNeighbors(n_neighbors=BALL_NEIGHBOURS, algorithm="brute").fit(x)
    return neighbours.kneighbors()[0][:, -1]
