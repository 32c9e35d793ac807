"""The unsupervised ladder network, which denoises each layer from the one above."""

from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.errors import UsageError
from unsup.core.ranges import AtLeast
from unsup.models.base import Model

EPS = 1e-5  # added to variances, as in batch-norm


class Ladder(Model):
    """L = Σ_l λ_l E ||ẑ^l - z^l||² / (m_l s_l²), l from 0 to the code.

    Layer 0 are the pixels, s_0 = 1; m_l is the width of a layer. Rasmus et al. 2015, "Semi-supervised learning with
    ladder networks", algorithm 1 without labels, which is the network of Valpola 2014, "From neural PCA to deep
    unsupervised learning".

    * clean encoder: h^0 = x; z^l = W^l h^(l-1), h^l = max(0, BN(z^l) + β^l);
    * noisy encoder: z̃^0 = x + noise ε; z̃^l = BN(W^l h̃^(l-1)) + noise ε, h̃^l = max(0, z̃^l + β^l);
    * decoder, from the code down: ẑ^l = g(z̃^l, u^l), u^l = BN(V^l ẑ^(l+1)), at the code u = BN(z̃);
    * error: in units of s_l, the deviation of the clean z^l over the batch, without which a constant z^l would cost
      nothing. It is the paper's ||BN(ẑ^l) - BN(z^l)||², both by the clean statistics. The target has a gradient.

    The code is the clean BN(z^L), without an activation. z̃^l also reaches ẑ^l past the code, so the network does not
    reconstruct from its code and has no `reconstruct`. `train/denoising_<l>` is the term of layer l without λ_l.

    Args:
        shape: (C, H, W) of an image; pixels are flattened.
        widths: hidden widths from the pixels to the code; the decoder mirrors them.
        code_dim: size of the code.
        noise: standard deviation of the noise at the pixels and at every layer, whose units have deviation 1.
        layer_weights: λ_0 … λ_L, for the pixels, each hidden layer and the code, at least 0.

    Raises:
        UsageError: the number of λ is not that of layers.
    """

    bibtex = """@misc{rasmus2015semi,
  title = {{Semi-supervised learning with ladder networks}},
  author = {Rasmus and others}, year = {2015}
}"""

    def __init__(
        self,
        shape: tuple[int, int, int],
        widths: Annotated[tuple[int, ...], AtLeast(1)] = (1000, 500, 250),
        code_dim: int = 30,
        noise: Annotated[float, AtLeast(0)] = 0.3,
        layer_weights: Annotated[tuple[float, ...], AtLeast(0)] = (1000.0, 10.0, 0.1, 0.1, 0.1),
        lr: float = 1e-3,
    ) -> None:
        super().__init__(shape, lr)
        if not widths:
            raise UsageError("model.widths is []: it needs one hidden layer at least")
        sizes = [shape[0] * shape[1] * shape[2], *widths, code_dim]
        if len(layer_weights) != len(sizes):
            raise UsageError(
                f"model.layer_weights is {list(layer_weights)}: give {len(sizes)} numbers, the pixels' first"
            )
        self.noise, self.layer_weights = noise, layer_weights
        self.up = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairwise(sizes))  # W^1 … W^L
        self.norms = nn.ModuleList(nn.BatchNorm1d(size, affine=False, eps=EPS) for size in sizes[1:])  # clean images'
        self.shifts = nn.ParameterList(torch.zeros(size) for size in widths)  # β^1 … β^(L-1)
        self.down = nn.ModuleList(nn.Linear(b, a, bias=False) for a, b in pairwise(sizes))  # V^0 … V^(L-1)
        self.combinators = nn.ModuleList(Combinator(size) for size in sizes)

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        targets = self._clean(x)
        terms: list[Tensor] = []
        for target, estimate in zip(targets, self._estimates(self._noisy(x)), strict=True):
            error = (estimate - target).square()
            if terms:  # above the pixels
                error = error / (target.var(0, correction=0) + EPS)
            terms.append(error.mean())
        loss = torch.stack([weight * term for weight, term in zip(self.layer_weights, terms, strict=True)]).sum()
        return {"loss": loss, **{f"denoising_{i}": term for i, term in enumerate(terms)}}

    def _clean(self, x: Tensor) -> list[Tensor]:
        """Return x, z^1 … z^L, (N, pixels), (N, widths[0]), …, not normalised."""
        h = x.flatten(1)
        clean = [h]
        for i, (up, norm) in enumerate(zip(self.up, self.norms, strict=True)):
            z = up(h)
            clean.append(z)
            h = self._activated(norm(z), i)
        return clean

    def _noisy(self, x: Tensor) -> list[Tensor]:
        """Return z̃^0 … z̃^L, normalised by the noisy batch alone."""
        h = self._disturbed(x.flatten(1))
        noisy = [h]
        for i, up in enumerate(self.up):
            z = self._disturbed(standardised(up(h)))
            noisy.append(z)
            h = self._activated(z, i)
        return noisy

    def _disturbed(self, z: Tensor) -> Tensor:
        return z + self.noise * torch.randn_like(z)

    def _activated(self, z: Tensor, i: int) -> Tensor:
        """Return h of layer i + 1, which is linear for the code."""
        return F.relu(z + self.shifts[i]) if i < len(self.shifts) else z

    def _estimates(self, noisy: list[Tensor]) -> list[Tensor]:
        """Return ẑ^0 … ẑ^L from z̃^0 … z̃^L, computed from the code down."""
        u = standardised(noisy[-1])
        estimates = [self.combinators[-1](noisy[-1], u)]
        for z, down, combinator in list(zip(noisy, self.down, self.combinators, strict=False))[::-1]:
            u = standardised(down(estimates[0]))
            estimates.insert(0, combinator(z, u))
        return estimates

    def encode(self, x: Tensor) -> Tensor:
        return self.norms[-1](self._clean(x)[-1])

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        hidden = list(zip(self._clean(x)[1:-1], self.norms, strict=False))
        return {f"hidden_{i + 1}": self._activated(norm(z), i) for i, (z, norm) in enumerate(hidden)}


class Combinator(nn.Module):
    """g(z̃, u) = (z̃ - μ(u)) υ(u) + μ(u) of each unit.

    μ and υ are a sigmoid(b u + c) + d u + e each. If unit and noise are Gaussian given u, the best estimate has this
    form (Rasmus et al. 2015, section 3). It starts as g(z̃, u) = z̃.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(initial(width, 0.0))
        self.share = nn.Parameter(initial(width, 1.0))

    def forward(self, z: Tensor, u: Tensor) -> Tensor:
        mean = curve(u, self.mean)
        return torch.lerp(mean, z, curve(u, self.share))


def initial(width: int, constant: float) -> Tensor:
    """Return (a, b, c, d, e), (5, width), of a constant curve that can learn."""
    return torch.tensor([0.0, 1.0, 0.0, 0.0, constant])[:, None].repeat(1, width)


def curve(u: Tensor, coefficients: Tensor) -> Tensor:
    """Return a sigmoid(b u + c) + d u + e of u (N, width), coefficients (5, width)."""
    a, b, c, d, e = coefficients
    return a * (b * u + c).sigmoid() + d * u + e


def standardised(z: Tensor) -> Tensor:
    """Return z (N, width) with mean 0 and deviation 1 of each unit over the batch."""
    return (z - z.mean(0)) / (z.var(0, correction=0) + EPS).sqrt()
