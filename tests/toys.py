"""Untuned models of every kind that pictures are made of: with codes alone, with decoder, with samples, with both."""

import torch
from tiny import SHAPE
from torch import Tensor, nn

from unsup.models.base import Model


class Coder(Model):
    """Codes, and nothing else; with what looking may disturb: batch norm, dropout, a module that chooses its mode."""

    def __init__(self, shape: tuple[int, int, int] = SHAPE, code_dim: int = 3, lr: float = 1e-2) -> None:
        super().__init__(shape, lr)
        pixels = shape[0] * shape[1] * shape[2]
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 8), nn.BatchNorm1d(8), nn.Linear(8, code_dim))
        self.decoder = nn.Sequential(nn.Linear(code_dim, pixels), nn.Dropout(0.1), nn.Sigmoid(), nn.Unflatten(1, shape))
        self.decoder[1].eval()

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        z = self.encoder(x)
        return {"loss": (self.decoder(z + 0.1 * torch.randn_like(z)) - x).square().mean()}

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)


class Decoder(Coder):
    """An autoencoder."""

    def decode(self, z: Tensor) -> Tensor:
        return 1.5 * self.decoder(z) - 0.2  # outside of [0, 1] as well

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class Generator(Coder):
    """Samples without a decoder of codes."""

    noise_dim = 3

    def generate(self, noise: Tensor) -> Tensor:
        return self.decoder(noise)

    def sample(self, n: int) -> Tensor:
        return self.generate(torch.randn(n, self.noise_dim, device=self.device))


class Variational(Decoder, Generator):
    """Both."""


class Still(Coder):
    """Samples that show nothing but their noise, whatever was learned."""

    def sample(self, n: int) -> Tensor:
        return torch.rand(n, *self.shape)


class Copier(Coder):
    """The first training images as its samples."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.register_buffer("images", images)

    def sample(self, n: int) -> Tensor:
        return self.images[torch.arange(n) % len(self.images)]
