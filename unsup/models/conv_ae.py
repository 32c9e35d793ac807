"""A convolutional residual autoencoder, for sharp reconstructions."""

from itertools import pairwise
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.errors import UsageError
from unsup.core.ranges import AtLeast, AtMost, Between
from unsup.models.base import Model
from unsup.models.parts.layers import Residual, down, halvings, up

MOST_BLOCKS = 100  # a mistyped number would take hours to build


class ConvAE(Model):
    """L = E ||x - x̂||², squares summed over pixels.

    x -> [strided convolution, residual blocks] per halving -> `hidden` -> code -> the mirror image -> x̂ (sigmoid).
    Channels start at `width` and double with every halving, until the shorter side is at most 7 (28 -> 14 -> 7, 32 ->
    16 -> 8 -> 4). The blocks are those of He et al. 2016, "Identity mappings in deep residual networks".

    Args:
        shape: (C, H, W) of an image, at least 8 x 8.
        width: channels after the first halving.
        blocks: residual blocks at every size.
        hidden: width of the dense layer between the last map and the code.
        code_dim: size of the code.
        beta2: decay of Adam's average of squared gradients.
        lr: peak learning rate (`Model`).

    Raises:
        UsageError: an image is smaller than 8 x 8.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: Annotated[int, AtLeast(1)] = 32,
        blocks: Annotated[int, AtLeast(0), AtMost(MOST_BLOCKS)] = 1,
        hidden: Annotated[int, AtLeast(1)] = 512,
        code_dim: int = 30,
        beta2: Annotated[float, Between(0, below=1)] = 0.999,
        lr: float = 1e-3,
    ) -> None:
        super().__init__(shape, lr)
        self.beta2 = beta2
        if min(shape[1:]) < 8:
            raise UsageError(f"images of {shape[1]} x {shape[2]} are too small for conv_ae: 8 x 8 at least")
        sizes = halvings(shape[1:], stop=7)
        channels = [shape[0], *(width << i for i in range(len(sizes) - 1))]
        flat = (channels[-1], *sizes[-1])
        features = flat[0] * flat[1] * flat[2]
        steps = list(zip(pairwise(channels), sizes, strict=False))  # ((c, 2c), size before halving)

        maps: list[nn.Module] = []
        for (a, b), size in steps:
            maps += [down(a, b, size), *(Residual(b) for _ in range(blocks)), nn.BatchNorm2d(b), nn.GELU()]
        self.maps = nn.Sequential(*maps, nn.Flatten())
        self.dense = nn.Sequential(nn.Linear(features, hidden, bias=False), nn.BatchNorm1d(hidden), nn.GELU())
        self.to_code = nn.Linear(hidden, code_dim)

        back: list[nn.Module] = []
        for (a, b), size in reversed(steps):
            back += [*(Residual(b) for _ in range(blocks)), nn.BatchNorm2d(b), nn.GELU(), up(b, a, size)]
        self.decoder = nn.Sequential(
            nn.Linear(code_dim, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.GELU(),
            nn.Linear(hidden, features),
            nn.Unflatten(1, flat),
            *back,
            nn.Sigmoid(),
        )

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        return {"loss": F.mse_loss(self.reconstruct(x).float(), x, reduction="sum") / len(x)}

    def encode(self, x: Tensor) -> Tensor:
        return self.to_code(self.dense(self.maps(x)))

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        return {"hidden": self.dense(self.maps(x))}

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))
