"""The game over pairs: who learns in which step, what the losses are, that an inverse of G is what fools D."""

import math
from typing import Any

import pytest
import torch
from tiny import SHAPE, TinyDigits, digits, train
from torch import Tensor, nn

from unsup.core.errors import UsageError
from unsup.models.bigan import BiGAN


def bigan(**options: Any) -> BiGAN:
    torch.manual_seed(0)
    return BiGAN(SHAPE, **{"code_dim": 6, "width": 16, **options})


def weights(*networks: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for network in networks for p in network.parameters()]


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_neither_step_moves_the_other_player(monkeypatch: pytest.MonkeyPatch) -> None:
    model = bigan()
    seen: list[tuple[bool, list[Tensor], list[Tensor]]] = []
    backward = model.manual_backward

    def players() -> tuple[list[Tensor], list[Tensor]]:
        return weights(model.discriminator), weights(model.encoder, model.generator)

    def spy(loss: Tensor) -> None:
        other = [model.discriminator] if seen else [model.encoder, model.generator]
        before = [None if p.grad is None else p.grad.clone() for n in other for p in n.parameters()]
        backward(loss)
        after = [p.grad for n in other for p in n.parameters()]
        untouched = all(a is b is None or torch.equal(a, b) for a, b in zip(before, after, strict=True))
        seen.append((untouched, *players()))

    monkeypatch.setattr(model, "manual_backward", spy)
    start = players()
    train(model, TinyDigits(36), max_steps=2)  # one batch
    (no_gradient, d_before, eg_before), (frozen, d_between, eg_between) = seen
    d_after, eg_after = players()
    assert no_gradient and frozen
    assert equal(d_before, start[0]) and equal(eg_before, start[1])
    assert not equal(d_between, start[0]) and equal(eg_between, start[1])
    assert equal(d_after, d_between) and not equal(eg_after, eg_between)
    half = len(weights(model.encoder))
    assert not equal(eg_after[:half], eg_between[:half]) and not equal(eg_after[half:], eg_between[half:])
    assert all(p.requires_grad for p in model.parameters())


def test_pairs_are_an_image_with_its_code_and_a_made_image_with_its_noise() -> None:
    model, x = bigan().eval(), digits(32)
    torch.manual_seed(2)
    real, made = model.pairs(x)
    torch.manual_seed(2)
    z = torch.randn(32, 6)
    assert torch.equal(real, torch.cat([2 * x.flatten(1) - 1, model.encode(x)], 1))
    assert torch.equal(made[:, 64:], z)
    assert torch.allclose((made[:, :64] + 1) / 2, model.generate(z).flatten(1), atol=1e-6)
    assert torch.allclose(model.reconstruct(x), model.generate(model.encode(x)))


def test_losses_are_the_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    model = bigan()
    real, made = torch.tensor([[0.3], [2.0]]), torch.tensor([[-1.5], [0.7]])
    monkeypatch.setattr(model.discriminator, "forward", lambda pair: pair)
    d_loss, d_values = model.discriminate(real, made)
    eg_loss, told_then = model.deceive(real, made)
    d_real, d_made = real.sigmoid(), made.sigmoid()
    assert torch.allclose(d_loss, -(d_real.log().mean() + (1 - d_made).log().mean()) / 2)
    assert torch.allclose(eg_loss, -((1 - d_real).log().mean() + d_made.log().mean()) / 2)
    assert torch.allclose(d_values["d_real"], d_real.mean()) and torch.allclose(told_then["d_fake"], d_made.mean())


def test_d_tells_an_inverse_from_none_by_the_pairs_alone() -> None:
    """Images are G's own: only their codes can give them away, and those of an inverse do not."""
    z, matrix = torch.randn(4096, 6, generator=torch.Generator().manual_seed(0)), torch.eye(6, 64)
    losses = {}
    for inverse in (True, False):
        model = bigan(width=64)
        images, other = (torch.tanh(part @ matrix) for part in z.chunk(2))
        codes = z[:2048] if inverse else z[:2048].roll(1, 0)  # of another image: as normal, and wrong
        optimizer = torch.optim.Adam(model.discriminator.parameters(), lr=3e-3)
        for step in range(150):
            at = torch.arange(256) + 256 * (step % 8)
            pairs = torch.cat([images[at], codes[at]], 1), torch.cat([other[at], z[2048:][at]], 1)
            optimizer.zero_grad()
            loss, _ = model.discriminate(*pairs)
            loss.backward()
            optimizer.step()
        losses[inverse] = loss.item()
    assert losses[False] < 0.2 < 0.4 < losses[True]


def test_the_start_and_the_decay_of_weights() -> None:
    model = bigan(width=64)
    values = model.losses(digits(64))
    assert values["d_loss"].item() == pytest.approx(math.log(2), abs=0.1)
    assert values["eg_loss"].item() == pytest.approx(math.log(2), abs=0.1)
    d_optimizer, eg_optimizer = model.configure_optimizers()
    for optimizer in (d_optimizer, eg_optimizer):
        matrices, others = optimizer.param_groups
        assert matrices["weight_decay"] == 2.5e-5 and others["weight_decay"] == 0 and matrices["betas"][0] == 0.5
        assert all(p.ndim == 2 for p in matrices["params"]) and all(p.ndim == 1 for p in others["params"])
    owned = [id(p) for o in (d_optimizer, eg_optimizer) for group in o.param_groups for p in group["params"]]
    assert sorted(owned) == sorted(id(p) for p in model.parameters())


def test_curves_count_batches_and_hold_the_game() -> None:
    model = bigan()
    trainer, curves = train(model, epochs=2)  # 5 batches each
    assert trainer.global_step == 20 and model.iteration == 10
    assert [step for step, _ in curves["train/d_loss"]] == list(range(10))
    assert {step for step, _ in curves["val/eg_loss"]} == {5, 10}


@pytest.mark.slow
def test_the_codes_learn_to_invert() -> None:
    """G(E(x)) comes nearer to x than to other images, although no loss compares them."""
    model, x = bigan(code_dim=8, width=128, lr=1e-3), digits(400)
    train(model, TinyDigits(800, batch_size=64), epochs=60)
    with torch.no_grad():
        made = model.eval().reconstruct(x)
    own, other = (made - x).square().mean(), (made - x.roll(7, 0)).square().mean()
    assert own < 0.8 * other
    images = model.sample(3)
    assert images.shape == (3, *SHAPE) and images.min() >= 0 and images.max() <= 1


@pytest.mark.parametrize("bad", [{"width": 0}, {"code_dim": 0}, {"lr": 0.0}], ids=str)
def test_a_bad_option_is_one_line(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=rf"^model\.[^\n]*{next(iter(bad))}[^\n]*$"):
        bigan(**bad)
