"""Places of names on a map of points."""

from collections.abc import Sequence

import numpy as np

from unsup.core.arrays import Array


def label_places(groups: Sequence[Array], sizes: Array, low: Array, high: Array) -> list[Array | None]:
    """Return where the name of each group is drawn, None where there is no room.

    That is in the middle of the group, or else on its point nearest to the middle where the name overlaps no other one,
    among the nearer half of its points.
    Large groups choose first.

    Args:
        groups: points (m, 2) of each group.
        sizes: (k, 2) width and height of each name.
        low: (2,) corner of the map.
        high: (2,) the opposite corner.
    """
    places: list[Array | None] = [None] * len(groups)
    for i in sorted(range(len(groups)), key=lambda i: -len(groups[i])):
        half = np.minimum(sizes[i], high - low) / 2
        middle = np.median(groups[i], axis=0)
        nearest = groups[i][np.argsort(np.square(groups[i] - middle).sum(axis=1), kind="stable")]
        nearest = nearest[: (len(nearest) + 1) // 2]
        others = [(place, (sizes[i] + sizes[j]) / 2) for j, place in enumerate(places) if place is not None]
        for place in np.vstack([middle, nearest]).clip(low + half, high - half):
            if all((np.abs(place - other) >= room).any() for other, room in others):
                places[i] = place
                break
    return places
