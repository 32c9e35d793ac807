"""Paths through a space of codes or of noise, and nearest images."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from unsup.core.arrays import Array

Positions = NDArray[np.int64]

WALKS = 8  # entries of a code that are walked along
OFFSETS = np.linspace(-2.5, 2.5, 11)  # places on a walk, in standard deviations


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


def walks(codes: Array, most: int = WALKS, offsets: Array = OFFSETS) -> tuple[Positions, Array, Array]:
    """Vary single entries of the code that is nearest to the mean.

    Args:
        codes: (n, D).
        most: how many entries are varied, those with the largest deviation first; constant entries are left out.
        offsets: (s,) positions in standard deviations of an entry around its mean.

    Returns:
        The r entries (`most` or less), their deviations (r,) and the codes (r, s, D).
    """
    mean, deviation = codes.mean(0, dtype=np.float64), codes.std(0, dtype=np.float64)
    start = codes[np.square(codes - mean).sum(1).argmin()]
    order = np.argsort(-deviation, kind="stable")
    entries = order[np.ptp(codes, axis=0)[order] > 0][:most]
    along = np.tile(start, (len(entries), len(offsets), 1))
    for walk, entry in zip(along, entries, strict=True):
        walk[:, entry] = mean[entry] + offsets * deviation[entry]
    return entries, deviation[entries], along


def nearest(queries: Array, batches: Iterable[Array]) -> tuple[Positions, Array]:
    """Return the position and squared distance of the row nearest to each query.

    The search is exact, with one batch in memory at a time.

    Args:
        queries: (m, D).
        batches: (n, D) each, of the queries' type; positions (m,) count through all of them.
    """
    from sklearn.metrics import pairwise_distances_argmin_min

    position, distance = np.zeros(len(queries), np.int64), np.full(len(queries), np.inf)
    seen = 0
    for rows in batches:
        at, found = pairwise_distances_argmin_min(queries, rows, metric="sqeuclidean")
        closer = found < distance
        position[closer], distance[closer] = at[closer] + seen, found[closer]
        seen += len(rows)
    return position, distance
