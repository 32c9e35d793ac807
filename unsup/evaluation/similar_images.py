"""Clusters and nearest neighbours of pictures, as one or two encoders see them."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids
from unsup.evaluation.progress import say
from unsup.metrics.clustering import kmeans
from unsup.metrics.neighbours import nearest_by_cosine

LEVELS = (5, 15, 40)  # clusters, from coarse to fine
PER_CLUSTER = 5  # images that a cluster has on average, at least
RESTARTS = 3  # of k-means
TYPICAL = 8  # images of a cluster
LEADING = 50  # components that clusters and the map go by
COMPARED = 2_000  # images whose neighbours two encoders are compared by, at most
NEAREST = 5
ON_MAP = 8  # nearest images of one on a map


@dataclass(frozen=True)
class View:
    """The images as an encoder sees them.

    Attributes:
        name: of the encoder.
        preparation: of its pictures, in words.
        codes: (n, D).
    """

    name: str
    preparation: str
    codes: Floats


@dataclass(frozen=True)
class Clusters:
    """One partition of n images.

    Attributes:
        of: (n,) the cluster of each image, 0 being the largest one.
        typical: positions of the images nearest to the centre of each cluster.
    """

    of: Ids
    typical: list[Ids]


@dataclass(frozen=True)
class Neighbours:
    """Nearest neighbours of the same images by two encoders.

    Attributes:
        images: (m,) drawn at random.
        nearest: (2, m, 5) the nearest other images by each encoder, the nearest first.
    """

    images: Ids
    nearest: Ids

    @property
    def different(self) -> int:
        """How many images have another nearest neighbour."""
        return int((self.nearest[0, :, 0] != self.nearest[1, :, 0]).sum())

    @property
    def shared(self) -> float:
        """How many of the nearest five images are the same, on average."""
        return float((self.nearest[0][:, :, None] == self.nearest[1][:, None, :]).any(axis=2).sum(axis=1).mean())


def leading_components(codes: Floats) -> Floats:
    """Return at most 50 principal components (n, d) of codes (n, D)."""
    most = min(LEADING, *codes.shape)
    return np.asarray(PCA(most, random_state=0).fit_transform(codes), np.float32)


def levels(images: int) -> list[int]:
    """Return numbers of clusters that so many images are worth."""
    return [k for k in LEVELS if k * PER_CLUSTER <= images] or [max(1, images // PER_CLUSTER)]


def clusters(components: Floats, k: int) -> Clusters:
    """Return the clusters of k-means, the largest first."""
    say(f"{k} clusters")
    found = kmeans(components, components, k, RESTARTS)
    order = np.argsort(-np.bincount(found.train, minlength=k), kind="stable")
    of = np.argsort(order)[found.train]
    distances = np.linalg.norm(components - found.centres[found.train], axis=1)
    by_distance = np.argsort(distances, kind="stable")
    return Clusters(of, [by_distance[of[by_distance] == i][:TYPICAL] for i in range(k)])


def compare_neighbours(first: View, second: View) -> Neighbours:
    """Return the nearest neighbours of at most 2,000 images among all of them."""
    say("nearest neighbours")
    n = len(first.codes)
    images = np.random.default_rng(0).permutation(n)[:COMPARED]
    return Neighbours(images, np.stack([nearest_others(view.codes, images, NEAREST) for view in (first, second)]))


def nearest_others(codes: Floats, rows: Ids, count: int) -> Ids:
    """Return positions (m, count) of the codes (n, D) nearest to some of them."""
    nearest = nearest_by_cosine(codes, codes[rows], count + 1)
    other = nearest != rows[:, None]
    other[other.all(axis=1), -1] = False  # where more than `count` others are equal to the image
    return nearest[other].reshape(len(rows), count)


def nearest_on_map(codes: Floats) -> Ids:
    """Return positions (m, k) of the codes (m, D) on a map nearest to each."""
    return nearest_others(codes, np.arange(len(codes)), min(ON_MAP, len(codes) - 1))


@threadpool_limits.wrap(limits=1)
def pixel_view(images: Floats) -> View:
    """Return principal components of thumbnails (n, d), the plainest code."""
    return View("pixels", f"PCA-{min(LEADING, *images.shape)} of thumbnails", leading_components(images))
