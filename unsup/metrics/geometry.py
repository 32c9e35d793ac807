"""Ways through a space of codes or of noise, and nearest images; from arrays alone."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from unsup.core.arrays import Array

Positions = NDArray[np.int64]

WALKS = 8  # entries of a code that are walked along
OFFSETS = np.linspace(-2.5, 2.5, 11)  # places on a walk, in standard deviations


def straight(start: Array, end: Array, steps: int) -> Array:
    """(steps, D) codes at even distances on the line from `start` (D,) to `end`, both among them."""
    t = np.linspace(0, 1, steps)[:, None]
    return (1 - t) * start + t * end


def spherical(start: Array, end: Array, steps: int) -> Array:
    """(steps, D) points at even angles on the arc from `start` (D,) to `end`, both among them.

    Of normal noise in many dimensions nearly all lies in a shell: an arc stays in it, where a straight line passes
    through the empty middle. Where no arc is defined (parallel vectors, D = 1) it is the line.
    """
    cosine = start @ end / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = float(np.arccos(np.clip(cosine, -1, 1)))  # in double precision the ends are exact
    if np.sin(angle) < 1e-6:
        return straight(start, end, steps)
    t = np.linspace(0, 1, steps)[:, None]
    return np.sin((1 - t) * angle) / np.sin(angle) * start + np.sin(t * angle) / np.sin(angle) * end


def across_groups(groups: Array, count: int) -> Positions:
    """(n, 2) positions of random pairs from different groups, the same every time.

    `groups` is (N,); n is `count`, or less where there are few images, or 0 where all are of one group.
    """
    rng = np.random.default_rng(0)
    pairs = []
    for first in rng.permutation(len(groups))[:count]:
        others = np.flatnonzero(groups != groups[first])
        if len(others):
            pairs.append((first, rng.choice(others)))
    return np.array(pairs, np.int64).reshape(-1, 2)


def walks(codes: Array, most: int = WALKS, offsets: Array = OFFSETS) -> tuple[Positions, Array, Array]:
    """Walks along single entries of the code nearest to the mean, all other entries kept.

    Args:
        codes: (n, D).
        most: entries walked along: those that vary most over the codes; an entry that never varies is left out.
        offsets: (s,) places on each walk, in standard deviations of its entry around that entry's mean.

    Returns:
        The r entries (`most` or less), largest deviation first; their deviations (r,); the codes (r, s, D).
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
    """Of each query the position of the nearest row among all batches (m,), and the squared Euclidean distance (m,).

    Exact; one batch is in memory at a time.

    Args:
        queries: (m, D).
        batches: (n, D) each, of the queries' type; positions count through all of them.
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
