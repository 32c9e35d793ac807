"""A deep autoencoder that starts from a stack of restricted Boltzmann machines."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Annotated, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.errors import UsageError, UserError
from unsup.core.ranges import AtLeast
from unsup.models.base import Model

# Pre-training, as in the supporting material and the authors' code
PRETRAIN_BATCH = 100  # images per step
RATE, CODE_RATE = 0.1, 0.001  # learning rates of logistic and of linear hidden units
MOMENTUM, FIRST_MOMENTUM, FIRST_EPOCHS = 0.9, 0.5, 5  # momentum of the first epochs
WEIGHT_COST = 2e-4  # decay of the weights, in units of the learning rate
DEVIATION = 0.1  # of the initial weights


class DBN(Model):
    """L = -E Σ x log x̂ + (1 - x) log(1 - x̂), x̂ = g(f(x)), summed over pixels.

    Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", and its supporting
    material. `fit` trains one restricted Boltzmann machine (`RBM`) a layer, the first on the images, each further one
    on the hidden probabilities of the previous one. Their weights become those of the encoder f and, transposed, of the
    decoder g, which `losses` fine-tunes. All units are logistic except those of the code, which are linear, with
    Gaussian noise of variance 1 in the pre-training.

    Unlike in the paper, fine-tuning is by Adam (`Model`); the paper has 200 epochs of conjugate gradients, three line
    searches on every 1,000 images. `reconstruction` is the squared error summed over pixels, as in the paper;
    `pretrain/layer_<i>` is that of each machine, by epoch up to 0.

    Args:
        shape: (C, H, W) of an image; pixels are flattened. `fit` holds all images or activities in memory.
        widths: hidden widths from the pixels to the code; the decoder mirrors them.
        code_dim: size of the code.
        pretrain_epochs: epochs of each machine (50 in the paper), 0 for no pre-training.
        lr: peak learning rate of the fine-tuning (`Model`).
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
        pretrain_epochs: Annotated[int, AtLeast(0)] = 50,
        lr: float = 1e-3,
    ) -> None:
        super().__init__(shape, lr)
        if not widths:
            raise UsageError("model.widths is []: it needs one hidden layer at least")
        self.pretrain_epochs = pretrain_epochs
        sizes = [shape[0] * shape[1] * shape[2], *widths, code_dim]
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.decoder = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes[::-1]))
        for linear in [*self.encoder, *self.decoder]:
            nn.init.normal_(linear.weight, std=DEVIATION)
            nn.init.zeros_(linear.bias)

    @torch.no_grad()
    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        """Pre-train layer after layer. UserError where weights grow without bound."""
        if self.initialised or not self.pretrain_epochs:
            return
        v = torch.cat([x.flatten(1) for x in images()])
        halves = zip(cast(list[nn.Linear], self.encoder), reversed(cast(list[nn.Linear], self.decoder)), strict=True)
        for i, (up, down) in enumerate(halves, start=1):
            rbm = RBM(up, down, linear=i == len(self.encoder))
            for epoch in range(self.pretrain_epochs):
                error = rbm.train(v, MOMENTUM if epoch >= FIRST_EPOCHS else FIRST_MOMENTUM)
                for logger in self.loggers:  # up to 0, where fine-tuning starts
                    logger.log_metrics({f"pretrain/layer_{i}": error}, epoch + 1 - self.pretrain_epochs)
            if not torch.isfinite(rbm.weight).all():
                raise UserError(f"the weights of layer {i} grew without bound: lower model.pretrain_epochs")
            down.weight.copy_(rbm.weight.T)
            v = rbm.hidden(v)

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        logits, x = self._logits(self.encode(x)), x.flatten(1)
        loss = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        with torch.no_grad():
            squared = F.mse_loss(logits.sigmoid(), x, reduction="sum") / len(x)
        return {"loss": loss, "reconstruction": squared}

    def _hidden(self, x: Tensor) -> list[Tensor]:
        """Return the hidden activities (N, widths[0]), … of x (N, C, H, W)."""
        hidden, h = [], x.flatten(1)
        for linear in self.encoder[:-1]:
            h = linear(h).sigmoid()
            hidden.append(h)
        return hidden

    def _logits(self, z: Tensor) -> Tensor:
        """Decode z (N, code_dim) to logits (N, pixels)."""
        for linear in self.decoder[:-1]:
            z = linear(z).sigmoid()
        return self.decoder[-1](z)

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder[-1](self._hidden(x)[-1])

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        return {f"hidden_{i}": h for i, h in enumerate(self._hidden(x), start=1)}

    def decode(self, z: Tensor) -> Tensor:
        return self._logits(z).sigmoid().unflatten(1, self.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class RBM:
    """p(v, h) ∝ exp(h'Wv + b'h + c'v), visible units v in [0, 1] logistic.

    Hidden units h are logistic, or linear: Gaussian around b + Wv with variance 1, with -h'h / 2 in the exponent.
    `up` holds W (hidden, visible) and b, `down` holds c. They are trained in place.
    """

    def __init__(self, up: nn.Linear, down: nn.Linear, linear: bool) -> None:
        self.weight, self.hidden_bias, self.visible_bias = up.weight.data, up.bias.data, down.bias.data
        self.linear = linear
        self.velocities = [torch.zeros_like(p) for p in self.parameters()]

    def parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.weight, self.hidden_bias, self.visible_bias

    def hidden(self, v: Tensor) -> Tensor:
        """Return the mean of the hidden units (n, hidden) given v (n, visible)."""
        mean = F.linear(v, self.weight, self.hidden_bias)
        return mean if self.linear else mean.sigmoid()

    def visible(self, h: Tensor) -> Tensor:
        """Return the probabilities of the visible units (n, visible) given h (n, hidden)."""
        return torch.addmm(self.visible_bias, h, self.weight).sigmoid()

    def draw(self, mean: Tensor) -> Tensor:
        """Draw states of hidden units with a mean."""
        return mean + torch.randn_like(mean) if self.linear else (torch.rand_like(mean) < mean).to(mean.dtype)

    def divergence(self, v: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return CD-1's ascent directions of W, b and c, and a reconstruction of v.

        Directions are means over v (n, visible). As in the authors' code, hidden states are drawn for the
        reconstruction alone; the statistics use probabilities.
        """
        h = self.hidden(v)
        v1 = self.visible(self.draw(h))
        h1 = self.hidden(v1)
        return [(h.T @ v - h1.T @ v1) / len(v), (h - h1).mean(0), (v - v1).mean(0)], v1

    def train(self, v: Tensor, momentum: float) -> float:
        """Train for an epoch on v (N, visible), and return the reconstruction error."""
        rate, error = CODE_RATE if self.linear else RATE, torch.zeros((), device=v.device)
        for part in torch.randperm(len(v)).to(v.device).split(PRETRAIN_BATCH):
            batch = v[part]
            directions, v1 = self.divergence(batch)
            directions[0] -= WEIGHT_COST * self.weight
            for p, velocity, direction in zip(self.parameters(), self.velocities, directions, strict=True):
                p += velocity.mul_(momentum).add_(direction, alpha=rate)
            error += (batch - v1).square().sum()
        return error.item() / len(v)
