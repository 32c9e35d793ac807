"""The ladder network: three passes by hand, what the combinator starts as, what each λ reaches, no collapse."""

from typing import Any

import pytest
import torch
from tiny import SHAPE, digits, train
from torch import Tensor

from unsup.core.errors import UserError
from unsup.models.ladder import Combinator, Ladder, standardised


def ladder(**options: Any) -> Ladder:
    torch.manual_seed(0)
    return Ladder(SHAPE, **{"widths": (32, 16), "code_dim": 4, "layer_weights": (10.0, 1.0, 0.5, 0.1), **options})


def disturbed(model: Ladder) -> Ladder:
    """All parameters away from where they start."""
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn_like(p)
    return model


def normalised(z: Tensor) -> Tensor:
    return torch.nn.functional.batch_norm(z, None, None, training=True)


# ---- the combinator --------------------------------------------------------------------------------------------------


def test_a_combinator_starts_as_the_noisy_value_itself() -> None:
    z, u = torch.randn(20, 7), torch.randn(20, 7)
    assert torch.equal(Combinator(7)(z, u), z)


def test_a_combinator_is_its_formula() -> None:
    z, u, g = torch.randn(20, 7), torch.randn(20, 7), Combinator(7)
    torch.nn.init.normal_(g.mean)
    torch.nn.init.normal_(g.share)
    mean, share = (a[0] * torch.sigmoid(a[1] * u + a[2]) + a[3] * u + a[4] for a in (g.mean, g.share))
    assert torch.allclose(g(z, u), (z - mean) * share + mean, atol=1e-5)


def test_a_combinator_learns_the_best_estimate_of_a_gaussian() -> None:
    """z of variance 4 around u, noise of variance 1: the best estimate is u + 0.8 (z̃ - u), its error 0.8."""
    torch.manual_seed(0)
    u = torch.randn(20_000, 1)
    z = u + 2 * torch.randn_like(u)
    noisy, g = z + torch.randn_like(z), Combinator(1)
    optimizer = torch.optim.Adam(g.parameters(), lr=0.03)
    for _ in range(200):
        optimizer.zero_grad()
        loss = (g(noisy, u) - z).square().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() == pytest.approx((u + 0.8 * (noisy - u) - z).square().mean().item(), rel=0.01)
    at = torch.tensor([[-1.0], [0.0], [1.0]])
    assert torch.allclose(g(at + 1.0, at), at + 0.8, atol=0.05)


# ---- passes and loss -------------------------------------------------------------------------------------------------


def test_the_three_passes_and_the_loss_by_hand() -> None:
    model, x = disturbed(ladder()), digits(64)
    torch.manual_seed(3)
    values = model.losses(x)
    w, v, beta, g = model.up, model.down, model.shifts, model.combinators
    x = x.flatten(1)
    z1 = x @ w[0].weight.T
    z2 = (normalised(z1) + beta[0]).relu() @ w[1].weight.T
    z3 = (normalised(z2) + beta[1]).relu() @ w[2].weight.T

    torch.manual_seed(3)
    n0 = x + 0.3 * torch.randn(64, 64)
    n1 = normalised(n0 @ w[0].weight.T) + 0.3 * torch.randn(64, 32)
    n2 = normalised((n1 + beta[0]).relu() @ w[1].weight.T) + 0.3 * torch.randn(64, 16)
    n3 = normalised((n2 + beta[1]).relu() @ w[2].weight.T) + 0.3 * torch.randn(64, 4)
    e3 = g[3](n3, normalised(n3))
    e2 = g[2](n2, normalised(e3 @ v[2].weight.T))
    e1 = g[1](n1, normalised(e2 @ v[1].weight.T))
    e0 = g[0](n0, normalised(e1 @ v[0].weight.T))

    terms = [(e0 - x).square().sum() / 64 / 64]
    for z, e, width in ((z1, e1, 32), (z2, e2, 16), (z3, e3, 4)):
        scale = (z.var(0, correction=0) + 1e-5).sqrt()
        by_paper = ((e - z.mean(0)) / scale - (z - z.mean(0)) / scale).square().sum() / 64 / width
        terms.append(by_paper)
    for i, term in enumerate(terms):
        assert values[f"denoising_{i}"].item() == pytest.approx(term.item(), rel=1e-3), i
    expected = 10 * terms[0] + terms[1] + 0.5 * terms[2] + 0.1 * terms[3]
    assert values["loss"].item() == pytest.approx(expected.item(), rel=1e-3)


