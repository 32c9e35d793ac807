"""Which images to name next.

The first names of a folder are those of a random sample, which carries every estimate. Those that follow are chosen by
the codes: at first images that are typical of groups without a name (TypiClust: Hacohen, Dekel & Weinshall 2022,
"Active learning on a budget", section 3), and, once few names are new, images between two names, one of each kind. The
random sample has no part in the choice, apart from not being asked for again, so that it stays a sample of the rest.
"""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids

ROUND = 20  # images that are chosen at a time
NEW = 0.1  # typical images are chosen while more than this share of the chosen ones has a name that no other one has
DIMENSIONS = 128  # of codes that are clustered; longer ones are reduced to their principal components
FEW_CLUSTERS = 50  # more are found by mini-batches, as the authors of TypiClust do
SMALLEST = 5  # images of a cluster that is asked about
NEIGHBOURS = 20  # in a cluster, by which an image is typical
COMPARED = 2_000  # images of a cluster among which the typical one is looked for
C = 10.0  # of the logistic regression on codes of unit length
SHARE = 10  # the uncertain images among which some of each kind are taken, for each of these


class Choice(NamedTuple):
    """An image to name.

    Attributes:
        image: its position.
        between: labels of the two names that it lies between, None if it is typical of a group.
    """

    image: int
    between: tuple[int, int] | None


@threadpool_limits.wrap(limits=1)
def next_to_name(
    codes: Floats, chosen: Ids, labels: Ids, taken: Ids, count: int = ROUND, seed: int = 0
) -> list[Choice]:
    """Return the images to name next, the most useful first.

    Args:
        codes: (n, d) of all images.
        chosen: positions (m,) of images that were chosen and named earlier.
        labels: (m,) their names, as numbers.
        taken: positions of all images that are not to be asked for again.
        count: images, fewer if there are not so many.
        seed: of the clusters.
    """
    free = np.ones(len(codes), bool)
    free[chosen], free[taken] = False, False
    count = min(count, int(free.sum()))
    if count == 0:
        return []
    x = directions(codes, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct codes than clusters
        if len(np.unique(labels)) < 2 or names_are_new(labels):
            return [Choice(image, None) for image in typical(x, chosen, free, count, seed)]
        return uncertain(x, chosen, labels, free, count, seed)


def names_are_new(labels: Ids) -> bool:
    """Return whether the next image is likely to have a name that none has yet.

    Its probability is about the share of images (m,) with a name of their own (Good 1953).
    """
    single = np.bincount(labels) == 1
    return len(labels) < ROUND or bool(single.sum() > NEW * len(labels))


def directions(codes: Floats, seed: int) -> Floats:
    """Return codes (n, d) as centred ones of unit length, in at most 128 dimensions."""
    if codes.shape[1] > DIMENSIONS and len(codes) > DIMENSIONS:
        codes = PCA(DIMENSIONS, svd_solver="randomized", random_state=seed).fit_transform(codes)
    centred = codes - codes.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return (centred / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def typical(x: Floats, chosen: Ids, free: NDArray[np.bool_], count: int, seed: int) -> list[int]:
    """Return typical images, of the clusters with the fewest chosen ones first.

    There are as many clusters as images that have been chosen by then.

    Args:
        x: (n, d), of unit length.
        chosen: positions.
        free: (n,) which images may be returned.
        count: at most the number of these.
        seed: of k-means.
    """
    k = min(len(chosen) + count, len(x))
    kind = (
        KMeans(k, n_init=1, random_state=seed) if k <= FEW_CLUSTERS else MiniBatchKMeans(k, n_init=3, random_state=seed)
    )
    clusters = kind.fit_predict(x)
    sizes, have = np.bincount(clusters, minlength=k), np.bincount(clusters[chosen], minlength=k)
    rng, images, free = np.random.default_rng(seed), list[int](), free.copy()
    while len(images) < count:
        open_ones = np.unique(clusters[free])
        large = open_ones[sizes[open_ones] >= SMALLEST]
        cluster = min(large if len(large) else open_ones, key=lambda c: (have[c], -sizes[c]))
        members = np.flatnonzero(clusters == cluster)
        image = most_typical(x, members[free[members]], members, rng)
        images.append(image)
        free[image] = False
        have[cluster] += 1
    return images


def most_typical(x: Floats, candidates: Ids, members: Ids, rng: np.random.Generator) -> int:
    """Return the candidate that is nearest to its neighbours, on average.

    These are the 20 nearest ones in its cluster.
    """
    few, others = (
        rows if len(rows) <= COMPARED else rng.choice(rows, COMPARED, False) for rows in (candidates, members)
    )
    distances = np.sqrt(np.maximum(2 - 2 * x[few] @ x[others].T, 0))
    k = min(NEIGHBOURS + 1, len(others))  # with the image itself, at 0
    return int(few[np.partition(distances, k - 1, axis=1)[:, :k].mean(axis=1).argmin()])


def uncertain(x: Floats, chosen: Ids, labels: Ids, free: NDArray[np.bool_], count: int, seed: int) -> list[Choice]:
    """Return images between two names, one of each cluster of uncertain images.

    Uncertain are the ten times as many images with the smallest difference between the probabilities of the two
    likeliest names (margin sampling: Scheffer et al. 2001).
    """
    regression = LogisticRegression(C=C, max_iter=1_000).fit(x[chosen], labels)
    probabilities = regression.predict_proba(x)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
    first, second = np.take_along_axis(probabilities, order, axis=1).T
    rows = np.flatnonzero(free)
    rows = rows[np.argsort((first - second)[rows], kind="stable")[: SHARE * count]]
    clusters = KMeans(count, n_init=1, random_state=seed).fit_predict(x[rows])
    images = list[int]()
    for cluster in np.unique(clusters):  # fewer than asked for where codes are equal
        members = rows[clusters == cluster]
        images.append(int(members[(x[members] @ x[members].sum(axis=0)).argmax()]))
    images += [row for row in rows.tolist() if row not in images][: count - len(images)]
    images.sort(key=lambda image: first[image] - second[image])
    names = regression.classes_[order]
    return [Choice(image, (int(names[image, 0]), int(names[image, 1]))) for image in images]
