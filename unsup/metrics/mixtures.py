"""Clusterings other than k-means, fitted on training codes without labels.

All of them get codes as principal components, at most 64, with a mean variance of 1; mixtures at most a fifth as many
as there are images for each cluster, or 10. k is at most the number of
distinct codes. The same codes give the same bits.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids
from unsup.metrics.clustering import Assignment
from unsup.metrics.diagnostics import subsample

DIMENSIONS = 64
FEWEST_DIMENSIONS = 10  # of a mixture
IMAGES_PER_DIMENSION = 5  # of each cluster; with fewer a covariance fits the images alone, and test images leave it
MIXTURE_IMAGES = 10_000
WARD_IMAGES = 5_000  # time and memory grow with the square: 1 s and 200 MB for these
ADDED_VARIANCE = 1e-3  # added to variances, whose mean is 1: constant entries weigh no more than noise
STARTS = 4
WORK = STARTS * 10 * 32**2  # four starts of ten clusters in 32 dimensions take 1 s; fewer if EM costs more
FIRST_STEPS = 10  # of EM, after which only the likeliest start continues
VOTERS = 20
LAYOUT_DIMENSIONS = 20
LAYOUT_EPOCHS = 200  # UMAP's own number above 10,000 images, so the paper's
MOST = 20  # clusters tried by `estimate_k`
COUNTED_IMAGES = 3_000  # a mixture finds more and more clusters in more images: classes are not Gaussian
COUNTED_DIMENSIONS = 10  # with more, the covariances have too many parameters for that many images

Method = Callable[[Floats, Floats, int], Assignment]


def methods() -> dict[str, Method]:
    """Return the methods that can run here, called with train (n, D), test (m, D), k."""
    available: dict[str, Method] = {"gaussian mixture": gaussian_mixture, "agglomerative": agglomerative}
    return available if find_spec("umap") is None else available | {"UMAP + Gaussian mixture": umap_mixture}


@threadpool_limits.wrap(limits=1)
def gaussian_mixture(train: Floats, test: Floats, k: int) -> Assignment:
    """Fit k Gaussians with full covariances by EM on at most 10,000 of `train` (n, D).

    EM starts from k-means, at most four times; that with the highest likelihood after ten iterations
    continues.
    scikit-learn warns (ConvergenceWarning) if that was still rising after 200 iterations.
    """
    images = min(len(train), MIXTURE_IMAGES)
    enough = max(FEWEST_DIMENSIONS, images // (IMAGES_PER_DIMENSION * k))
    seen = _Seen.of(train, test, images, k, min(DIMENSIONS, enough))
    fit = fit_mixture(seen.fitted, seen.k)
    return seen.assigned(fit.predict(seen.train), fit.predict(seen.test))


@threadpool_limits.wrap(limits=1)
def agglomerative(train: Floats, test: Floats, k: int) -> Assignment:
    """Merge at most 5,000 of `train` (n, D) to k clusters by Ward's method.

    Any other image goes to the cluster of most of its 20 nearest fitted images; by the nearest mean, 13 to 21 % of the
    fitted images themselves would leave their cluster (MNIST codes of three autoencoders).
    """
    seen = _Seen.of(train, test, WARD_IMAGES, k)
    return seen.by_vote(AgglomerativeClustering(seen.k, linkage="ward").fit_predict(seen.fitted))


@threadpool_limits.wrap(limits=1)
def umap_mixture(train: Floats, test: Floats, k: int) -> Assignment:
    """Fit N2D, a Gaussian mixture in UMAP's layout of at most 10,000 training codes.

    McConville et al. 2019, "N2D: (Not Too) Deep Clustering via Clustering the Local Manifold of an Autoencoded
    Embedding", section 4: 20 neighbours, minimal distance 0, as many dimensions as clusters, here at most 20. Here
    neighbours are exact, and any other image goes to the cluster of most of its 20 nearest fitted images: on MNIST
    codes as good as by UMAP's own placement (0.951 and 0.953), and much faster. Of fewer than 40 images the mixture
    gets the codes themselves.
    """
    seen = _Seen.of(train, test, MIXTURE_IMAGES, k)
    few = len(seen.fitted) < 2 * VOTERS
    layout = seen.fitted if few else _layout(seen.fitted, min(seen.k, LAYOUT_DIMENSIONS))
    return seen.by_vote(fit_mixture(layout, seen.k).predict(layout))


def affordable_starts(k: int, dimensions: int) -> int:
    """Return how many starts of a mixture of k are tried, fewer if one takes long."""
    return max(1, min(STARTS, WORK // (k * dimensions**2)))


def fit_mixture(codes: Floats, k: int, starts: int = STARTS) -> GaussianMixture:
    """Fit k full-covariance Gaussians on codes (n, D) of mean variance 1, n >= k."""
    exact = codes.astype(np.float64)  # float32 may not be enough for the covariance of outliers
    starts = min(starts, affordable_starts(k, codes.shape[1]))
    mixture = GaussianMixture(k, reg_covar=ADDED_VARIANCE, max_iter=200, random_state=0)
    if starts == 1:
        return mixture.fit(exact)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        first = clone(mixture).set_params(n_init=starts, max_iter=FIRST_STEPS).fit(exact)
    begin = {"weights_init": first.weights_, "means_init": first.means_, "precisions_init": first.precisions_}
    return mixture.set_params(**begin).fit(exact)


def components(dimensions: int, fitted: Floats, *others: Floats) -> list[Floats]:
    """Return principal components of codes, fitted on the first, of mean variance 1.

    `fitted` is (n, D), n above 1. Codes that are all the same become zeros.
    """
    mean = fitted.mean(axis=0, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # shares of a variance of 0
        pca = PCA(min(dimensions, *fitted.shape), random_state=0).fit(fitted - mean)
    scale = float(np.sqrt(pca.explained_variance_.mean())) or 1.0
    axes = (pca.components_.T / scale).astype(np.float32)
    return [(codes - mean.astype(np.float32)) @ axes for codes in (fitted, *others)]


def distinct(codes: Floats) -> int:
    """Count the distinct codes (n, D)."""
    return len(np.unique(codes, axis=0))


@dataclass(frozen=True)
class _Seen:
    """The codes that a clustering sees, and the way to clusters of all images."""

    fitted: Floats  # (f, d)
    train: Floats  # (n, d)
    test: Floats  # (m, d)
    at: Ids  # (f,) positions of the fitted ones in train
    k: int

    @classmethod
    def of(cls, train: Floats, test: Floats, images: int, k: int, dimensions: int = DIMENSIONS) -> "_Seen":
        at = subsample(len(train), images)
        fitted, train_seen, test_seen = components(dimensions, train[at], train, test)
        return cls(fitted, train_seen, test_seen, at, min(k, distinct(train[at])))

    def assigned(self, train: NDArray[Any], test: NDArray[Any]) -> Assignment:
        ids = train.astype(np.int64), test.astype(np.int64)
        return Assignment(*ids, k=self.k, fitted_on=len(self.fitted), dim=self.fitted.shape[1])

    def by_vote(self, ids: NDArray[Any]) -> Assignment:
        """Keep clusters (f,) of fitted images, and give others that of most neighbours."""
        vote = KNeighborsClassifier(min(VOTERS, len(ids)), algorithm="brute").fit(self.fitted, ids)
        train = vote.predict(self.train)
        train[self.at] = ids
        return self.assigned(train, vote.predict(self.test))


def _layout(codes: Floats, dimensions: int) -> Floats:
    """Return UMAP's layout (n, d) of codes (n, D), with a mean variance of 1."""
    from umap import UMAP

    near = NearestNeighbors(n_neighbors=VOTERS, algorithm="brute").fit(codes)
    distances, neighbours = near.kneighbors(codes)  # each is its own first neighbour, as UMAP wants it
    layout = UMAP(
        VOTERS,
        dimensions,
        min_dist=0,
        n_epochs=LAYOUT_EPOCHS,
        precomputed_knn=(neighbours, distances),
        random_state=0,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"precomputed_knn\[2\]")  # its own placement is not wanted
        placed = layout.fit_transform(codes)
    return components(dimensions, placed)[0]