def test_without_noise_the_noisy_encoder_is_the_clean_one() -> None:
    model, x = disturbed(ladder(noise=0.0)), digits(32)
    clean, noisy = model._clean(x), model._noisy(x)
    assert torch.equal(clean[0], noisy[0])
    for z, z_noisy in zip(clean[1:], noisy[1:], strict=True):
        assert torch.allclose(standardised(z), z_noisy, atol=1e-4)
    assert ladder(noise=0.0).losses(x)["denoising_0"] == 0  # nothing to remove, and it starts by removing nothing


def test_noise_is_drawn_in_losses_only_and_at_every_layer() -> None:
    model, x = ladder(noise=0.5), digits(400)
    differences = [a - b for a, b in zip(model._noisy(x), ladder(noise=0.0)._noisy(x), strict=True)]
    assert differences[0].std().item() == pytest.approx(0.5, rel=0.03)
    assert all(d.std() > 0.5 for d in differences[1:])  # its own noise, and that of the layers below
    model.eval()
    assert torch.equal(model.encode(x), model.encode(x))
    assert not torch.equal(model.losses(x)["loss"], model.losses(x)["loss"])


def test_statistics_that_are_kept_are_those_of_clean_images() -> None:
    model, x = ladder(noise=2.0), digits(32)
    model.losses(x)
    z = x.flatten(1) @ model.up[0].weight.T
    assert torch.allclose(model.norms[0].running_mean, 0.1 * z.mean(0), atol=1e-6)
    assert torch.allclose(model.norms[0].running_var, 0.9 + 0.1 * z.var(0), atol=1e-5)


def test_each_weight_reaches_its_layer_and_what_lies_under_it() -> None:
    """λ of one layer alone: no decoder below it learns."""
    for i in range(4):
        model = disturbed(ladder(layer_weights=tuple(float(i == j) for j in range(4))))
        model.losses(digits(32))["loss"].backward()
        learns = [g.mean.grad is not None and bool(g.mean.grad.any()) for g in model.combinators]
        assert learns == [j >= i for j in range(4)]
    model = disturbed(ladder(layer_weights=(1.0, 0.0, 0.0, 0.0)))  # the ablation: all of it learns from the pixels
    model.losses(digits(32))["loss"].backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_targets_are_scale_free() -> None:
    """An error counts in units of its layer: larger weights W^1, and an estimate that follows them, change no term."""
    model, x = ladder(noise=0.1), digits(64)
    torch.manual_seed(1)
    before = model.losses(x)
    with torch.no_grad():
        model.up[0].weight *= 10
        model.combinators[1].share[4] *= 10  # ẑ^1 = 10 z̃^1
    torch.manual_seed(1)
    after = model.losses(x)
    for name, value in before.items():
        assert after[name].item() == pytest.approx(value.item(), rel=1e-2), name


def test_training_denoises_every_layer_and_does_not_collapse() -> None:
    model = ladder(lr=1e-2)
    _, curves = train(model, epochs=30)
    for i in range(4):
        curve = [value for _, value in curves[f"train/denoising_{i}"]]
        assert curve[-1] < 0.9 * curve[0], i
    z = model.eval().encode(digits(160))
    assert torch.linalg.svdvals(z - z.mean(0)).min() > 1.0
    assert not hasattr(model, "reconstruct") and not hasattr(model, "decode")


@pytest.mark.parametrize(
    "bad",
    [
        {"widths": ()},
        {"widths": (8, 0)},
        {"code_dim": 0},
        {"noise": -0.1},
        {"noise": float("nan")},
        {"layer_weights": (1.0, 1.0)},
        {"layer_weights": (1.0, 1.0, -1.0, 0.0)},
    ],
    ids=str,
)
def test_a_bad_option_is_one_line(bad: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=rf"^model\.[^\n]*{next(iter(bad))}[^\n]*$"):
        ladder(**bad)
