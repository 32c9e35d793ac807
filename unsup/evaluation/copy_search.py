"""The search for near-duplicates of test images, once per data set."""

from pathlib import Path
from typing import Any

import numpy as np

from unsup.core.array_files import cached
from unsup.data.base import ImageData
from unsup.evaluation.copies import Copies
from unsup.evaluation.progress import say
from unsup.metrics.near_duplicates import LabelledImages, find_near_duplicates


def find_copies(data: ImageData, folder: Path, key: str) -> Copies:
    """Find the near-duplicates of test images, or read them from a cache.

    Only pixels are looked at, once per data set; this is no pass over the test images to score a model.
    """

    def compute() -> Copies:
        say("near-duplicates of test images (looked for once per data set)")
        return Copies.of(find_near_duplicates(labelled_images(data, "test"), labelled_images(data, "train", "val")))

    return cached(folder, "copies", key, compute, Copies.from_arrays)


def labelled_images(data: ImageData, *splits: Any) -> LabelledImages:
    """Return the images of splits, one after the other, with labels if all have them."""
    images, labels = [data.pictures(split) for split in splits], [data.labels(split) for split in splits]
    known = [part for part in labels if part is not None]
    return LabelledImages(
        images[0] if len(images) == 1 else np.concatenate(images),
        np.concatenate(known) if len(known) == len(labels) else None,
    )
