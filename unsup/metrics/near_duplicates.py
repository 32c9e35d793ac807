"""Near-duplicates among images.

Thumbnails find candidates, and an alignment confirms them.

Digits, or cells under a microscope, look alike by nature. The images therefore decide what a duplicate is: the residual
of a pair is so small that fewer than one pair of these images is expected to reach it by chance.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Array, Floats, Ids
from unsup.metrics.alignment import residuals, resized
from unsup.metrics.neighbours import largest

THUMBNAIL = 16  # pixels of a side, by which candidates are found
SIDE = 32  # pixels of a side, at most, at which they are confirmed
CANDIDATES = 4  # of an image as it is, twice as many in its own set
MIRRORED = 2  # candidates of its mirror image
BURST = 16  # neighbours that may be shots of the same scene; further ones are alike by chance
FURTHER = 4  # times as many neighbours tell how fast the residuals of chance neighbours grow
LARGEST_RESIDUAL = 0.15  # of a duplicate
EXPECTED = 0.5  # pairs by chance
QUANTILES = (0.02, 0.2)  # of pairs of different classes, through which their tail is drawn
LOW_QUANTILE = 0.02  # of the residuals of 16th neighbours; fewer images have more copies than that
FEWEST = 50  # images with a candidate of another class that have a tail
MOST_POWER = 8.0  # of a tail: residuals end at 1, which makes it look steeper than it is
TINY = 1e-6
SMALLEST = 2  # pixels of a side that can be aligned
ROWS = 512  # images at a time


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of images (m,), each once, the most alike first.

    Attributes:
        first: positions of the images that were looked up; of one set those of the earlier image.
        second: positions of the others.
        residual: share of the variance that an aligned pair does not share.
        threshold: what the residual is below.
        expected: the number of such pairs by chance.
    """

    first: Ids
    second: Ids
    residual: Floats
    threshold: float
    expected: float


class LabelledImages(NamedTuple):
    """Images (n, C, H, W), uint8, with labels (n,) if there are any."""

    images: Array
    labels: Ids | None


@threadpool_limits.wrap(limits=1)
def find_near_duplicates(looked_up: LabelledImages, others: LabelledImages | None = None) -> NearDuplicates:
    """Find pairs of images with others, or among themselves.

    A candidate is one of the nearest four by the cosine of thumbnails (eight among themselves), or of the nearest two
    of the mirror image. It is confirmed by `residuals`. The 16th neighbours of images are alike by chance; a power law
    leads from them to the first ones, and the threshold is where it expects half a pair. Candidates of different
    classes above it are alike by chance, too; if their power law expects more, the threshold is lower.

    Args:
        looked_up: images; memory for their thumbnails and a few hundred pictures is needed.
        others: the images that they may be copies of; None for themselves.
    """
    base = looked_up if others is None else others
    smallest = min(looked_up.images.shape[2:])
    if len(looked_up.images) == 0 or len(base.images) < 2 + (others is None) or smallest < SMALLEST:
        nothing = np.empty(0, np.int64)
        return NearDuplicates(nothing, nothing, nothing.astype(np.float32), 0.0, 0.0)
    candidates = _candidates(looked_up.images, base.images, alone=others is None)
    residual = _residuals(looked_up.images, base.images, candidates.first, candidates.second, candidates.mirrored)
    neighbours = _tail_of_neighbours(looked_up.images, base.images, candidates)
    threshold = min(LARGEST_RESIDUAL, neighbours.residual(EXPECTED))
    expected = neighbours.expected(threshold)
    if looked_up.labels is not None and base.labels is not None:
        chance = (looked_up.labels[candidates.first] != base.labels[candidates.second]) & (residual > threshold)
        least = np.full(len(looked_up.images), np.inf, np.float32)
        np.minimum.at(least, candidates.first[chance], residual[chance])
        if np.isfinite(least).sum() >= FEWEST:
            tail = _Tail.of_classes(least[np.isfinite(least)], len(least))
            threshold = min(threshold, tail.residual(EXPECTED))
            expected = max(neighbours.expected(threshold), tail.expected(threshold))
    order = np.argsort(residual, kind="stable")
    order = order[residual[order] < threshold]
    first, second = candidates.first[order], candidates.second[order]
    if others is None:
        first, second = np.minimum(first, second), np.maximum(first, second)
    once = np.sort(np.unique(first * len(base.images) + second, return_index=True)[1])
    return NearDuplicates(first[once], second[once], residual[order][once], threshold, expected)


