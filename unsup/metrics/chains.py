"""Groups of images that are linked by near-duplicates."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from unsup.core.arrays import Ids


def chains(count: int, first: Ids, second: Ids) -> Ids:
    """Return the group (n,) of each of `count` images, the same for both of a pair."""
    links = coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)
