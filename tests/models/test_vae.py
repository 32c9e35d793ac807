"""The variational autoencoder against closed forms; nats are sums over an image, in training and validation."""

import math
from typing import Any

import pytest
import torch
from tiny import SHAPE, digits, train
from torch import Tensor
from torch.distributions import Bernoulli, ContinuousBernoulli, MultivariateNormal, Normal, kl_divergence

from unsup.core.errors import UsageError
from unsup.models.vae import VAE, continuous_mean, fixed_uniform, log_normaliser

PIXELS, CODE = 64, 4


def vae(**options: Any) -> VAE:
    torch.manual_seed(0)
    return VAE(SHAPE, **{"widths": (32,), "code_dim": CODE, **options})


def test_kl_is_that_of_gaussians() -> None:
    model, x = vae().eval(), digits(20)
    mean, log_variance = model.posterior(model.observed(x))
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0))
    kl = model.elbo(x)[1]
    assert kl.shape == (20, CODE) and (kl >= 0).all()
    assert torch.allclose(kl, expected, atol=1e-5)


def test_log_p_is_that_of_each_distribution_summed_over_pixels() -> None:
    x, z = torch.rand(6, PIXELS), torch.randn(3, 6, CODE)
    for likelihood in ("bernoulli", "gaussian", "continuous_bernoulli"):
        model = vae(likelihood=likelihood).eval()
        if likelihood == "gaussian":
            model.log_deviation.data.fill_(-0.7)
        o = model.decoder(z.flatten(0, 1)).unflatten(0, (3, 6))
        expected: Tensor = {
            "bernoulli": lambda o=o: Bernoulli(logits=o).log_prob((x > 0.5).float()),
            "gaussian": lambda o=o: Normal(o, math.exp(-0.7)).log_prob(x),
            "continuous_bernoulli": lambda o=o: ContinuousBernoulli(logits=o).log_prob(x),
        }[likelihood]().sum(-1)
        seen = (x > 0.5).float() if likelihood == "bernoulli" else x
        assert torch.allclose(model.log_p(seen, z), expected, atol=1e-4), likelihood


def test_the_continuous_bernoulli_is_a_density_at_any_logit() -> None:
    x = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    for logit in (-50.0, -3.0, -0.11, -0.09, 0.0, 0.09, 0.11, 0.5, 50.0):
        o = torch.tensor(logit, dtype=torch.float64)
        density = (x * o - torch.nn.functional.softplus(o) + log_normaliser(o)).exp()
        assert torch.trapezoid(density, x).item() == pytest.approx(1, abs=1e-5), logit
        assert torch.trapezoid(density * x, x).item() == pytest.approx(continuous_mean(o).item(), abs=1e-5), logit
    o = torch.tensor([-60.0, 0.0, 60.0], requires_grad=True)
    log_normaliser(o).sum().backward()
    assert o.grad is not None and torch.isfinite(o.grad).all() and o.grad[0] == pytest.approx(-1 / 60, rel=1e-3)


# ---- a model whose log p(x) is known: x = W z + b + s ε, so x ~ N(b, W Wᵀ + s² I) ------------------------------------


def linear_gaussian(exact_posterior: bool) -> tuple[VAE, Tensor, Tensor]:
    """The model, 200 images drawn from it, and log p of each. W's columns are orthogonal: the posterior is diagonal."""
    model = vae(widths=(), likelihood="gaussian").eval()
    s = 0.5
    w = torch.linalg.qr(torch.randn(PIXELS, CODE))[0] * torch.tensor([3.0, 2.0, 1.0, 0.5])
    b = torch.rand(PIXELS)
    (encoder,), (decoder,) = model.encoder, model.decoder
    precision = 1 + w.square().sum(0) / s**2  # of the posterior, which is N(Wᵀ(x - b) / s² / precision, 1 / precision)
    with torch.no_grad():
        model.log_deviation.fill_(math.log(s))
        decoder.weight.copy_(w)
        decoder.bias.copy_(b)
        to_mean = w.T / s**2 / precision[:, None]
        encoder.weight.copy_(torch.cat([to_mean, torch.zeros_like(to_mean)]))
        encoder.bias.copy_(torch.cat([-to_mean @ b, -precision.log()]))
        if not exact_posterior:
            encoder.bias += 0.4
    density = MultivariateNormal(b, w @ w.T + s**2 * torch.eye(PIXELS))
    x = density.sample((200,))
    x = x.unflatten(1, SHAPE)
    return model, x, density.log_prob(model.observed(x))


def test_the_exact_posterior_makes_every_bound_tight() -> None:
    model, x, exact = linear_gaussian(exact_posterior=True)
    with torch.no_grad():
        assert torch.allclose(model.log_likelihood(x, 1), exact, atol=1e-3)  # p(x, z) / q(z|x) is p(x) whatever z
        assert torch.allclose(model.log_likelihood(x, 25), exact, atol=1e-3)
        elbo = torch.stack([log_px - kl.sum(1) for log_px, kl in (model.elbo(x) for _ in range(50))]).mean(0)
    assert abs((elbo - exact).mean()) < 0.05


