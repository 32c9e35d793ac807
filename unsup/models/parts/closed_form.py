"""Directions in which images vary and the views of an image do not."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits
from torch import Tensor

COMPARED_IMAGES = 20_000  # most images whose views are compared


class ViewMoments:
    """Covariances of features of views, summed up batch by batch.

    Args:
        size: D, of a feature vector.
    """

    def __init__(self, size: int) -> None:
        self.images = self.views = 0
        self.sum = torch.zeros(size, dtype=torch.float64)
        self.products = torch.zeros(size, size, dtype=torch.float64)  # of all views
        self.mean_products = torch.zeros(size, size, dtype=torch.float64)  # of the means over each image's views

    def add(self, features: Tensor) -> None:
        """Add features (V, N, D) of V views of N images, V at least 2."""
        flat, means = features.flatten(0, 1), features.mean(0)
        self.views = len(features)
        self.images += features.shape[1]
        self.sum += flat.sum(0).cpu().double()
        self.products += (flat.T @ flat).cpu().double() / self.views
        self.mean_products += (means.T @ means).cpu().double()

    @property
    def mean(self) -> Tensor:
        return self.sum / (self.images * self.views)

    @property
    def total(self) -> Tensor:
        """Covariance (D, D) of all views."""
        return self.products / self.images - torch.outer(self.mean, self.mean)

    @property
    def within(self) -> Tensor:
        """Covariance (D, D) of an image's views, averaged over images."""
        return (self.products - self.mean_products) / self.images * self.views / (self.views - 1)


@threadpool_limits.wrap(limits=1)  # the same directions on any number of cores
def leading_directions(total: Tensor, within: Tensor, ridge: float, count: int) -> tuple[Tensor, Tensor]:
    """Return the directions (D, count) in which images differ most for what views do.

    Columns v solve (T - W) v = λ (W + ridge tr(W) / D) v, largest λ first, with vᵀ (W + …) v = 1; λ (count,) follows.
    It is the linear solution of the losses on views (Balestriero & LeCun 2022, "Contrastive and non-contrastive
    self-supervised learning recover global and local spectral embedding methods").

    Args:
        total: covariance T (D, D) of all views.
        within: covariance W (D, D) of the views of an image.
        ridge: above 0, relative to the mean variance within images.
        count: at most D.
    """
    size = len(total)
    penalty = within.clone()
    penalty.diagonal().add_(ridge * within.trace() / size)
    between: NDArray[np.float64] = (total - within).numpy()
    values, vectors = eigh(between, penalty.numpy(), subset_by_index=[size - count, size - 1])
    return torch.from_numpy(vectors[:, ::-1].copy()), torch.from_numpy(values[::-1].copy())


def deviations(directions: Tensor, covariance: Tensor) -> Tensor:
    """Return the standard deviations (K,) of features along directions (D, K)."""
    return (directions * (covariance @ directions)).sum(0).sqrt()


def spread(images: Iterator[Tensor], total: int, most: int) -> Iterator[Tensor]:
    """Return batches that hold at most `most` of all images, evenly spread."""
    step = -(-total // most)
    return (x[::step] for x in images)