@dataclass(frozen=True)
class _Tail:
    """The number of chance pairs with a residual below r, count * (r / at) ** power."""

    count: float
    at: float
    power: float

    @classmethod
    def of_classes(cls, least: Floats, images: int) -> Self:
        """Return the tail of images with a candidate of another class.

        `least` is the least residual of such a candidate.
        """
        low, high = (max(float(np.quantile(least, q)), TINY) for q in QUANTILES)
        power = np.log(QUANTILES[1] / QUANTILES[0]) / max(np.log(high / low), TINY)
        return cls(images * QUANTILES[0], low, min(MOST_POWER, float(power)))

    @classmethod
    def of_neighbours(cls, near: Floats, far: Floats, ranks: tuple[int, int]) -> Self:
        """Return the tail that the residuals of two neighbours of each image lead to."""
        near, far = np.maximum(near, TINY), np.maximum(far, TINY)
        power = np.log(ranks[1] / ranks[0]) / max(float(np.median(np.log(far / near))), TINY)
        return cls(len(near) * ranks[0], float(np.quantile(near, LOW_QUANTILE)), min(MOST_POWER, float(power)))

    def expected(self, residual: float) -> float:
        return self.count * (residual / self.at) ** self.power

    def residual(self, expected: float) -> float:
        return self.at * (expected / self.count) ** (1 / self.power)


class _Candidates(NamedTuple):
    """Candidates (m,) of all images, and two chance neighbours (n, 2) of these ranks."""

    first: Ids
    second: Ids
    mirrored: NDArray[np.bool_]
    by_chance: Ids
    ranks: tuple[int, int]


def _candidates(images: Array, base: Array, alone: bool) -> _Candidates:
    thumbnails = _thumbnails(images)
    targets = (thumbnails if alone else _thumbnails(base)).reshape(len(base), -1)
    most = len(base) - alone
    burst = max(1, min(BURST, most // (2 * FURTHER)))
    ranks = burst, min(most, FURTHER * burst)
    candidates = CANDIDATES * (1 + alone)
    nearest: tuple[list[Ids], list[Ids]] = [], []
    for start in range(0, len(thumbnails), ROWS):
        part = thumbnails[start : start + ROWS]
        for mirrored, count in enumerate((max(candidates, ranks[1]), MIRRORED)):
            cosines = (part[:, :, ::-1] if mirrored else part).reshape(len(part), -1) @ targets.T
            if alone:
                cosines[np.arange(len(part)), start + np.arange(len(part))] = -np.inf
            at = largest(cosines, min(count, most))
            order = np.argsort(-np.take_along_axis(cosines, at, axis=1), axis=1, kind="stable")
            nearest[mirrored].append(np.take_along_axis(at, order, axis=1))
    plain, of_mirror = map(np.concatenate, nearest)
    pairs = [(np.repeat(np.arange(len(at)), at.shape[1]), at.ravel()) for at in (plain[:, :candidates], of_mirror)]
    first, second = map(np.concatenate, zip(*pairs, strict=True))
    by_chance = plain[:, [rank - 1 for rank in ranks]]
    return _Candidates(first, second, np.arange(len(first)) >= len(pairs[0][0]), by_chance, ranks)


def _tail_of_neighbours(images: Array, base: Array, candidates: _Candidates) -> _Tail:
    everything = np.arange(len(images))
    as_it_is = np.zeros(len(images), np.bool_)
    near, far = (_residuals(images, base, everything, at, as_it_is) for at in candidates.by_chance.T)
    return _Tail.of_neighbours(near, far, candidates.ranks)


def _residuals(images: Array, base: Array, first: Ids, second: Ids, mirrored: NDArray[np.bool_]) -> Floats:
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(first), ROWS):
        rows = slice(start, start + ROWS)
        a, b = (resized(_floats(x[at[rows]]), SIDE) for x, at in ((images, first), (base, second)))
        parts.append(residuals(np.where(mirrored[rows, None, None, None], a[..., ::-1], a), b))
    return np.concatenate(parts)


def _thumbnails(images: Array) -> Floats:
    """Return smoothed grey thumbnails (n, h, w) with mean 0 and length 1."""
    parts = []
    for start in range(0, len(images), ROWS):
        grey = _floats(images[start : start + ROWS]).mean(axis=1, keepdims=True)
        x = resized(grey, THUMBNAIL)[:, 0]
        for axis in (1, 2):  # an image that is cropped to 90 % moves by a pixel
            wide = np.pad(x, [(0, 0), *((1, 1) if i == axis else (0, 0) for i in (1, 2))], mode="edge")
            before, here, after = (wide.take(range(i, i + x.shape[axis]), axis) for i in range(3))
            x = np.asarray((before + 2 * here + after) / 4, np.float32)
        x -= x.mean(axis=(1, 2), keepdims=True)
        lengths = np.linalg.norm(x, axis=(1, 2), keepdims=True)
        parts.append(np.asarray(x / np.where(lengths > TINY, lengths, 1), np.float32))
    return np.concatenate(parts)


def _floats(images: Array) -> Floats:
    """Return images in [0, 1]."""
    return np.asarray(images, np.float32) / np.float32(255)
