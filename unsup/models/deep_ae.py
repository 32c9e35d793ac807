"""A deep, mirrored autoencoder with a layer-wise reconstruction loss."""

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.errors import UsageError
from unsup.core.ranges import AtLeast, Between
from unsup.models.base import Model

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class DeepAE(Model):
    """L = E ||x - x̂||² + λ Σ_l ||h^l - ĥ^l||², squares summed over units.

    h^1 .. h^L are the encoder's hidden activations, widths `widths`; the code is linear in h^L; ĥ^L .. ĥ^1 are the
    decoder's hidden activations, mirrored by index and width. h^0 = x is the reconstruction term and counts once.

    Taken literally (`target="joint"`, `normalise="none"`) the sum has a minimiser that learns nothing, a constant h^l;
    it also falls by α² when layer l is scaled by α and the next one by 1/α, which changes no output. The default is the
    ladder's remedy (Rasmus et al. 2015, "Semi-supervised learning with ladder networks", section 3): the target h^l
    comes from a clean pass without gradient, and the error is counted in units of its batch standard deviation.
    It belongs with `batch_norm` and noise: without batch-norm, normalised terms drown the reconstruction (measured in
    configs/model/deep_ae_layerwise.yaml).
    `train/relative_l` = ||h^l - ĥ^l||² / ||h^l||² and `train/norm_l` = mean ||h^l|| show a collapse.

    Architecture: Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks" (there with
    logistic units and a pre-training by restricted Boltzmann machines).

    Args:
        shape: (C, H, W) of an image; pixels are flattened.
        widths: hidden widths from the pixels to the code; the decoder mirrors them.
        code_dim: size of the code.
        activation: activation of the hidden layers.
        batch_norm: normalise the hidden layers of both halves before the activation.
        output: "linear", or "sigmoid" for reconstructions inside (0, 1).
        mask: fraction of the input pixels set to 0 in training; the others are scaled by 1 / (1 - mask).
        noise: standard deviation of Gaussian noise on the input in training.
        layer_noise: the same before each hidden activation of the encoder.
        layer_weight: λ, at least 0; with 0 neither the clean pass nor the terms are computed.
        target: "detach" trains ĥ^l alone towards h^l, "joint" both towards each other.
        normalise: "batch" divides each unit's error by its target's variance over the batch, "none" does not.
    """

    bibtex = """@misc{hinton2006reducing,
  title = {{Reducing the dimensionality of data with neural networks}},
  author = {Hinton and Salakhutdinov}, year = {2006}
}"""

    def __init__(
        self,
        shape: tuple[int, int, int],
        widths: Annotated[tuple[int, ...], AtLeast(1)] = (1000, 500, 250),
        code_dim: int = 30,
        activation: Literal["relu", "gelu"] = "relu",
        batch_norm: bool = False,
        output: Literal["linear", "sigmoid"] = "linear",
        mask: Annotated[float, Between(0, below=1)] = 0.0,
        noise: Annotated[float, AtLeast(0)] = 0.0,
        layer_noise: Annotated[float, AtLeast(0)] = 0.0,
        layer_weight: Annotated[float, AtLeast(0)] = 0.0,
        target: Literal["detach", "joint"] = "detach",
        normalise: Literal["batch", "none"] = "batch",
        lr: float = 1e-3,
    ) -> None:
        super().__init__(shape, lr)
        if not widths:
            raise UsageError("model.widths is []: it needs one hidden layer at least")
        self.activation, self.output, self.target, self.normalise = activation, output, target, normalise
        self.mask, self.noise, self.layer_noise, self.layer_weight = mask, noise, layer_noise, layer_weight

        sizes = [shape[0] * shape[1] * shape[2], *widths]
        self.encoder = nn.ModuleList(layer(a, b, batch_norm) for a, b in pairwise(sizes))
        self.to_code = nn.Linear(sizes[-1], code_dim)
        mirrored = [code_dim, *reversed(widths)]
        self.decoder = nn.ModuleList(layer(a, b, batch_norm) for a, b in pairwise(mirrored))
        self.to_pixels = nn.Linear(mirrored[-1], sizes[0])

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        x = x.flatten(1)
        hidden, z = self._encode(self._corrupt(x), self.layer_noise)
        mirrored, x_hat = self._decode(z)
        reconstruction = squared_error(x_hat, x)
        if self.layer_weight == 0:
            return {"loss": reconstruction, "reconstruction": reconstruction}
        if self.mask or self.noise or self.layer_noise:
            hidden, _ = self._encode(x)  # the clean pass
        terms, logged = [], {}
        for i, (h, h_hat) in enumerate(zip(hidden, mirrored, strict=True), start=1):
            terms.append(self._layer_term(h, h_hat))
            with torch.no_grad():
                logged[f"relative_{i}"] = (h - h_hat).square().sum() / h.square().sum()
                logged[f"norm_{i}"] = h.norm(dim=1).mean()
        layers = torch.stack(terms).sum()
        loss = reconstruction + self.layer_weight * layers
        return {"loss": loss, "reconstruction": reconstruction, "layers": layers, **logged}

    def _corrupt(self, x: Tensor) -> Tensor:
        if self.mask:
            x = F.dropout(x, self.mask)
        return x + self.noise * torch.randn_like(x) if self.noise else x

    def _encode(self, x: Tensor, noise: float = 0.0) -> tuple[list[Tensor], Tensor]:
        """Return h^1 (N, widths[0]), .. h^L, and z (N, code_dim), of x (N, pixels)."""
        hidden = []
        for linear in self.encoder:
            x = linear(x)
            if noise:
                x = x + noise * torch.randn_like(x)
            x = ACTIVATIONS[self.activation](x)
            hidden.append(x)
        return hidden, self.to_code(x)

    def _decode(self, z: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return ĥ^1 (N, widths[0]), .. ĥ^L, and x̂ (N, pixels), of z (N, code_dim)."""
        mirrored: list[Tensor] = []
        for linear in self.decoder:
            z = ACTIVATIONS[self.activation](linear(z))
            mirrored.insert(0, z)
        x_hat = self.to_pixels(z)
        return mirrored, x_hat.sigmoid() if self.output == "sigmoid" else x_hat

    def _layer_term(self, h: Tensor, h_hat: Tensor) -> Tensor:
        """Return ||h - ĥ||² of a layer (N, width), averaged over the batch."""
        if self.target == "detach":
            h = h.detach()
        error = (h - h_hat).square()
        if self.normalise == "batch":
            variance = h.var(0, correction=0)
            # units that never fire have variance 0; the constant is a fraction of the layer's mean, to prefer no scale
            error = error / (variance + 0.01 * variance.mean())
        return error.sum(1).mean()

    def encode(self, x: Tensor) -> Tensor:
        return self._encode(x.flatten(1))[1]

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        hidden, _ = self._encode(x.flatten(1))
        return {f"hidden_{i}": h for i, h in enumerate(hidden, start=1)}

    def decode(self, z: Tensor) -> Tensor:
        return self._decode(z)[1].unflatten(1, self.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def layer(inputs: int, outputs: int, batch_norm: bool) -> nn.Module:
    linear = nn.Linear(inputs, outputs)
    return nn.Sequential(linear, nn.BatchNorm1d(outputs)) if batch_norm else linear


def squared_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the squared error, summed over pixels and averaged over the batch."""
    return F.mse_loss(x_hat, x, reduction="sum") / len(x)
