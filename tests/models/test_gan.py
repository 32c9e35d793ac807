"""The adversarial game: who learns in which step, what the losses are, and that looking at images changes nothing."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny import SHAPE, TinyDigits, digits, same_weights, train
from torch import Tensor, nn

from unsup.core.errors import UsageError
from unsup.models.gan import GAN, build_generator, ema_step_size
from unsup.models.parts.layers import keep_statistics, move_towards


def gan(shape: tuple[int, int, int] = SHAPE, **options: Any) -> GAN:
    torch.manual_seed(0)
    return GAN(shape, **{"noise_dim": 8, "width": 8, **options})


def weights(network: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in network.parameters()]


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# ---- shapes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 33, 47)])
def test_images_of_any_size(shape: tuple[int, int, int]) -> None:
    model = gan(shape).eval()
    images = model.sample(3)
    assert images.shape == (3, *shape) and images.min() >= 0 and images.max() <= 1
    assert model.discriminator(images).shape == (3,)


def test_codes_are_all_maps_pooled_to_4_by_4() -> None:
    model, x = gan((1, 28, 28), width=32).eval(), torch.rand(2, 1, 28, 28)
    maps = model.discriminator.maps(2 * x - 1)
    assert [tuple(m.shape[1:]) for m in maps] == [(32, 14, 14), (64, 7, 7), (128, 4, 4)]
    z = model.encode(x)
    assert z.shape == (2, (32 + 64 + 128) * 16)
    assert torch.equal(z, torch.cat([F.adaptive_max_pool2d(m, 4).flatten(1) for m in maps], 1))
    assert torch.equal(z, torch.cat(list(model.layers(x).values()), 1))
    assert gan().eval().encode(digits(2)).shape == (2, 8 * 16 + 16 * 4)  # maps of 4 x 4 and 2 x 2


def test_a_code_of_a_stated_size_is_a_projection_that_all_seeds_share() -> None:
    x = digits(200)
    model = gan(code_dim=12).eval()
    full = gan().eval().encode(x)
    assert model.encode(x).shape == (200, 12)
    assert torch.allclose(model.encode(x), full @ model.projection)
    torch.manual_seed(7)
    assert torch.equal(GAN(SHAPE, width=8, code_dim=12).projection, model.projection)
    wide = gan(code_dim=190).eval().encode(x)  # distances are kept (Johnson & Lindenstrauss)
    ratio = torch.pdist(wide) / torch.pdist(full)
    assert abs(ratio.mean() - 1) < 0.05 and ratio.std() < 0.1


# ---- the two steps ---------------------------------------------------------------------------------------------------


def test_d_step_leaves_g_without_gradient_and_g_step_leaves_d_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = gan()
    before = {"d": weights(model.discriminator), "g": weights(model.generator)}
    seen: list[tuple[list[bool], list[Tensor], list[Tensor]]] = []
    backward = model.manual_backward

    def spy(loss: Tensor) -> None:
        backward(loss)
        other = model.discriminator if seen else model.generator
        untouched = [not p.requires_grad if seen else p.grad is None for p in other.parameters()]
        seen.append((untouched, weights(model.discriminator), weights(model.generator)))

    monkeypatch.setattr(model, "manual_backward", spy)
    train(model, TinyDigits(36), max_steps=2)  # one batch
    (no_gradient, d_before, g_before), (frozen, d_between, g_between) = seen
    assert all(no_gradient) and all(frozen)
    assert equal(d_before, before["d"]) and equal(g_before, before["g"])
    assert not equal(d_between, before["d"]) and equal(g_between, before["g"])
    assert equal(weights(model.discriminator), d_between) and not equal(weights(model.generator), g_between)
    assert all(p.requires_grad for p in [*model.discriminator.parameters(), *model.generator.parameters()])


def test_g_step_gives_d_no_gradient() -> None:
    model = gan()
    model.discriminator.requires_grad_(False)
    model.deceive(model.fake_images(8))[0].backward()
    assert all(p.grad is None for p in model.discriminator.parameters())
    assert all(p.grad is not None and p.grad.any() for p in model.generator.parameters())


def test_curves_count_batches_and_hold_the_game() -> None:
    model = gan()
    trainer, curves = train(model, epochs=2)  # 5 steps each
    assert trainer.global_step == 20 and model.iteration == 10
    assert [step for step, _ in curves["train/d_loss"]] == list(range(10))
    assert {step for step, _ in curves["val/g_loss"]} == {5, 10}
    for name in ("loss", "d_loss", "g_loss", "log_d_real", "d_fake", "grad_norm_d", "grad_norm_g"):
        assert all(math.isfinite(value) for _, value in curves[f"train/{name}"]), name
    assert all(value > 0 for name in ("d", "g") for _, value in curves[f"train/grad_norm_{name}"])


# ---- losses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_at_the_start_nobody_knows_anything(norm: Any) -> None:
    model = gan((1, 28, 28), width=32, norm=norm)
    values = model.losses(torch.rand(64, 1, 28, 28))
    for name in ("d_loss", "g_loss"):
        assert abs(values[name].item() - math.log(2)) < 0.15, name
    assert abs(values["d_fake"].item() - 0.5) < 0.1


@pytest.mark.parametrize("objective", ["nonsaturating", "minimax", "hinge"])
def test_objectives_are_the_formulas(objective: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = gan(objective=objective)
    real, fake = torch.tensor([0.3, 2.0]), torch.tensor([-1.5, 0.7])
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    answers = iter([real, fake, fake])
    monkeypatch.setattr(model.discriminator, "forward", lambda x: next(answers))
    d_loss, _ = model.discriminate(digits(2), digits(2))
    g_loss, values = model.deceive(digits(2))
    value = d_real.log().mean() + (1 - d_fake).log().mean()
    expected = {
        "nonsaturating": (-value / 2, -d_fake.log().mean()),
        "minimax": (-value / 2, (1 - d_fake).log().mean()),
        "hinge": (((1 - real).clamp(min=0) + (1 + fake).clamp(min=0)).mean() / 2, -fake.mean()),
    }[objective]
    assert torch.allclose(d_loss, expected[0]) and torch.allclose(g_loss, expected[1])
    assert torch.allclose(values["d_fake"], d_fake.mean())


def test_label_smoothing_is_one_sided(monkeypatch: pytest.MonkeyPatch) -> None:
    model = gan(label_smoothing=0.1)
    real, fake = torch.tensor([0.3, 2.0]), torch.tensor([-1.5, 0.7])
    answers = iter([real, fake])
    monkeypatch.setattr(model.discriminator, "forward", lambda x: next(answers))
    d = real.sigmoid()
    smoothed = -(0.9 * d.log() + 0.1 * (1 - d).log()).mean() - (1 - fake.sigmoid()).log().mean()
    assert torch.allclose(model.discriminate(digits(2), digits(2))[0], smoothed / 2)


def test_d_can_learn_one_batch_by_heart() -> None:
    model, x = gan(), digits(32)
    made = model.fake_images(32).detach()
    optimizer = model.configure_optimizers()[0]
    curve = []
    for _ in range(150):
        loss, _ = model.discriminate(x, made)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    assert curve[-1] < 0.3 * curve[0]


# ---- looking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"ema": 0.9}, {"norm": "spectral"}])
def test_sampling_changes_nothing(options: dict[str, Any]) -> None:
    model = gan(**options).train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    images = model.sample(20)
    assert not images.requires_grad
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    noise = torch.randn(6, 8)
    model.eval()
    alone = torch.cat([model.generate(z[None]) for z in noise])
    assert torch.allclose(model.generate(noise), alone, atol=1e-5)  # the batch has no say: gathered statistics


def test_the_average_follows_g_and_is_what_is_sampled() -> None:
    model = gan(ema=0.9)
    averaged = model.averaged
    assert averaged is not None and not any(p.requires_grad for p in averaged.parameters())
    train(model, epochs=2)
    assert not same_weights(averaged, model.generator)
    torch.manual_seed(3)
    images = model.sample(2)
    torch.manual_seed(3)
    model.eval()
    assert torch.allclose(images, (averaged(torch.randn(2, 8)) + 1) / 2)


@pytest.mark.parametrize("decay", [0.2, 0.999])
def test_the_average_is_the_recursion_with_a_decay_that_rises(decay: float) -> None:
    network, average = build_generator(SHAPE, 8, 4), build_generator(SHAPE, 8, 4)
    expected = 0.0
    for n, value in enumerate((4.0, 8.0, 0.0, 6.0)):
        for p in network.parameters():
            p.data.fill_(value)
        share = ema_step_size(n + 1, decay)
        move_towards(average.state_dict().values(), network.state_dict().values(), share)
        assert share == pytest.approx(1 - min(decay, (1 + n) / (10 + n)) if n else 1)  # the first update copies
        expected = (1 - share) * expected + share * value
        for p in average.parameters():
            assert torch.allclose(p, torch.tensor(expected)), n
    for ours, theirs in zip(average.buffers(), network.buffers(), strict=True):
        assert ours.dtype == theirs.dtype


def test_batch_norm_keeps_real_images_statistics_and_the_default_eps() -> None:
    model = gan()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and all(m.eps == nn.BatchNorm2d(1).eps for m in norms)
    ours, reference = gan(), gan()
    x = digits(32)
    ours.discriminate(x, ours.fake_images(32).detach())
    with keep_statistics(ours.discriminator):
        ours.deceive(ours.fake_images(32))
    reference.discriminator(2 * x - 1)
    kept = dict(ours.discriminator.named_buffers())
    assert all(torch.equal(kept[name], value) for name, value in reference.discriminator.named_buffers())


def test_spectral_norm_replaces_batch_norm_and_bounds_every_layer() -> None:
    model = gan(norm="spectral")
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.discriminator.modules())
    train(model, epochs=3)
    model.eval()
    for module in model.discriminator.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            largest = torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2)
            assert largest.item() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"noise_dim": 0}, "model.noise_dim is 0"),
        ({"ema": 1.0}, "model.ema is 1.0"),
        ({"objective": "hinge", "label_smoothing": 0.1}, "does not go with the hinge objective"),
        ({"code_dim": 193}, "model.code_dim is 193: these feature maps have 192 entries"),
        ({"norm": "layer"}, "model.norm is 'layer': choose one of batch, spectral"),
        ({"shape": (1, 7, 28)}, "images of 7 x 28 are too small for gan's strides: 8 x 8 at least"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=rf"^[^\n]*{named}[^\n]*$"):
        gan(**options)


SEEDS = [pytest.param(0, marks=pytest.mark.slow), *(pytest.param(s, marks=pytest.mark.nightly) for s in range(1, 5))]


@pytest.mark.parametrize("seed", SEEDS)
def test_digits_do_not_collapse(seed: int) -> None:
    torch.manual_seed(seed)
    model = GAN(SHAPE, width=16, label_smoothing=0.1, ema=0.99)
    model.seed = seed
    _, curves = train(model, TinyDigits(1200, batch_size=64), epochs=40, log_every_n_steps=10)
    for name, curve in curves.items():
        assert all(math.isfinite(value) for _, value in curve), name
    images, real = model.sample(200).flatten(1), digits(200).flatten(1)
    spread = torch.pdist(images).mean() / torch.pdist(real).mean()
    assert 0.6 < spread < 1.3  # images of one kind would be near 0
    assert (images.mean(0) - real.mean(0)).abs().mean() < 0.1
