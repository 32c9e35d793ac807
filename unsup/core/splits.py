"""The splits, and a fixed, stratified choice of validation and test images."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unsup.core.errors import UserError

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)  # in the order of every array of all images


def train_val_split(
    n: int, labels: NDArray[np.int64] | None, groups: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return sorted training and validation positions, the same for every run.

    Validation has 5,000 of 50,000 or more images, else 10 %. With groups (n,) it has whole ones (`grouped_subset`).
    """
    count = validation_size(n)
    val = stratified_subset(n, count, labels) if groups is None else grouped_subset(count, labels, groups)
    return np.setdiff1d(np.arange(n), val), val


def validation_size(n: int) -> int:
    """Return how many of n training images are drawn for validation."""
    return max(1, round(min(5000, n / 10)))


def test_size(n: int) -> int:
    """Return how many of n images are drawn for the test if none are given."""
    return round(n / 6)


def grouped_subset(count: int, labels: NDArray[np.int64] | None, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sorted positions of about `count` images, in whole groups (n,).

    The classes have nearly equal shares, and every class keeps images outside. The choice is always the same. Groups
    come in a random order, and each is taken if it brings the numbers of images of the classes nearer to their shares.
    If groups are so large that none does, it is the smallest group of each class, up to half of the images.

    Raises:
        UserError: no such choice exists, as with a single group.
    """
    _, numbers = np.unique(np.zeros(len(groups)) if labels is None else labels, return_inverse=True)
    _, ids = np.unique(groups, return_inverse=True)
    sizes = np.zeros((ids.max() + 1, numbers.max() + 1))  # images of each group in each class
    np.add.at(sizes, (ids, numbers), 1)
    missing, left = sizes.sum(axis=0) * count / len(groups), sizes.sum(axis=0)
    chosen = []
    for group in np.random.default_rng(0).permutation(len(sizes)):
        size = sizes[group]
        if (np.square(missing - size).sum() < np.square(missing).sum()) and (left - size)[size > 0].all():
            chosen.append(group)
            missing, left = missing - size, left - size
    if not chosen:
        for number in range(sizes.shape[1]):
            own = [i for i in np.flatnonzero(sizes[:, number]) if (left - sizes[i])[sizes[i] > 0].all()]
            if own and not sizes[chosen, number].any():
                smallest = min(own, key=lambda i: sizes[i].sum())
                chosen, left = [*chosen, smallest], left - sizes[smallest]
    if not 0 < sizes[chosen].sum() <= len(groups) / 2:
        raise UserError(
            f"about {count} of {len(groups)} images cannot be set aside in whole groups: of {len(sizes)} groups the "
            f"smallest has {int(sizes.sum(axis=1).min())}; use smaller groups, or make the splits yourself"
        )
    return np.flatnonzero(np.isin(ids, chosen))


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
