"""A deep convolutional GAN, whose codes are the discriminator's maps."""

import math
from copy import deepcopy
from itertools import pairwise
from typing import Annotated, Any, Literal, cast

import torch
import torch.nn.functional as F
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from unsup.core.errors import UsageError
from unsup.core.ranges import AtLeast, Between
from unsup.models.base import Batch, Model
from unsup.models.parts.layers import down, halvings, keep_statistics, move_towards, pool_maps, up
from unsup.models.parts.optim import backward


class GAN(Model):
    """min_G max_D  E log D(x) + E log(1 - D(G(z))), z ~ N(0, I).

    Goodfellow et al. 2014, equation 1. The networks are those of Radford et al. 2015, "Unsupervised representation
    learning with deep convolutional generative adversarial networks", section 3: strided convolutions, batch-norm (its
    eps is the default, 1e-5) except at D's input and G's output, LeakyReLU .2 in D, ReLU and tanh in G, weights drawn
    with standard deviation .02, Adam with β1 .5. Images of at least 8 x 8 are halved until the shorter side is at most
    4. A training step is one step of D, on the batch and as many new images, and one of G.

    Codes are every convolution's activations, max-pooled to 4 x 4, flattened and concatenated (their section 5.1). D's
    running statistics are updated on real images only, since those are what it encodes.

    Args:
        shape: (C, H, W) of an image.
        noise_dim: size of z.
        width: channels of D's first convolution, doubled at every further one. G is its mirror image.
        objective: G's and D's losses, means over the batch. D's is half the sum for real and generated images.
            `nonsaturating`: cross entropy for D, -log D(G(z)) for G; `minimax`: log(1 - D(G(z))) for G, as written
            above; `hinge` (Lim & Ye 2017): max(0, 1 - l(x)) + max(0, 1 + l(G(z))) for D, -l(G(z)) for G, l the logit.
        label_smoothing: D's target for real images is 1 less this (Salimans et al. 2016); not for `hinge`.
        norm: `batch` for D's convolutions, or `spectral` for all of D's layers (Miyato et al. 2018).
        ema: `sample` uses a moving average of G, with decay min(ema, n / (n + 9)) in step n, or G itself if this is 0.
        code_dim: size of a projection of the codes by a fixed random matrix, entries of variance 1 / code_dim; None
            keeps all entries.
        lr: learning rate of both, constant.

    Raises:
        UsageError: options do not go together, or an image is smaller than 8 x 8.
    """

    bibtex = """@misc{radford2015unsupervised,
  title = {{Unsupervised representation learning with deep convolutional generative adversarial networks}},
  author = {Radford and others}, year = {2015}
}"""
    projection: Tensor | None

    unused_parameters = True

    def __init__(
        self,
        shape: tuple[int, int, int],
        noise_dim: Annotated[int, AtLeast(1)] = 100,
        width: Annotated[int, AtLeast(1)] = 32,
        objective: Literal["nonsaturating", "minimax", "hinge"] = "nonsaturating",
        label_smoothing: Annotated[float, Between(0, below=1)] = 0.0,
        norm: Literal["batch", "spectral"] = "batch",
        ema: Annotated[float, Between(0, below=1)] = 0.0,
        code_dim: int | None = None,
        lr: float = 2e-4,
    ) -> None:
        super().__init__(shape, lr)
        if objective == "hinge" and label_smoothing:
            raise UsageError("model.label_smoothing does not go with the hinge objective: set it to 0")
        if min(shape[1:]) < 8:
            raise UsageError(f"images of {shape[1]} x {shape[2]} are too small for gan's strides: 8 x 8 at least")
        self.automatic_optimization = False
        self.noise_dim, self.objective, self.label_smoothing = noise_dim, objective, label_smoothing
        self.generator = build_generator(shape, noise_dim, width)
        self.discriminator = Discriminator(shape, width, norm)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
        if norm == "spectral":  # after the weights are drawn: it estimates their norm
            for module in [m for m in self.discriminator.modules() if isinstance(m, nn.Conv2d | nn.Linear)]:
                spectral_norm(module)
        # float32 steps on a CPU take an eighth less time, tensor cores want it
        self.generator.to(memory_format=torch.channels_last)
        self.discriminator.to(memory_format=torch.channels_last)
        self.ema = ema
        self.averaged = deepcopy(self.generator).requires_grad_(False) if ema else None
        self.register_buffer("projection", None if code_dim is None else self._draw_projection(code_dim))

    def _draw_projection(self, code_dim: int) -> Tensor:
        """Return the matrix (all entries of a code, code_dim), the same for all seeds."""
        self.eval()  # batch-norm must not see the blank image
        with torch.no_grad():
            full = self._features(torch.zeros(1, *self.shape)).shape[1]
        self.train()
        if code_dim > full:
            raise UsageError(f"model.code_dim is {code_dim}: these feature maps have {full:,} entries")
        return torch.randn(full, code_dim, generator=torch.Generator().manual_seed(0)) / code_dim**0.5

    # ---- the game ---------------------------------------------------------------------------------------------------

    @property
    def steps_per_batch(self) -> int:
        return 2

    def configure_optimizers(self) -> Any:
        """Return Adam for each player, with β1 .5 (Radford et al. 2015, section 4)."""
        players = (self.discriminator, self.generator)
        return [torch.optim.Adam(p.parameters(), lr=self.lr, betas=(0.5, 0.999), fused=True) for p in players]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Make a step of D on x, then one of G."""
        d_optimizer, g_optimizer = cast(list[LightningOptimizer], self.optimizers())
        x, _ = batch
        with self.toggled_optimizer(d_optimizer):
            d_loss, values = self.discriminate(x, self.fake_images(len(x)).detach())
            values["grad_norm_d"] = backward(self, d_optimizer, d_loss)
            d_optimizer.step()
        with self.toggled_optimizer(g_optimizer):  # D's parameters take no gradient
            with keep_statistics(self.discriminator):
                g_loss, g_values = self.deceive(self.fake_images(len(x)))
            values |= g_values | {"grad_norm_g": backward(self, g_optimizer, g_loss)}
            self.record({"loss": d_loss + g_loss, **values})  # before the step that completes this iteration
            g_optimizer.step()
        if self.averaged is not None:
            share = ema_step_size(self.iteration, self.ema)
            move_towards(self.averaged.state_dict().values(), self.generator.state_dict().values(), share)

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        """Return the losses of both players, for validation."""
        fake = self.fake_images(len(x))
        d_loss, values = self.discriminate(x, fake)
        g_loss, g_values = self.deceive(fake)
        return {"loss": d_loss + g_loss, **values, **g_values}

    def fake_images(self, n: int) -> Tensor:
        """Return G(z) (n, C, H, W) in [-1, 1] for new z."""
        return self.generator(torch.randn(n, self.noise_dim, device=self.device))

    def discriminate(self, x: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return D's loss, and with it the mean log D(x)."""
        real = self.discriminator(2 * x - 1)  # logits (N,)
        with keep_statistics(self.discriminator):
            fake_logits = self.discriminator(fake)
        if self.objective == "hinge":
            terms = F.relu(1 - real).mean() + F.relu(1 + fake_logits).mean()
        else:
            target = torch.full_like(real, 1 - self.label_smoothing)
            terms = F.binary_cross_entropy_with_logits(real, target) + F.softplus(fake_logits).mean()
        return terms / 2, {"d_loss": terms / 2, "log_d_real": F.logsigmoid(real).mean()}

    def deceive(self, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return G's loss, and with it the mean D(G(z))."""
        logits = self.discriminator(fake)
        by_objective = {
            "nonsaturating": F.softplus(-logits),  # -log D(G(z))
            "minimax": -F.softplus(logits),  # log(1 - D(G(z)))
            "hinge": -logits,
        }
        loss = by_objective[self.objective].mean()
        return loss, {"g_loss": loss, "d_fake": logits.sigmoid().mean()}

    # ---- what was learned -------------------------------------------------------------------------------------------

    def encode(self, x: Tensor) -> Tensor:
        z = self._features(x)
        return z if self.projection is None else z @ self.projection

    def _features(self, x: Tensor) -> Tensor:
        return torch.cat([*self.layers(x).values()], dim=1)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        maps = self.discriminator.maps(2 * x - 1)
        return {f"conv_{i}": pool_maps(m) for i, m in enumerate(maps, start=1)}

    def generate(self, noise: Tensor) -> Tensor:
        network = self.generator if self.averaged is None else self.averaged
        return (network(noise) + 1) / 2

    def sample(self, n: int) -> Tensor:
        return self.sample_by_generate(n)


def build_generator(shape: tuple[int, int, int], noise_dim: int, width: int) -> nn.Sequential:
    """Return a network (N, noise_dim) -> (N, C, H, W) in [-1, 1]."""
    sizes = halvings(shape[1:], stop=4, at_least=2)
    channels = [width << i for i in range(len(sizes) - 1)]
    smallest = (channels[-1], *sizes[-1])
    to_maps = nn.Linear(noise_dim, math.prod(smallest), bias=False)
    layers = [to_maps, nn.Unflatten(1, smallest), nn.BatchNorm2d(channels[-1]), nn.ReLU()]
    for (a, b), size in reversed(list(zip(pairwise(channels), sizes[1:], strict=False))):
        layers += [up(b, a, size, bias=False), nn.BatchNorm2d(a), nn.ReLU()]
    return nn.Sequential(*layers, up(channels[0], shape[0], sizes[0]), nn.Tanh())


def ema_step_size(step: int, decay: float) -> float:
    """Return 1 - min(decay, n / (n + 9)) for step n, and 1 for the first one."""
    if step == 1:
        return 1.0
    return 1 - torch.tensor(min(decay, step / (step + 9))).item()  # rounded to float32, as in older checkpoints


class Discriminator(nn.Module):
    """Images (N, C, H, W) in [-1, 1] -> logits (N,) that they are real."""

    def __init__(self, shape: tuple[int, int, int], width: int, norm: str) -> None:
        super().__init__()
        sizes = halvings(shape[1:], stop=4, at_least=2)
        channels = [shape[0], *(width << i for i in range(len(sizes) - 1))]
        self.convolutions = nn.ModuleList()
        for i, ((a, b), size) in enumerate(zip(pairwise(channels), sizes, strict=False)):
            normalised = norm == "batch" and i > 0
            layers: list[nn.Module] = [down(a, b, size, bias=not normalised)]
            layers += [nn.BatchNorm2d(b)] if normalised else []
            self.convolutions.append(nn.Sequential(*layers, nn.LeakyReLU(0.2)))
        self.head = nn.Linear(channels[-1] * sizes[-1][0] * sizes[-1][1], 1)

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return all activations (N, width, H/2, W/2), (N, 2 width, H/4, W/4), …."""
        maps = []
        for convolution in self.convolutions:
            x = convolution(x)
            maps.append(x)
        return maps

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.maps(x)[-1].flatten(1)).squeeze(1)
