"""The variational autoencoder, with a Gaussian posterior over codes."""

import math
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.ranges import AtLeast
from unsup.core.seeds import derived_seed
from unsup.models.base import Model
from unsup.models.parts.layers import mlp

SAMPLE_CHUNK = 10  # posterior samples decoded at once by `log_likelihood`


class VAE(Model):
    """L = E_q(z|x) [-log p(x|z)] + β KL(q(z|x) || N(0, I)).

    q(z|x) = N(μ(x), diag σ²(x)); terms are sums over pixels and entries, with one posterior sample per image. Kingma &
    Welling 2014, "Auto-encoding variational Bayes", sections 2.3 and 3. With β = 1 the loss is the negative ELBO in
    nats per image. The code is the posterior mean μ(x) of the image as it is, not binarised.

    p(x|z), from the decoder's output o:
    * `bernoulli`: p(x_i = 1) = sigmoid(o_i), for pixels that are set to 1 with their intensity as probability
      (Salakhutdinov & Murray 2008), drawn in every training step, but in eval mode fixed for each image in all runs, so
      that nats compare with those of other models of binarised images;
    * `gaussian`: N(o, s²), s one learned number (Rybkin et al. 2021, "Simple and effective VAE training with calibrated
      decoders"), a density of pixels in [0, 1], which does not compare with the nats of binarised images;
    * `continuous_bernoulli`: the Bernoulli normalised over [0, 1] (Loaiza-Ganem & Cunningham 2019), a density too.

    A density is of dequantised pixels (Theis et al. 2016, "A note on the evaluation of generative models", section
    3.1): (v + u) / 256 for a grey level v in 0..255, u uniform on [0, 1), drawn in every training step, but in eval
    mode fixed for each image. log2 p - 8 per dimension then bounds the log-probability of the grey levels from below.

    Args:
        shape: (C, H, W) of an image; pixels are flattened.
        widths: hidden widths from the pixels to the code, GELU; the decoder mirrors them.
        code_dim: size of the code.
        likelihood: p(x|z); None means `bernoulli` for grey images and `gaussian` for others.
        batch_norm: normalise the hidden layers of both halves before the activation.
        beta: weight of the KL term, at least 0 (Higgins et al. 2017).
    """

    bibtex = """@misc{kingma2014auto,
  title = {{Auto-encoding variational Bayes}},
  author = {Kingma and Welling}, year = {2014}
}"""

    def __init__(
        self,
        shape: tuple[int, int, int],
        widths: Annotated[tuple[int, ...], AtLeast(1)] = (512, 256),
        code_dim: int = 32,
        likelihood: Literal["bernoulli", "gaussian", "continuous_bernoulli"] | None = None,
        batch_norm: bool = True,
        beta: Annotated[float, AtLeast(0)] = 1.0,
        lr: float = 1e-3,
    ) -> None:
        super().__init__(shape, lr)
        self.noise_dim = code_dim
        self.likelihood = likelihood or ("bernoulli" if shape[0] == 1 else "gaussian")
        self.dequantised = self.likelihood != "bernoulli"
        self.beta = beta
        pixels = shape[0] * shape[1] * shape[2]
        self.encoder = mlp([pixels, *widths, 2 * code_dim], batch_norm)
        self.decoder = mlp([code_dim, *reversed(widths), pixels], batch_norm)
        if self.likelihood == "gaussian":
            self.log_deviation = nn.Parameter(torch.zeros(()))

    # ---- training ---------------------------------------------------------------------------------------------------

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        log_px, kl = self.elbo(x)
        reconstruction, kl = -log_px.mean(), kl.mean(0).sum()
        return {
            "loss": reconstruction + self.beta * kl,
            "reconstruction": reconstruction,
            "kl": kl,
            "negative_elbo": reconstruction + kl,
        }

    # ---- density ----------------------------------------------------------------------------------------------------

    def elbo(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p(x|z) (N,) for one z ~ q(z|x), and the KL (N, D), in nats."""
        x = self.observed(x)
        mean, log_variance = self.posterior(x)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        return self.log_p(x, z), (mean.square() + log_variance.exp() - log_variance - 1) / 2

    def log_likelihood(self, x: Tensor, samples: int) -> Tensor:
        """Return log 1/k Σ p(x, z_j) / q(z_j|x) (N,) in nats for k samples.

        It is a lower bound of log p(x) in expectation, tight as k grows (Burda et al. 2016, "Importance weighted
        autoencoders", equation 8).
        """
        x = self.observed(x)
        mean, log_variance = self.posterior(x)
        total = torch.full((len(x),), -math.inf, device=x.device)
        for start in range(0, samples, SAMPLE_CHUNK):
            noise = torch.randn(min(SAMPLE_CHUNK, samples - start), *mean.shape, device=x.device)  # (k', N, D)
            z = mean + (log_variance / 2).exp() * noise
            log_weight = self.log_p(x, z) + (noise.square() - z.square() + log_variance).sum(-1) / 2  # (k', N)
            total = torch.logaddexp(total, log_weight.logsumexp(0))
        return total - math.log(samples)

    def observed(self, x: Tensor) -> Tensor:
        """Return the pixels (N, pixels) of the likelihood.

        They are binarised for `bernoulli`, and dequantised for a density.
        """
        x = x.flatten(1)
        noise = torch.rand_like(x) if self.training else fixed_uniform(x)
        return (255 * x + noise) / 256 if self.dequantised else noise.lt(x).to(x.dtype)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z|x), (N, D) each, for x (N, pixels)."""
        mean, log_variance = self.encoder(x).float().chunk(2, dim=1)
        return mean, log_variance

    def log_p(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x|z) (..., N) in nats for x (N, pixels) and z (..., N, D)."""
        output = self.decoder(z.flatten(0, -2)).float().unflatten(0, z.shape[:-1])
        if self.likelihood == "gaussian":
            error = ((x - output) / self.log_deviation.exp()).square().sum(-1)
            return -error / 2 - x.shape[1] * (self.log_deviation + math.log(2 * math.pi) / 2)
        log_p = -F.binary_cross_entropy_with_logits(output, x.expand_as(output), reduction="none")
        return (log_p if self.likelihood == "bernoulli" else log_p + log_normaliser(output)).sum(-1)

    # ---- what was learned -------------------------------------------------------------------------------------------

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x.flatten(1))[0]

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of p(x|z)."""
        output = self.decoder(z).unflatten(1, self.shape)
        if self.likelihood == "gaussian":
            return output
        if self.likelihood == "bernoulli":
            return output.sigmoid()
        return continuous_mean(output)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def generate(self, noise: Tensor) -> Tensor:
        """Return the mean of p(x|z), clamped to [0, 1]."""
        return self.decode(noise).clamp(0, 1)

    def sample(self, n: int) -> Tensor:
        return self.sample_by_generate(n)


def log_normaliser(logits: Tensor) -> Tensor:
    """Return log C(l) of the continuous Bernoulli with logit l.

    Its density is C(l) p^x (1 - p)^(1 - x), with C(l) = l / tanh(l / 2), and 2 at l = 0.
    `torch.distributions.ContinuousBernoulli` clamps p to [1e-7, 1 - 1e-7], so no pixel can be black.
    """
    magnitude = logits.abs()
    small = magnitude < 0.1
    magnitude = torch.where(small, 1.0, magnitude)  # keeps NaN out of the gradient of the unused branch
    series = math.log(2) + logits.square() / 12 - 7 * logits**4 / 1440
    return torch.where(small, series, (magnitude / (magnitude / 2).tanh()).log())


def continuous_mean(logits: Tensor) -> Tensor:
    """Return the continuous Bernoulli's mean, p / tanh(l / 2) - 1 / l, .5 at l = 0."""
    small = logits.abs() < 0.1  # the formula would cancel
    safe = torch.where(small, 1.0, logits)
    return torch.where(small, 0.5 + logits / 12 - logits**3 / 720, safe.sigmoid() / (safe / 2).tanh() - 1 / safe)


def fixed_uniform(x: Tensor) -> Tensor:
    """Return numbers (N, pixels) in [0, 1) that depend on each image alone.

    They are independent of batch, run and device.
    """
    rows = []
    for image in (255 * x).round().byte().cpu().numpy():
        generator = torch.Generator().manual_seed(derived_seed(image.tobytes().hex()))
        rows.append(torch.rand(x.shape[1], generator=generator))
    return torch.stack(rows).to(x.device)
