"""Paths through a space of codes or of noise, and nearest images."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from unsup.core.arrays import Array

Positions = NDArray[np.int64]

WALKS = 8  # entries of a code that are varied, at most
OFFSETS = np.linspace(-2.5, 2.5, 11)  # in standard deviations


def straight(start: Array, end: Array, steps: int) -> Array:
    """Return (steps, D) codes at even distances from `start` (D,) to `end`."""
    t = np.linspace(0, 1, steps)[:, None]
    return (1 - t) * start + t * end


def spherical(start: Array, end: Array, steps: int) -> Array:
    """Return (steps, D) points at even angles on the arc from `start` (D,) to `end`.

    Nearly all normal noise in many dimensions is in a shell: an arc stays in it, while a straight line passes through
    the empty middle. If no arc is defined (parallel vectors, D = 1) it is the line.
    """
    cosine = start @ end / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = float(np.arccos(np.clip(cosine, -1, 1)))  # in double precision the ends are exact
    if np.sin(angle) < 1e-6:
        return straight(start, end, steps)
    t = np.linspace(0, 1, steps)[:, None]
    return np.sin((1 - t) * angle) / np.sin(angle) * start + np.sin(t * angle) / np.sin(angle) * end


def across_groups(groups: Array, count: int) -> Positions:
    """Return the same (n, 2) positions of random pairs from different groups.

    `groups` is (N,); n is `count`, or less if there are few images, or 0 if all are of one group.
    """
    rng = np.random.default_rng(0)
    pairs = []
    for first in rng.permutation(len(groups))[:count]:
        others = np.flatnonzero(groups != groups[first])
        if len(others):
            pairs.append((first, rng.choice(others)))
    return np.array(pairs, np.int64).reshape(-1, 2)


def walks(codes: Array) -> tuple[Positions, Array, Array]:
    """Vary single entries of the code nearest to the mean, among codes (n, D).

    Returns:
        The r entries that vary most, their deviations (r,), and codes (r, s, D) at `OFFSETS` from their means.
    """
    mean, deviation = codes.mean(0, dtype=np.float64), codes.std(0, dtype=np.float64)
    start = codes[np.square(codes - mean).sum(1).argmin()]
    order = np.argsort(-deviation, kind="stable")
    entries = order[np.ptp(codes, axis=0)[order] > 0][:WALKS]
    paths = np.tile(start, (len(entries), len(OFFSETS), 1))
    for path, entry in zip(paths, entries, strict=True):
        path[:, entry] = mean[entry] + OFFSETS * deviation[entry]
    return entries, deviation[entries], paths


def nearest(queries: Array, batches: Iterable[Array]) -> tuple[Positions, Array]:
    """Return position and squared distance (m,) of the row nearest to each query.

    Queries are (m, D), batches (n, D) of their type. The search is exact; positions count through all batches, and one
    batch is in memory at a time.
    """
    from sklearn.metrics import pairwise_distances_argmin_min

    position, distance = np.zeros(len(queries), np.int64), np.full(len(queries), np.inf)
    seen = 0
    for rows in batches:
        at, distances = pairwise_distances_argmin_min(queries, rows, metric="sqeuclidean")
        closer = distances < distance
        position[closer], distance[closer] = at[closer] + seen, distances[closer]
        seen += len(rows)
    return position, distance
