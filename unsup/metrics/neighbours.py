"""Nearest training codes, and classification by their vote."""

from collections.abc import Iterator
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids

NEIGHBOURS = 20
LITERATURE_NEIGHBOURS = 200  # with the next line as in Wu et al. 2018 and DINO; the temperature is lightly's
TEMPERATURE = 0.1
ROWS = 64  # test codes in one product, between which an interrupt is heard
CACHED_ROWS = 8  # of them at a time afterwards, so that the processor's caches hold their rows


class NeighbourVotes(NamedTuple):
    """Test accuracies in [0, 1] of votes of the nearest training images.

    `centred`, `raw` and `unit_length` are majorities of k images, by the cosine after the mean training code is
    subtracted, by the Euclidean distance, and by the cosine of the codes as they are. `weighted` is the vote of
    `weighted_k` images by that last cosine, each with the weight exp(cosine / 0.1). `correct` (m,) is 1 for test images
    that the first of them classifies correctly, and `correct_without` the same if some training images have no vote.
    """

    k: int
    centred: float
    raw: float
    unit_length: float
    weighted_k: int
    weighted: float
    correct: Floats
    correct_without: Floats


@threadpool_limits.wrap(limits=1)
def neighbour_votes(
    train: Floats, labels: Ids, test: Floats, test_labels: Ids, without: Ids | None = None
) -> NeighbourVotes:
    """Classify test codes (m, D) by training codes (n, D), with nothing chosen.

    k is 20, or the size of the smallest class if that is less. All votes come from one product of the codes.

    Args:
        train: codes of training images.
        labels: (n,) of these.
        test: codes of test images.
        test_labels: (m,) of these.
        without: positions of training images that `correct_without` leaves out, fewer than n - k.
    """
    left_out = np.zeros(len(train), np.bool_)
    left_out[without if without is not None else []] = True
    classes, ids, counts = np.unique(labels, return_inverse=True, return_counts=True)
    k, weighted_k = min(NEIGHBOURS, int(counts.min())), min(LITERATURE_NEIGHBOURS, len(train))
    right: dict[str, list[NDArray[np.bool_]]] = {
        name: [] for name in ("centred", "raw", "unit_length", "weighted", "without")
    }
    for rows, closeness in _closeness(train, test):
        cosines = closeness["unit_length"]
        nearest = {name: largest(scores, k) for name, scores in closeness.items()}
        nearest["weighted"] = largest(cosines, weighted_k)
        if (lost := left_out[nearest["centred"]].any(axis=1)).any():
            nearest["without"] = nearest["centred"].copy()
            nearest["without"][lost] = largest(np.where(left_out, -np.inf, closeness["centred"][lost]), k)
        for name, at in nearest.items():
            weights = np.ones(at.shape)
            if name == "weighted":
                weights = np.exp(np.take_along_axis(cosines, at, axis=1).astype(np.float64) / TEMPERATURE)
            cells = np.arange(len(at))[:, None] * len(classes) + ids[at]
            votes = np.bincount(cells.ravel(), weights.ravel(), len(at) * len(classes)).reshape(len(at), -1)
            right[name].append(classes[votes.argmax(axis=1)] == test_labels[rows])
        if "without" not in nearest:
            right["without"].append(right["centred"][-1])
    correct = {name: np.concatenate(parts) for name, parts in right.items()}
    return NeighbourVotes(
        k=k,
        centred=float(correct["centred"].mean()),
        raw=float(correct["raw"].mean()),
        unit_length=float(correct["unit_length"].mean()),
        weighted_k=weighted_k,
        weighted=float(correct["weighted"].mean()),
        correct=correct["centred"].astype(np.float32),
        correct_without=correct["without"].astype(np.float32),
    )


@threadpool_limits.wrap(limits=1)
def nearest_by_cosine(train: Floats, queries: Floats, count: int) -> Ids:
    """Return positions of the training codes (n, D) nearest to each query (m, D).

    The result is (m, `count`), the nearest first, by the cosine after the mean training code is subtracted.
    """
    positions = [np.empty((0, min(count, len(train))), np.int64)]
    for _, closeness in _closeness(train, queries):
        at = largest(closeness["centred"], min(count, len(train)))
        order = np.argsort(-np.take_along_axis(closeness["centred"], at, axis=1), axis=1, kind="stable")
        positions.append(np.take_along_axis(at, order, axis=1))
    return np.concatenate(positions)


def _closeness(train: Floats, test: Floats) -> Iterator[tuple[slice, dict[str, Floats]]]:
    """Yield positions of some test codes, and how close each training code is to them.

    Each kind of closeness is (rows, n), larger if nearer. With G the products of the centred codes, the Euclidean
    distance goes by G - |y|² / 2, and the product of the codes as they are is G plus products with the mean.
    """
    mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = train - mean
    halves = np.einsum("nd,nd->n", centred, centred) / 2
    by_length, by_own_length = 1 / _lengths(centred), 1 / _lengths(train)
    with_mean = centred @ mean
    for start in range(0, len(test), ROWS):
        block = test[start : start + ROWS]
        of_block = (block - mean) @ centred.T
        block_with_mean, block_lengths = (block @ mean)[:, None], _lengths(block)[:, None]
        for first in range(0, len(block), CACHED_ROWS):
            part = slice(first, min(first + CACHED_ROWS, len(block)))
            products = of_block[part]
            uncentred = products + with_mean
            uncentred += block_with_mean[part]
            uncentred *= by_own_length
            uncentred /= block_lengths[part]
            raw = products - halves
            products *= by_length
            rows = slice(start + part.start, start + part.stop)
            yield rows, {"centred": products, "raw": raw, "unit_length": uncentred}


def _lengths(codes: Floats) -> Floats:
    """Return Euclidean lengths (n,), 1 in place of 0."""
    lengths = np.sqrt(np.einsum("nd,nd->n", codes, codes))
    return np.where(lengths > 0, lengths, 1).astype(np.float32)


def largest(scores: Floats, k: int) -> Ids:
    """Return positions (m, k) of the largest entries of each row (n,), in any order.

    They are in the k groups of entries with the largest maxima, which spares sorting long rows.
    """
    m, n = scores.shape
    size = isqrt(n // k)
    groups = n // size  # at least k; group i has the entries i, i + groups, i + 2 groups, ...
    maxima = scores[:, : groups * size].reshape(m, size, groups).max(axis=1)
    best = np.argpartition(maxima, groups - k, axis=1)[:, groups - k :]
    members = (best[:, None] + groups * np.arange(size)[:, None]).reshape(m, -1)
    rest = np.broadcast_to(np.arange(groups * size, n), (m, n - groups * size))
    candidates = np.concatenate([members, rest], axis=1)
    values = np.take_along_axis(scores, candidates, axis=1)
    at = np.argpartition(values, values.shape[1] - k, axis=1)[:, values.shape[1] - k :]
    return np.take_along_axis(candidates, at, axis=1)
