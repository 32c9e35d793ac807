"""Principal component analysis, the best linear code of its size, and a baseline."""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch
from sklearn.decomposition import PCA as SklearnPCA
from threadpoolctl import threadpool_limits
from torch import Tensor

from unsup.core.errors import UsageError, UserError
from unsup.models.base import Model
from unsup.models.parts.thumbnails import Thumbnail

EXACT = 2_000  # pixels, or images, up to which the decomposition is exact
FEW = 0.25  # share of the pixels: a randomised decomposition pays off for fewer components

Solver = Literal["covariance_eigh", "full", "randomized"]  # of scikit-learn


class PCA(Model):
    """z = W (x - mean), x̂ = mean + Wᵀ z, not clamped.

    W are the leading `code_dim` eigenvectors of the pixels' covariance, from one pass over the training images.
    Hinton & Salakhutdinov 2006 report 13.87 for 30 components on MNIST's test images (squared error summed over
    pixels); this gives 13.866 with the same 60,000 training images.

    Images larger than 32 x 32 pixels are averaged down to that first (`unsup.models.parts.thumbnails`), so that the
    cost does not grow with the fourth power of their side; x̂ is the enlarged thumbnail.

    Args:
        shape: (C, H, W) of an image.
        code_dim: number of components, at most the number of pixels (of a thumbnail) and of training images.

    Raises:
        UsageError: `code_dim` is above the number of pixels.
    """

    mean: Tensor
    components: Tensor

    def __init__(self, shape: tuple[int, int, int], code_dim: int = 30) -> None:
        super().__init__(shape)
        self.thumbnail = Thumbnail(shape)
        pixels = num_pixels(shape)
        if code_dim > pixels:
            raise UsageError(f"model.code_dim is {code_dim}: PCA of {pixels} pixels has 1 to {pixels} components")
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("components", torch.eye(code_dim, pixels))

    @threadpool_limits.wrap(limits=1)
    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        x = torch.cat([self.thumbnail(batch).flatten(1).cpu().double() for batch in images()])
        code_dim = len(self.components)
        if len(x) < code_dim:
            raise UserError(f"PCA cannot find {code_dim} components in {len(x)} images: lower model.code_dim")
        pca = SklearnPCA(code_dim, svd_solver=solver(len(x), x.shape[1], code_dim), random_state=0)
        with np.errstate(invalid="ignore"):  # shares of a variance of 0
            pca.fit(x.numpy())
        self.mean.copy_(torch.from_numpy(pca.mean_))
        self.components.copy_(torch.from_numpy(pca.components_))

    def encode(self, x: Tensor) -> Tensor:
        return (self.thumbnail(x).flatten(1) - self.mean) @ self.components.T

    def decode(self, z: Tensor) -> Tensor:
        return self.thumbnail.enlarged((self.mean + z @ self.components).unflatten(1, self.thumbnail.shape))

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def num_pixels(shape: tuple[int, int, int]) -> int:
    """Return the number of values that PCA sees of an image (C, H, W)."""
    channels, height, width = Thumbnail(shape).shape
    return channels * height * width


def solver(images: int, pixels: int, components: int) -> Solver:
    """Return the solver that takes the least time for a matrix (images, pixels).

    The covariance of few pixels is small; few images have a singular value decomposition of their own size; where there
    are many of both, a few leading components come from random projections with a fixed seed (Halko et al. 2011).
    """
    if pixels <= EXACT:
        return "covariance_eigh"
    if images <= EXACT:
        return "full"
    return "randomized" if components < FEW * pixels else "covariance_eigh"
