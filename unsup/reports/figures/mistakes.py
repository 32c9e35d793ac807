"""The test images that a probe misclassifies with the highest confidence."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unsup.core.arrays import Array
from unsup.reports.figures.canvas import class_name

SHOWN = 24


class Mistake(NamedTuple):
    image: Array  # (C, H, W)
    true: str
    predicted: str
    confidence: float  # the probe's probability of the predicted class, in [0, 1]


def hardest(
    probabilities: Array, labels: Array, images: Array, names: Sequence[str], classes: Array | None = None
) -> list[Mistake]:
    """Return at most 24 mistakes, the most confident first.

    Args:
        probabilities: (n, K), each row a distribution over classes.
        labels: (n,) true classes.
        images: (n, C, H, W), uint8 or in [0, 1].
        names: one for each class, in label order; without a name a class goes by its number.
        classes: (K,) the class of each column, in label order if None.
    """
    columns, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    predicted = columns if classes is None else classes[columns]
    wrong = np.flatnonzero(predicted != labels)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:SHOWN]
    return [
        Mistake(images[i], class_name(names, labels[i]), class_name(names, predicted[i]), float(confidence[i]))
        for i in order
    ]
