"""Validation and test images set aside by a fixed draw, an equal share of every class."""

import numpy as np
from numpy.typing import NDArray

from unsup.core.errors import UserError


def train_val_split(n: int, labels: NDArray[np.int64] | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sorted training and validation positions: 5,000 of 50,000 or more images, else 10 %; the same for every run."""
    val = stratified_subset(n, max(1, round(min(5000, n / 10))), labels)
    return np.setdiff1d(np.arange(n), val), val


def stratified_subset(n: int, count: int, labels: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Sorted positions of `count` of n images, the same every time; where labelled, an equal share of every class.

    At least one image of every class is left over; when that is impossible there are fewer than `count`.

    Raises:
        UserError: every class has a single image.
    """
    _, group, sizes = np.unique(np.zeros(n) if labels is None else labels, return_inverse=True, return_counts=True)
    if n == len(sizes):
        raise UserError(f"{n} images in {n} classes cannot be split: every class needs at least two images")
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(n)
    by_class = shuffled[np.argsort(group[shuffled], kind="stable")]  # class after class, each in random order
    place = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # 0, 1, … inside each class
    size = np.repeat(sizes, sizes)
    share = np.where(place < size - 1, (place + 0.5) / size, np.inf)  # the last of a class stays
    first = np.lexsort((rng.random(n), share))[: min(count, n - len(sizes))]
    return np.sort(by_class[first])
