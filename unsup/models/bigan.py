"""A bidirectional GAN, whose encoder learns to invert the generator."""

from typing import Annotated, Any, cast

import torch
import torch.nn.functional as F
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from unsup.core.ranges import AtLeast
from unsup.models.base import Batch, Model
from unsup.models.parts.optim import backward, decaying


class BiGAN(Model):
    """min_{G, E} max_D  E log D(x, E(x)) + E log(1 - D(G(z), z)), z ~ N(0, I).

    Donahue et al. 2017, "Adversarial feature learning", section 3. D distinguishes pairs of an image and its code from
    pairs of a generated image and its noise. Where it cannot, E inverts G. No loss compares G(E(x)) with x.

    The networks are those of the permutation-invariant MNIST in the appendix: perceptrons of two hidden layers, the
    second with batch-norm, leaky units (.2) in D and E; Adam with β1 .5 and weight decay; weights drawn with standard
    deviation .02. As there, E and G descend the loss with D's targets exchanged. Unlike there, z is normal, not
    uniform, and the learning rate constant.

    A training step is one step of D, in which E and G do not learn, and then one of E and G, on the same pairs.

    Args:
        shape: (C, H, W) of an image; pixels are flattened.
        code_dim: size of z and of the code.
        width: of each hidden layer.
        lr: learning rate of both steps, constant.
    """

    bibtex = """@misc{donahue2017adversarial,
  title = {{Adversarial feature learning}},
  author = {Donahue and others}, year = {2017}
}"""
    unused_parameters = True
    weight_decay = 2.5e-5

    def __init__(
        self,
        shape: tuple[int, int, int],
        code_dim: int = 50,
        width: Annotated[int, AtLeast(1)] = 1024,
        lr: float = 2e-4,
    ) -> None:
        super().__init__(shape, lr)
        self.automatic_optimization = False
        self.noise_dim, pixels = code_dim, shape[0] * shape[1] * shape[2]
        self.encoder = perceptron(pixels, width, code_dim, slope=0.2)
        self.generator = perceptron(code_dim, width, pixels, slope=0.0)
        self.discriminator = perceptron(pixels + code_dim, width, 1, slope=0.2)

    # ---- the game ---------------------------------------------------------------------------------------------------

    @property
    def steps_per_batch(self) -> int:
        return 2

    def configure_optimizers(self) -> Any:
        """Return Adam with β1 .5, for D, and for E and G."""
        optimizers = []
        for players in ([self.discriminator], [self.encoder, self.generator]):
            parameters = [p for player in players for p in player.parameters()]
            groups = decaying(parameters, self.weight_decay)
            optimizers.append(torch.optim.Adam(groups, lr=self.lr, betas=(0.5, 0.999), fused=True))
        return optimizers

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Make a step of D on the pairs of this batch, then one of E and G."""
        d_optimizer, eg_optimizer = cast(list[LightningOptimizer], self.optimizers())
        real, fake = self.pairs(batch[0])

        with self.toggled_optimizer(d_optimizer):
            d_loss, values = self.discriminate(real.detach(), fake.detach())
            values["grad_norm_d"] = backward(self, d_optimizer, d_loss)
            d_optimizer.step()
        with self.toggled_optimizer(eg_optimizer):  # D's parameters take no gradient
            eg_loss, eg_values = self.deceive(real, fake)
            values |= eg_values | {"grad_norm_eg": backward(self, eg_optimizer, eg_loss)}
            self.record({"loss": d_loss + eg_loss, **values})  # before the step that completes this iteration
            eg_optimizer.step()

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        """Return the losses of both players, for validation."""
        real, fake = self.pairs(x)
        d_loss, values = self.discriminate(real, fake)
        eg_loss, eg_values = self.deceive(real, fake)
        return {"loss": d_loss + eg_loss, **values, **eg_values}

    def pairs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (x, E(x)) and (G(z), z) for new z, (n, pixels + code_dim) each."""
        z = torch.randn(len(x), self.noise_dim, device=x.device)
        return torch.cat([2 * x.flatten(1) - 1, self.encode(x)], 1), torch.cat([self.generator(z).tanh(), z], 1)

    def discriminate(self, real: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return D's loss, and with it the mean D(x, E(x))."""
        logits = self.discriminator(real)
        loss = (F.softplus(-logits).mean() + F.softplus(self.discriminator(fake)).mean()) / 2
        return loss, {"d_loss": loss, "d_real": logits.sigmoid().mean()}

    def deceive(self, real: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of E and G, and with it the mean D(G(z), z)."""
        logits = self.discriminator(fake)
        loss = (F.softplus(self.discriminator(real)).mean() + F.softplus(-logits).mean()) / 2
        return loss, {"eg_loss": loss, "d_fake": logits.sigmoid().mean()}

    # ---- what was learned -------------------------------------------------------------------------------------------

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(2 * x.flatten(1) - 1)

    def decode(self, z: Tensor) -> Tensor:
        return ((self.generator(z).tanh() + 1) / 2).unflatten(1, self.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def generate(self, noise: Tensor) -> Tensor:
        return self.decode(noise)

    def sample(self, n: int) -> Tensor:
        return self.sample_by_generate(n)


def perceptron(inputs: int, width: int, outputs: int, slope: float) -> nn.Sequential:
    """Return a network (N, inputs) -> (N, outputs) with two hidden layers."""
    network = nn.Sequential(
        nn.Linear(inputs, width),
        nn.LeakyReLU(slope),
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width),
        nn.LeakyReLU(slope),
        nn.Linear(width, outputs),
    )
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.02)
    return network
