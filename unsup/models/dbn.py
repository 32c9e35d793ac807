"""A deep autoencoder of logistic units that a stack of restricted Boltzmann machines starts: the method of 2006."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Annotated, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.errors import UsageError, UserError
from unsup.core.ranges import AtLeast
from unsup.models.base import Model

# Of the pre-training, as in the supporting material and the authors' code
PRETRAIN_BATCH = 100  # images a step
RATE, CODE_RATE = 0.1, 0.001  # learning rates of logistic and of linear hidden units
MOMENTUM, FIRST_MOMENTUM, FIRST_EPOCHS = 0.9, 0.5, 5  # the first epochs have a momentum of their own
WEIGHT_COST = 2e-4  # decay of the weights, in units of the learning rate
DEVIATION = 0.1  # of the first weights


class DBN(Model):
    """L = -E Σ x log x̂ + (1 - x) log(1 - x̂), summed over pixels, x̂ = g(f(x)), from weights that `fit` has found.

    Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", and its supporting
    material. `fit` trains one restricted Boltzmann machine (`RBM`) a layer, the first on the images, each further one
    on the hidden probabilities of the one before it; unrolled, their weights are those of the encoder f and,
    transposed, those of the decoder g. `losses` then fine-tunes all of them, no longer tied. All units are logistic;
    those of the code are linear, with Gaussian noise of variance 1 in the pre-training.

    Not as published: fine-tuning is by Adam on the data set's batches, its rate annealed (`Model`); the paper has 200
    epochs of conjugate gradients, three line searches on every 1,000 images. `reconstruction` is the squared error
    summed over pixels, what the paper reports; `pretrain/layer_<i>` that of each machine's own, by epoch up to 0.

    Args:
        shape: (C, H, W) of an image; pixels are flattened. `fit` holds all images, or one layer's activities of them.
        widths: hidden widths from the pixels to the code; the decoder mirrors them.
        code_dim: size of the code.
        pretrain_epochs: of each machine (the paper: 50); 0: the same network without pre-training.
        lr: peak learning rate of the fine-tuning (`Model`).

    Raises:
        UsageError: a value outside its range.
    """

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
        """Pre-train layer after layer. UserError: a machine's weights are no longer finite."""
        if self.initialised or not self.pretrain_epochs:
            return
        v = torch.cat([x.flatten(1) for x in images()])
        halves = zip(cast(list[nn.Linear], self.encoder), reversed(cast(list[nn.Linear], self.decoder)), strict=True)
        for i, (up, down) in enumerate(halves, start=1):
            rbm = RBM(up, down, linear=i == len(self.encoder))
            for epoch in range(self.pretrain_epochs):
                error = rbm.train(v, MOMENTUM if epoch >= FIRST_EPOCHS else FIRST_MOMENTUM)
                for logger in self.loggers:  # up to 0, where fine-tuning starts: a resumed run redraws what is above
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
        """Of x (N, C, H, W), the activities of the hidden layers: (N, widths[0]), (N, widths[1]), …"""
        found, h = [], x.flatten(1)
        for linear in self.encoder[:-1]:
            h = linear(h).sigmoid()
            found.append(h)
        return found

    def _logits(self, z: Tensor) -> Tensor:
        """z (N, code_dim) -> (N, pixels)."""
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
    """p(v, h) ∝ exp(h'Wv + b'h + c'v), visible units v in [0, 1] logistic, hidden ones h logistic or linear.

    Linear hidden units are Gaussian around b + Wv with variance 1; their energy has -h'h / 2 in addition.

    Args:
        up: has W (hidden, visible) as its weight and b as its bias; both are trained in place.
        down: has c as its bias, trained in place.
        linear: whether the hidden units are.
    """

    def __init__(self, up: nn.Linear, down: nn.Linear, linear: bool) -> None:
        self.weight, self.hidden_bias, self.visible_bias = up.weight.data, up.bias.data, down.bias.data
        self.linear = linear
        self.velocities = [torch.zeros_like(p) for p in self.parameters()]

    def parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.weight, self.hidden_bias, self.visible_bias

    def hidden(self, v: Tensor) -> Tensor:
        """Mean of the hidden units (n, hidden) given v (n, visible)."""
        mean = F.linear(v, self.weight, self.hidden_bias)
        return mean if self.linear else mean.sigmoid()

    def visible(self, h: Tensor) -> Tensor:
        """Probabilities of the visible units (n, visible) given h (n, hidden)."""
        return torch.addmm(self.visible_bias, h, self.weight).sigmoid()

    def draw(self, mean: Tensor) -> Tensor:
        """States of hidden units that have this mean."""
        return mean + torch.randn_like(mean) if self.linear else (torch.rand_like(mean) < mean).to(mean.dtype)

    def divergence(self, v: Tensor) -> tuple[list[Tensor], Tensor]:
        """CD-1's ascent directions of W, b and c, means over v (n, visible), and the probabilities of v once removed.

        As in the authors' code, hidden states are drawn only to reconstruct from; both statistics take probabilities.
        """
        h = self.hidden(v)
        v1 = self.visible(self.draw(h))
        h1 = self.hidden(v1)
        return [(h.T @ v - h1.T @ v1) / len(v), (h - h1).mean(0), (v - v1).mean(0)], v1

    def train(self, v: Tensor, momentum: float) -> float:
        """One epoch over v (N, visible) in random order; squared error of the reconstructions, summed over units."""
        rate, error = CODE_RATE if self.linear else RATE, torch.zeros((), device=v.device)
        for part in torch.randperm(len(v)).to(v.device).split(PRETRAIN_BATCH):
            batch = v[part]
            directions, v1 = self.divergence(batch)
            directions[0] -= WEIGHT_COST * self.weight
            for p, velocity, direction in zip(self.parameters(), self.velocities, directions, strict=True):
                p += velocity.mul_(momentum).add_(direction, alpha=rate)
            error += (batch - v1).square().sum()
        return error.item() / len(v)
