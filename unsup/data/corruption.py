"""Corruption of training images, for methods that should do without clean ones."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from unsup.core.errors import UserError
from unsup.core.seeds import derived_seed

BLOCK = 1024  # images that share the generators of their draws

Images = NDArray[np.uint8]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Corruption:
    """The amounts by which training images are corrupted, 0 for not.

    Every draw is a function of the kind of corruption and of the image's position in its array, so that all seeds,
    resumed runs and evaluations have the same images. Outliers come first, then noise, then missing pixels.
    """

    missing: float  # fraction of the pixels of each image that are set to their mean over the training images
    noise: float  # standard deviation of Gaussian noise, for pixels in [0, 1]
    imbalance: float  # size of the largest class in units of the smallest
    outliers: float  # fraction of the images whose pixels are shuffled

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    def kept(self, rows: Rows, labels: NDArray[np.int64] | None) -> Rows:
        """Return the rows that are left of the training images by the imbalance.

        Class sizes fall exponentially in label order (Cui et al. 2019, "Class-balanced loss based on effective number
        of samples", section 5.1), from the largest profile that all classes can fill.

        Args:
            rows: sorted rows (n,) of the training images in their array.
            labels: of the whole array.

        Raises:
            UserError: some images have no label, there is one class, or a class would have no image left.
        """
        if not self.imbalance:
            return rows
        if labels is None or labels[rows].min() < 0:
            raise UserError("data.imbalance needs the label of every training image: leave it at 0 for these images")
        classes, number = np.unique(labels[rows], return_inverse=True)
        if len(classes) < 2:
            raise UserError("data.imbalance needs two classes or more: leave it at 0 for these images")
        sizes = np.bincount(number)
        profile = self.imbalance ** -np.linspace(0, 1, len(classes))  # of the first class: 1
        counts = np.rint((sizes / profile).min() * profile).astype(np.int64)
        if counts.min() < 1:
            raise UserError(f"data.imbalance is {self.imbalance:g}: a class would have no image left: lower it")
        order = _generator("imbalance").permutation(len(rows))
        chosen = [order[number[order] == i][:count] for i, count in enumerate(counts)]
        return rows[np.sort(np.concatenate(chosen))]

    def corrupted(self, images: Images, rows: Rows) -> Images:
        """Return a copy of images (N, C, H, W) that is corrupted at sorted rows.

        Raises:
            UserError: the images are mapped, as they fill much of the memory.
        """
        if not (self.missing or self.noise or self.outliers):
            return images
        if isinstance(images, np.memmap):
            raise UserError(
                "data.missing, data.noise and data.outliers need the training images in memory, which these exceed: "
                "set them to 0, or make the images smaller"
            )
        mean = np.rint(images[rows].mean(axis=0, dtype=np.float64)).astype(np.uint8)  # (C, H, W)
        outliers = np.sort(_generator("outliers").choice(rows, round(self.outliers * len(rows)), replace=False))
        copy = images.copy()
        for start in range(0, len(images), BLOCK):
            block = images[start : start + BLOCK]
            if self.outliers:
                block = np.where(_within(outliers, start, len(block)), _shuffled(block, start), block)
            if self.noise:
                block = _noisy(block, self.noise, start)
            if self.missing:
                block = np.where(_hidden(block, self.missing, start), mean, block)
            copy[start : start + BLOCK] = np.where(_within(rows, start, len(block)), block, copy[start : start + BLOCK])
        return copy


def _generator(kind: str, start: int = 0) -> np.random.Generator:
    return np.random.default_rng(derived_seed("corruption", kind, start))


def _within(rows: Rows, start: int, length: int) -> NDArray[np.bool_]:
    """Return whether each image of a block is among the rows, (length, 1, 1, 1)."""
    return np.isin(np.arange(start, start + length), rows)[:, None, None, None]


def _shuffled(block: Images, start: int) -> Images:
    """Return each image with its pixels in an order of its own, channels together."""
    n, channels, height, width = block.shape
    order = _generator("order", start).permuted(np.tile(np.arange(height * width), (n, 1)), axis=1)
    return np.take_along_axis(block.reshape(n, channels, -1), order[:, None], axis=2).reshape(block.shape)


def _noisy(block: Images, deviation: float, start: int) -> Images:
    """Return images with Gaussian noise, clipped to 0..255 and rounded."""
    noise = _generator("noise", start).standard_normal(block.shape, np.float32)
    return np.rint(np.clip(block + 255 * deviation * noise, 0, 255)).astype(np.uint8)


def _hidden(block: Images, fraction: float, start: int) -> NDArray[np.bool_]:
    """Return which pixels of each image are missing, (n, 1, H, W), as many in all."""
    n, _, height, width = block.shape
    count = round(fraction * height * width)
    draws = _generator("missing", start).random((n, height * width))
    hidden = np.zeros(draws.shape, np.bool_)
    np.put_along_axis(hidden, np.argpartition(draws, count, axis=1)[:, :count], True, axis=1)
    return hidden.reshape(n, 1, height, width)
