"""The shallow autoencoder of many tutorials."""

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.ranges import AtLeast
from unsup.models.base import Model


class AE(Model):
    """L = E ||x - x̂||², squares summed over pixels.

    Pixels -> `hidden` (ReLU) -> code (linear) -> pixels (sigmoid), 784-32-32-784 on MNIST. The hidden layer is a second
    bottleneck.

    Args:
        shape: (C, H, W) of an image; pixels are flattened.
        hidden: width of the hidden layer.
        code_dim: size of the code.
        lr: peak learning rate (`Model`).
    """

    def __init__(
        self, shape: tuple[int, int, int], hidden: Annotated[int, AtLeast(1)] = 32, code_dim: int = 32, lr: float = 1e-3
    ) -> None:
        super().__init__(shape, lr)
        pixels = shape[0] * shape[1] * shape[2]
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, code_dim))
        self.decoder = nn.Sequential(nn.Linear(code_dim, pixels), nn.Sigmoid(), nn.Unflatten(1, shape))

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        return {"loss": F.mse_loss(self.reconstruct(x), x, reduction="sum") / len(x)}

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))
