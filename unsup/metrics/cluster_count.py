"""How many clusters codes fall into, by two rules that need no labels."""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import euclidean_distances
from threadpoolctl import threadpool_limits

from unsup.metrics.diagnostics import sample
from unsup.metrics.mixtures import components, distinct, fit_mixture

MOST = 20  # clusters tried
IMAGES = 3_000  # a mixture finds more and more clusters in more images: classes are not Gaussian
DIMENSIONS = 10  # with more, the covariances have too many numbers for so many images

Floats = NDArray[np.float32]


@threadpool_limits.wrap(limits=1)
def estimate_k(codes: Floats) -> dict[str, int]:
    """{"silhouette", "bic"}: the best number of clusters of the codes (n, D), n above 1, by each rule.

    * silhouette: of k-means with k from 2 to 20, the highest mean silhouette (Rousseeuw 1987).
    * bic: of Gaussian mixtures with k from 1 to 20, the lowest Bayesian information criterion (Schwarz 1978).

    Both see 10 principal components of the same 3,000 images. k is at most the number of distinct codes; the silhouette
    is not defined where it reaches the number of images, and is 1 where that leaves nothing to compare.

    What they are worth: both count planted Gaussians (BIC too few where a cluster has under 150 images), and BIC sees a
    single one where the silhouette gives any number. On real codes they count the pieces that codes fall into, not
    classes: for codes of three autoencoders, 7 to 15 for the ten digits of MNIST, but 4 to 19 for three of them. 20
    means 20 or more. Covariances are full: by diagonal, tied or spherical ones BIC finds 16 to 20 in those codes.
    """
    some = codes[sample(len(codes), IMAGES)]
    most = min(MOST, distinct(some))
    seen = components(DIMENSIONS, some)[0]
    return {"silhouette": _by_silhouette(seen, most), "bic": _by_bic(seen, most)}


def _by_silhouette(codes: Floats, most: int) -> int:
    distances = euclidean_distances(codes)

    def mean_silhouette(k: int) -> float:
        clusters = KMeans(k, n_init=3, random_state=0).fit_predict(codes)
        return float(silhouette_score(distances, clusters, metric="precomputed"))

    return max(range(2, min(most, len(codes) - 1) + 1), key=mean_silhouette, default=1)


def _by_bic(codes: Floats, most: int) -> int:
    return min(range(1, most + 1), key=lambda k: fit_mixture(codes, k, restarts=2).bic(codes))
