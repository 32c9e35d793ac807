"""Facts about the training images that a verdict needs."""

import hashlib

import numpy as np

from unsup.data.base import ImageData

IMAGES_LOOKED_AT = 1000  # evenly spaced among the training images


def image_facts(data: ImageData) -> dict[str, float]:
    """Return the shares of one-coloured and of different training images.

    Both are of a sample that is evenly spaced.
    """
    n = data.size("train")
    positions = np.linspace(0, n - 1, min(n, IMAGES_LOOKED_AT)).round().astype(np.int64)
    one_coloured, digests = 0, set[bytes]()
    for x in data.batches("train", positions=positions):
        pixels = x.flatten(2)  # (n, C, H * W)
        one_coloured += int((pixels.amax(2) == pixels.amin(2)).all(1).sum())
        digests |= {hashlib.sha256(image.numpy().data).digest() for image in pixels}
    return {"one_coloured": one_coloured / len(positions), "distinct": len(digests) / len(positions)}