@threadpool_limits.wrap(limits=1)
def estimate_k(codes: Floats) -> dict[str, int]:
    """Return the best number of clusters of codes (n, D), n above 1, by two rules.

    * silhouette: of k-means with k from 2 to 20, the highest mean silhouette (Rousseeuw 1987).
    * bic: of Gaussian mixtures with k from 1 to 20, the lowest Bayesian information criterion (Schwarz 1978).

    Both see 10 principal components of the same 3,000 images. k is at most the number of distinct codes; the silhouette
    is not defined if it reaches the number of images, and is 1 if that leaves nothing to compare.

    Both count planted Gaussians (BIC too few if a cluster has under 150 images), and BIC sees a single one where the
    silhouette gives any number. On real codes they count the pieces that codes fall into, not classes: for codes of
    three autoencoders, 7 to 15 for the ten digits of MNIST, but 4 to 19 for three of them. 20 means 20 or more.
    Covariances are full: by diagonal, tied or spherical ones BIC finds 16 to 20 in those codes.
    """
    some = codes[subsample(len(codes), COUNTED_IMAGES)]
    most = min(MOST, distinct(some))
    seen = components(COUNTED_DIMENSIONS, some)[0]
    distances = euclidean_distances(seen)

    def mean_silhouette(k: int) -> float:
        clusters = KMeans(k, n_init=3, random_state=0).fit_predict(seen)
        return float(silhouette_score(distances, clusters, metric="precomputed"))

    return {
        "silhouette": max(range(2, min(most, len(seen) - 1) + 1), key=mean_silhouette, default=1),
        "bic": min(range(1, most + 1), key=lambda k: fit_mixture(seen, k, starts=1).bic(seen)),
    }