def test_elbo_below_importance_sampling_below_the_exact_log_likelihood() -> None:
    model, x, exact = linear_gaussian(exact_posterior=False)
    with torch.no_grad():
        elbo = torch.stack([log_px - kl.sum(1) for log_px, kl in (model.elbo(x) for _ in range(50))]).mean()
        one, ten, many = (model.log_likelihood(x, k).mean() for k in (1, 10, 1000))
        one = torch.stack([model.log_likelihood(x, 1) for _ in range(50)]).mean()
    assert abs(one - elbo) < 0.1  # one sample: the ELBO, in the mean
    assert elbo + 0.2 < ten < many < exact.mean() + 0.02
    assert abs(many - exact.mean()) < 0.05


def test_chunks_use_exactly_the_samples_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, _ = linear_gaussian(exact_posterior=False)
    torch.manual_seed(3)
    chunked = model.log_likelihood(x, 25)
    decoded: list[int] = []
    log_p = model.log_p
    monkeypatch.setattr(model, "log_p", lambda x, z: decoded.append(len(z)) or log_p(x, z))
    torch.manual_seed(3)
    assert torch.equal(model.log_likelihood(x, 25), chunked)
    assert decoded == [10, 10, 5]


# ---- binarisation ----------------------------------------------------------------------------------------------------


def test_evaluation_binarises_an_image_the_same_way_everywhere() -> None:
    x = digits(20)
    ours, other = vae().eval(), VAE(SHAPE, widths=(5,), code_dim=2).eval()
    seen = ours.observed(x)
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(seen, ours.observed(x)) and torch.equal(seen, other.observed(x))
    assert torch.equal(seen.flip(0), torch.cat([ours.observed(row[None]) for row in x.flip(0)]))


@pytest.mark.parametrize("likelihood", ["gaussian", "continuous_bernoulli"])
def test_a_density_is_of_dequantised_pixels(likelihood: str) -> None:
    """A grey level v becomes uniform on [v, v + 1) / 256: fixed in evaluation, drawn anew in training."""
    x, model = digits(20), vae(likelihood=likelihood)
    levels = (255 * x).round().flatten(1)
    for again in (False, True):
        model.train(again)
        seen = 256 * model.observed(x) - levels
        assert seen.min() > -1e-3 and seen.max() < 1 + 1e-3  # float32 of 256
        assert abs(seen.mean() - 0.5) < 0.03 and abs(seen.std() - 0.2887) < 0.02  # 1,280 draws
        assert torch.equal(model.observed(x), model.observed(x)) is not again
    assert model.dequantised and not vae().dequantised


def test_training_binarises_anew() -> None:
    x, model = digits(20), vae()
    assert not torch.equal(model.observed(x), model.observed(x))


def test_a_pixel_is_white_as_often_as_it_is_bright() -> None:
    x = (torch.arange(3000).float()[:, None] % 256 / 255).repeat(1, 20)
    x[:, 0] = torch.rand(3000)  # no two images alike
    u = fixed_uniform(x)
    assert u.min() >= 0 and u.max() < 1
    assert abs((u < 0.3).float().mean() - 0.3) < 0.01
    assert abs((u < x).float().mean() - x.mean()) < 0.01


def test_binarised_reconstruction_counts_every_pixel() -> None:
    model = vae().eval()
    torch.nn.init.zeros_(model.decoder[-1].weight)
    torch.nn.init.zeros_(model.decoder[-1].bias)
    assert math.isclose(model.elbo(digits(8))[0].mean().item(), -PIXELS * math.log(2), rel_tol=1e-5)


# ---- the objective ---------------------------------------------------------------------------------------------------


def losses(model: VAE) -> dict[str, float]:
    torch.manual_seed(1)
    return {name: value.item() for name, value in model.eval().losses(digits(32)).items()}


def test_beta_weighs_the_kl_term_alone() -> None:
    one, three = losses(vae()), losses(vae(beta=3.0))
    assert math.isclose(one["loss"], one["negative_elbo"], rel_tol=1e-6)
    assert math.isclose(three["loss"], one["reconstruction"] + 3 * one["kl"], rel_tol=1e-5)
    assert three["negative_elbo"] == one["negative_elbo"]


def test_grey_images_are_binarised_and_colour_is_not() -> None:
    assert vae().likelihood == "bernoulli"
    assert VAE((3, 8, 8), widths=(8,)).likelihood == "gaussian"
    assert VAE((3, 8, 8), widths=(8,), likelihood="bernoulli").likelihood == "bernoulli"


def test_codes_are_posterior_means_and_samples_come_from_the_prior() -> None:
    model, x = vae(likelihood="continuous_bernoulli").eval(), digits(6)
    assert torch.equal(model.encode(x), model.posterior(x.flatten(1))[0])
    noise = torch.randn(5, CODE)
    assert torch.equal(model.generate(noise), model.decode(noise))
    assert torch.equal(model.decode(noise).flatten(1), continuous_mean(model.decoder(noise)))


@pytest.mark.parametrize("likelihood", ["gaussian", "continuous_bernoulli"])
def test_the_other_likelihoods_learn(likelihood: str) -> None:
    _, curves = train(vae(likelihood=likelihood, lr=1e-2), epochs=20)
    elbo = [value for _, value in curves["val/negative_elbo"]]
    assert elbo[-1] < elbo[0] - 5


@pytest.mark.parametrize("options", [{"beta": -1.0}, {"code_dim": 0}, {"beta": math.inf}])
def test_bad_options_are_refused_in_one_line(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=rf"^[^\n]*{next(iter(options))}[^\n]*$"):
        vae(**options)
