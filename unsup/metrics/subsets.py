"""Subsets of the training images to fit a probe on, which depend on labels alone."""

import numpy as np

from unsup.core.arrays import Ids

IMBALANCED_IMAGES = 5_000  # at most, whatever the ratio
RATIOS = (1, 10, 100)  # of the most to the least frequent class


def stratified(labels: Ids, size: int, draw: int = 0) -> Ids:
    """Return sorted positions of at most `size` images, each class (n,) by its share.

    `size` is at least the number of classes, and every class has at least one image. Another draw gives other images.
    """
    if len(labels) <= size:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(draw).permutation(len(labels))
    _, group, counts = np.unique(labels[shuffled], return_inverse=True, return_counts=True)
    by_class = shuffled[np.argsort(group, kind="stable")]  # class after class, each in random order
    place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)  # 0, 1, … inside each class
    share = np.where(place == 0, 0, (place + 0.5) / np.repeat(counts, counts))
    return np.sort(by_class[np.argsort(share, kind="stable")[:size]])


def stratified_folds(labels: Ids, count: int) -> list[tuple[Ids, Ids]]:
    """Return positions to fit on and to hold out, for each fold of a cross-validation.

    Every class (n,) is spread evenly over the folds, the same way every time. The only image of a class is never held
    out, so that every fit sees every class.
    """
    shuffled = np.random.default_rng(0).permutation(len(labels))
    fold = np.empty(len(labels), np.int64)
    fold[shuffled[np.argsort(labels[shuffled], kind="stable")]] = np.arange(len(labels)) % count
    classes, sizes = np.unique(labels, return_counts=True)
    fold[np.isin(labels, classes[sizes == 1])] = -1
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(count) if (fold == i).any()]


def labelled_draws(labels: Ids, per_class: int, draws: int) -> list[Ids]:
    """Return draws of `per_class` positions of each class, none if a class has fewer."""
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < per_class:
        return []
    rngs = [np.random.default_rng([per_class, draw]) for draw in range(draws)]
    return [
        np.concatenate([rng.choice(np.flatnonzero(labels == c), per_class, replace=False) for c in classes])
        for rng in rngs
    ]


def random_draws(labels: Ids, total: int, draws: int) -> list[Ids]:
    """Return draws of `total` positions without regard to class.

    A larger draw contains the smaller ones.
    """
    return [np.random.default_rng(draw).permutation(len(labels))[:total] for draw in range(draws)]


def balanced_draws(labels: Ids, total: int, draws: int) -> list[Ids]:
    """Return draws of `total` positions with as many of each class, or one more.

    A larger draw contains the smaller ones. There are no draws if a class has too few images.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() * len(classes) < total:
        return []
    drawn = []
    for rng in map(np.random.default_rng, range(draws)):
        by_class = [rng.permutation(np.flatnonzero(labels == c))[: counts.min()] for c in rng.permutation(classes)]
        drawn.append(np.stack(by_class, axis=1).ravel()[:total])  # one of each class after the other
    return drawn


def imbalanced_draws(labels: Ids, ratio: int, draws: int) -> list[Ids]:
    """Return draws of positions of images whose K class sizes fall exponentially.

    Class k of a random order gets a number of images proportional to ratio^(-k / (K - 1)) (Cui et al. 2019,
    "Class-balanced loss based on effective number of samples", section 5.1). The total, at most 5,000, is the same for
    every ratio in `RATIOS`; so is the order, and a smaller class is part of the larger one: a draw at two ratios
    differs in nothing but the imbalance.

    Returns:
        No draws if the least frequent class would be empty at ratio 100, with fewer than about 100 images of a class.
    """
    classes, counts = np.unique(labels, return_counts=True)
    decay = np.arange(len(classes)) / (len(classes) - 1)
    steepest = float(max(RATIOS)) ** -decay
    total = min(IMBALANCED_IMAGES, int((counts.min() - 1) * steepest.sum()))  # any class can be the most frequent one
    if total * steepest[-1] / steepest.sum() < 1:
        return []
    shares = float(ratio) ** -decay
    sizes = (total * shares / shares.sum()).astype(int)
    sizes[: total - sizes.sum()] += 1  # what rounding left over
    drawn = []
    for rng in map(np.random.default_rng, range(draws)):
        order = rng.permutation(classes)
        by_class = [rng.permutation(np.flatnonzero(labels == c))[:size] for c, size in zip(order, sizes, strict=True)]
        drawn.append(np.concatenate(by_class))
    return drawn
