"""The masked autoencoder, which restores most patches of an image from a few."""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.errors import UsageError
from unsup.core.ranges import Above, AtLeast
from unsup.models.base import Model
from unsup.models.parts.layers import mlp

EPSILON = 1e-6  # added to the variance of a patch under its root, as in the authors' code


class MAE(Model):
    """L = E ||x_h - g(f(x_v))||² / pixels of x_h.

    Hidden patches x_h are restored from the visible ones x_v, which are drawn in every step. He et al. 2022, "Masked
    autoencoders are scalable vision learners", section 3 and appendix A.1. The code is the mean of the encoder's tokens
    with all patches visible; there is no class token. The decoder does not learn to restore visible patches, so there
    is no `reconstruct`.

    Args:
        shape: (C, H, W) of an image.
        patch: side of the square patches in pixels, which divides H and W.
        most_patches: the side is doubled while an image has more patches than this: 4 is 8 for 96 x 96 pixels and 16
            for 224 x 224, as in the paper. Attention costs the square of their number.
        width: width of the encoder's tokens and of the code, a multiple of 4 and of `heads`.
        depth: transformer blocks of the encoder.
        heads: attention heads, in both halves.
        decoder_width: width of the decoder's tokens, a multiple of 4 and of `heads`.
        decoder_depth: transformer blocks of the decoder.
        mask: fraction of the patches that is hidden, above 0 to below 1; at least one is hidden and one visible.
        normalised_target: restore each patch less its own mean, divided by its own deviation (table 1d of the paper,
            where it reads better); blank patches then ask for zeros.
        weight_decay: of the weights.
        lr: peak learning rate (`Model`).

    Raises:
        UsageError: an image does not consist of two or more patches, or a width is not a multiple of 4 and of `heads`.
    """

    bibtex = """@misc{he2022masked,
  title = {{Masked autoencoders are scalable vision learners}},
  author = {He and others}, year = {2022}
}"""
    places: Tensor  # position embeddings (T, width)
    decoder_places: Tensor  # (T, decoder_width)

    def __init__(
        self,
        shape: tuple[int, int, int],
        patch: Annotated[int, AtLeast(1)] = 4,
        most_patches: Annotated[int, AtLeast(2)] = 256,
        width: Annotated[int, AtLeast(1)] = 64,
        depth: Annotated[int, AtLeast(1)] = 4,
        heads: Annotated[int, AtLeast(1)] = 4,
        decoder_width: Annotated[int, AtLeast(1)] = 32,
        decoder_depth: Annotated[int, AtLeast(0)] = 1,
        mask: Annotated[float, Above(0, below=1)] = 0.75,
        normalised_target: bool = False,
        weight_decay: float = 0.05,
        lr: float = 1e-3,
    ) -> None:
        super().__init__(shape, lr)
        channels, height, width_px = shape
        patch = enlarged_patch(patch, height, width_px, most_patches)
        if height % patch or width_px % patch or height * width_px == patch**2:
            raise UsageError(f"model.patch is {patch}: images of {height} x {width_px} do not consist of such patches")
        if normalised_target and channels * patch**2 == 1:
            raise UsageError("model.normalised_target is true: a patch of a single number has no deviation")
        for name, value in (("width", width), ("decoder_width", decoder_width)):
            if value % math.lcm(4, heads):
                raise UsageError(f"model.{name} is {value}: it must be a multiple of 4 and of model.heads, {heads}")
        self.patch, self.weight_decay, self.normalised_target = patch, weight_decay, normalised_target
        grid = (height // patch, width_px // patch)
        tokens = grid[0] * grid[1]
        self.visible = min(max(tokens - round(mask * tokens), 1), tokens - 1)
        self.embed = nn.Linear(channels * patch**2, width)
        self.encoder = nn.Sequential(*(TransformerBlock(width, heads) for _ in range(depth)), nn.LayerNorm(width))
        self.bridge = nn.Linear(width, decoder_width)
        self.mask_token = nn.Parameter(0.02 * torch.randn(decoder_width))
        blocks = (TransformerBlock(decoder_width, heads) for _ in range(decoder_depth))
        self.decoder = nn.Sequential(
            *blocks, nn.LayerNorm(decoder_width), nn.Linear(decoder_width, channels * patch**2)
        )
        self.register_buffer("places", positions(*grid, width), persistent=False)
        self.register_buffer("decoder_places", positions(*grid, decoder_width), persistent=False)

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        patches = self.patches(x)  # (N, T, P)
        order = torch.rand(patches.shape[:2], device=x.device).argsort(1)  # one for each image
        visible, hidden = order[:, : self.visible], order[:, self.visible :]
        tokens = self.encoder(gather_tokens(self.tokens(patches), visible))  # (N, visible, width)
        restored = self.restore(tokens, visible).float()
        target = normalised(patches) if self.normalised_target else patches
        return {"loss": F.mse_loss(gather_tokens(restored, hidden), gather_tokens(target, hidden))}

    def patches(self, x: Tensor) -> Tensor:
        """Return T patches (N, T, P) of images (N, C, H, W), row by row, P = C patch²."""
        return F.pixel_unshuffle(x, self.patch).flatten(2).transpose(1, 2)

    def tokens(self, patches: Tensor) -> Tensor:
        """Embed all patches (N, T, P) as tokens (N, T, width)."""
        return self.embed(4 * patches - 2) + self.places  # near variance 1, like `places`

    def restore(self, tokens: Tensor, visible: Tensor) -> Tensor:
        """Return all patches (N, T, P) from tokens (N, V, width) at `visible` (N, V)."""
        known = self.bridge(tokens)
        n, num_tokens = len(tokens), len(self.decoder_places)
        full = self.mask_token.to(known.dtype).expand(n, num_tokens, -1)
        full = full.scatter(1, visible[..., None].expand_as(known), known)
        return self.decoder(full + self.decoder_places)

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(self.tokens(self.patches(x))).mean(1)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        means: dict[str, Tensor] = {}
        h = self.tokens(self.patches(x))
        for i, block in enumerate(self.encoder[:-2], start=1):  # the last block gives the codes
            h = block(h)
            means[f"block_{i}"] = h.mean(1)
        return means


class TransformerBlock(nn.Module):
    """Attention, then a perceptron, each with a layer-norm and a residual.

    (N, T, D) -> (N, T, D). Dosovitskiy et al. 2021, "An image is worth 16x16 words", equations 2 and 3. Attention is
    written out because the fused one takes seven times as long on a CPU in bfloat16 (49 tokens, forward and backward,
    one thread).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = mlp((width, 4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (N, heads, T, d)
        attention = (q / math.sqrt(q.shape[3]) @ k.mT).softmax(3)  # (N, heads, T, T)
        x = x + self.out((attention @ v).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


def enlarged_patch(patch: int, height: int, width: int, most: int) -> int:
    """Return the side of a patch, doubled while patches are too many.

    It is doubled only where the double divides both sides of the image.
    """
    while height * width > most * patch**2 and not (height % (2 * patch) or width % (2 * patch)):
        patch *= 2
    return patch


def normalised(patches: Tensor) -> Tensor:
    """Return patches (N, T, P) of mean 0 and unbiased variance 1 each.

    Blank ones are zeros.
    """
    variance, mean = torch.var_mean(patches, 2, keepdim=True)
    return (patches - mean) / (variance + EPSILON).sqrt()


def gather_tokens(tokens: Tensor, positions: Tensor) -> Tensor:
    """Return the tokens (N, K, D) of (N, T, D) at positions (N, K)."""
    return tokens.take_along_dim(positions[..., None], 1)


def positions(rows: int, columns: int, width: int) -> Tensor:
    """Return sines and cosines of the row and of the column, (rows * columns, width).

    Each takes a quarter of the width. Frequencies fall from 1 to nearly 1 / 10,000 (Vaswani et al. 2017, section 3.5).
    """
    frequency = 10_000.0 ** -(torch.arange(width // 4) / (width // 4))
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))  # (T, 2)
    angles = [places[:, i, None] * frequency for i in range(2)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)
