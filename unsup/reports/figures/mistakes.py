"""The test images that a probe is most sure about, and wrong."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unsup.core.arrays import Array
from unsup.reports.figures.canvas import class_name

SHOWN = 24


class Mistake(NamedTuple):
    image: Array  # (C, H, W)
    true: str
    given: str
    confidence: float  # the probe's probability of the class that it gives, in [0, 1]


def hardest(
    probabilities: Array, labels: Array, images: Array, names: Sequence[str], classes: Array | None = None
) -> list[Mistake]:
    """At most 24 mistakes, the most confident first.

    Args:
        probabilities: (n, K), each row a distribution over classes.
        labels: (n,) true classes.
        images: (n, C, H, W), uint8 or in [0, 1].
        names: one for each class, in label order; numbers where it is too short.
        classes: (K,) the class of each column; in label order where not given.
    """
    given = probabilities.argmax(axis=1) if classes is None else classes[probabilities.argmax(axis=1)]
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(given != labels)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:SHOWN]
    return [
        Mistake(images[i], class_name(names, labels[i]), class_name(names, given[i]), float(confidence[i]))
        for i in order
    ]
