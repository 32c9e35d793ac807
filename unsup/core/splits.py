"""A fixed, stratified choice of validation and test images."""

import numpy as np
from numpy.typing import NDArray

from unsup.core.errors import UserError


def train_val_split(n: int, labels: NDArray[np.int64] | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return sorted training and validation positions, the same for every run.

    Validation has 5,000 of 50,000 or more images, else 10 %.
    """
    val = stratified_subset(n, validation_size(n), labels)
    return np.setdiff1d(np.arange(n), val), val


def validation_size(n: int) -> int:
    """Return how many of n training images are drawn for validation."""
    return max(1, round(min(5000, n / 10)))


def test_size(n: int) -> int:
    """Return how many of n images are drawn for the test if none are given."""
    return round(n / 6)


def stratified_subset(n: int, count: int, labels: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return sorted positions of `count` of n images, the same every time.

    Every class has an equal share if images are labelled. At least one image of every class is left over, even if that
    makes fewer than `count`.

    Raises:
        UserError: every class has a single image.
    """
    _, group, sizes = np.unique(np.zeros(n) if labels is None else labels, return_inverse=True, return_counts=True)
    if n == len(sizes):
        raise UserError(f"{n} images in {n} classes cannot be split: every class needs at least two images")
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(n)
    by_class = shuffled[np.argsort(group[shuffled], kind="stable")]  # class after class, each in random order
    rank = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # 0, 1, … inside each class
    size = np.repeat(sizes, sizes)
    share = np.where(rank < size - 1, (rank + 0.5) / size, np.inf)  # the last of a class is left over
    first = np.lexsort((rng.random(n), share))[: min(count, n - len(sizes))]
    return np.sort(by_class[first])
