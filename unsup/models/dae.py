"""The denoising autoencoder, which restores clean images from corrupted ones."""

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.errors import UsageError
from unsup.core.ranges import AtLeast
from unsup.models.base import Model
from unsup.models.parts.layers import mlp


class DAE(Model):
    """L = E ||x - g(f(x̃))||², x̃ ~ q(x̃ | x), squares summed over pixels.

    x̃ is drawn in every step; the code is f(x) of the clean image. Vincent et al. 2008, "Extracting and composing robust
    features with denoising autoencoders", section 2.3, with the corruptions of Vincent et al. 2010, "Stacked denoising
    autoencoders", section 3.3:

    * `gaussian`: x̃ = x + level · ε, ε standard normal;
    * `masking`: a share `level` of the values is set to 0. Unlike in the paper the others are divided by 1 - level, so
      that clean images have the scale that the network was trained on;
    * `salt_and_pepper`: a share `level` of the values is set to 0 or 1 by a fair coin.

    Args:
        shape: (C, H, W) of an image; pixels are flattened.
        widths: hidden widths from the pixels to the code, GELU; the decoder mirrors them.
        code_dim: size of the code.
        corruption: which of the three.
        level: standard deviation of the Gaussian noise, or fraction of the values that are replaced.
        batch_norm: normalise the hidden layers of both halves before the activation.
        output: "linear", or "sigmoid" for reconstructions inside (0, 1).
    """

    bibtex = """@misc{vincent2008extracting,
  title = {{Extracting and composing robust features with denoising autoencoders}},
  author = {Vincent and others}, year = {2008}
}"""

    def __init__(
        self,
        shape: tuple[int, int, int],
        widths: Annotated[tuple[int, ...], AtLeast(1)] = (512, 256),
        code_dim: int = 32,
        corruption: Literal["gaussian", "masking", "salt_and_pepper"] = "masking",
        level: float = 0.5,
        batch_norm: bool = False,
        output: Literal["linear", "sigmoid"] = "linear",
        lr: float = 1e-3,
    ) -> None:
        super().__init__(shape, lr)
        highest = float("inf") if corruption == "gaussian" else 1.0
        if not 0 <= level < highest:
            raise UsageError(f"model.level is {level}: for {corruption} corruption from 0 to below {highest:g}")
        self.corruption, self.level = corruption, level
        sizes = [shape[0] * shape[1] * shape[2], *widths, code_dim]
        self.encoder = mlp(sizes, batch_norm)
        self.decoder = mlp(sizes[::-1], batch_norm)
        self.output = nn.Sigmoid() if output == "sigmoid" else nn.Identity()

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        return {"loss": F.mse_loss(self.reconstruct(self.corrupt(x)), x, reduction="sum") / len(x)}

    def corrupt(self, x: Tensor) -> Tensor:
        """Draw x̃, of the shape of x."""
        if self.corruption == "gaussian":
            return x + self.level * torch.randn_like(x)
        if self.corruption == "masking":
            return F.dropout(x, self.level)
        hit = torch.rand_like(x)  # below level: half of them black, half of them white
        return torch.where(hit < self.level, (hit < self.level / 2).to(x.dtype), x)

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x.flatten(1))

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        hidden: dict[str, Tensor] = {}
        h = x.flatten(1)
        for module in self.encoder:
            h = module(h)
            if isinstance(module, nn.GELU):
                hidden[f"hidden_{len(hidden) + 1}"] = h
        return hidden

    def decode(self, z: Tensor) -> Tensor:
        return self.output(self.decoder(z)).unflatten(1, self.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))
