"""Averages over parts of equal length, for smaller copies of images."""

import numpy as np

from unsup.core.arrays import Floats


def area_averages(length: int, parts: int) -> Floats:
    """Return the matrix (parts, length) of averages over parts of equal length.

    A pixel on a boundary counts in both parts, with the share that lies there.
    """
    edges, pixels = np.arange(parts + 1)[:, None] * length / parts, np.arange(length)
    share = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return np.asarray(share.clip(min=0) * parts / length, np.float32)
