"""BYOL: the loss and the moving average by hand, and which side learns."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny import SHAPE, TinyDigits, digits, train
from torch import Tensor

from unsup.core.errors import UsageError
from unsup.models.byol import BYOL, decay_at, squared_distance


def small(**options: Any) -> BYOL:
    torch.manual_seed(0)
    return BYOL(SHAPE, "digits", **{"width": 2, "hidden": 16, "embedding": 8, **options})


def online(model: BYOL) -> list[Tensor]:
    return [p.detach().clone() for p in (*model.backbone.parameters(), *model.projector.parameters())]


def test_the_distance_is_that_of_rows_of_length_one() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(5, 3), torch.randn(5, 3)
    rows = [(x / x.norm() - y / y.norm()).square().sum().item() for x, y in zip(a, b, strict=True)]
    assert squared_distance(a, b).item() == pytest.approx(sum(rows) / 5, rel=1e-5)
    assert squared_distance(a, 3 * a).item() == pytest.approx(0, abs=1e-6)
    assert squared_distance(a, -a).item() == pytest.approx(4, rel=1e-5)


class Echo(torch.nn.Module):
    """What it is given, pixel by pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def test_each_view_predicts_the_other_one() -> None:
    """With networks that pass pixels on, L is the distance of the two views, twice."""
    model, x = small(), digits(6)
    x1, x2 = x, x.roll(1, 0)
    model.views = lambda x: (x1, x2)  # type: ignore[method-assign]
    model.backbone = model.target = Echo()  # type: ignore[assignment]
    model.projector = model.predictor = torch.nn.Identity()  # type: ignore[assignment]
    cosine = [(a.flatten() @ b.flatten() / a.norm() / b.norm()).item() for a, b in zip(x1, x2, strict=True)]
    assert model.losses(x)["loss"].item() == pytest.approx(4 - 4 * sum(cosine) / 6, rel=1e-4)
    model.views = lambda x: (x1, x1)  # type: ignore[method-assign]
    assert model.losses(x)["loss"].item() == pytest.approx(0, abs=1e-5)


def test_the_decay_rises_from_the_first_to_one() -> None:
    assert decay_at(0, 100, 0.9) == pytest.approx(0.9)
    assert decay_at(50, 100, 0.9) == pytest.approx(0.95)
    assert decay_at(25, 100, 0.9) == pytest.approx(1 - 0.1 * (1 + math.sqrt(0.5)) / 2)
    assert decay_at(100, 100, 0.9) == 1


def test_the_target_starts_as_a_copy_and_follows_by_the_formula() -> None:
    model = small()
    assert all(torch.equal(a, b) for a, b in zip(model.target.parameters(), online(model), strict=True))
    for p in (*model.backbone.parameters(), *model.projector.parameters()):
        p.data += 1
    before = [p.clone() for p in model.target.parameters()]
    model.follow(0.75)
    for now, was, theirs in zip(model.target.parameters(), before, online(model), strict=True):
        assert torch.allclose(now, 0.75 * was + 0.25 * theirs, atol=1e-6)


def test_only_the_online_side_gets_gradients_and_is_optimised() -> None:
    model = small()
    model.losses(digits(16))["loss"].backward()
    for name, p in model.named_parameters():
        assert (p.grad is None) == name.startswith("target."), name
        assert p.requires_grad != name.startswith("target."), name
    trainer, _ = train(model, epochs=1)
    held = {id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]}
    assert held == {id(p) for name, p in model.named_parameters() if not name.startswith("target.")}


@pytest.mark.parametrize("steps_per_call", [1, 2])
def test_the_target_follows_every_step_with_the_decay_of_its_number(steps_per_call: int) -> None:
    """Replayed from the online weights after each step."""
    model, seen = small(decay=0.5), []
    follow = model.follow
    averages = [p.detach().clone() for p in model.target.parameters()]

    def watched(decay: float) -> None:
        seen.append((decay, online(model)))
        follow(decay)

    model.follow = watched  # type: ignore[method-assign]
    train(model, TinyDigits(batch_size=32, steps_per_call=steps_per_call), epochs=2)
    assert [decay for decay, _ in seen] == pytest.approx([decay_at(i, len(seen), 0.5) for i in range(len(seen))])
    assert len(seen) == model.trainer.global_step > 4
    for decay, weights in seen:
        averages = [decay * ours + (1 - decay) * theirs for ours, theirs in zip(averages, weights, strict=True)]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(averages, model.target.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(averages, online(model), strict=True))


def test_a_target_that_never_follows_stays_as_it_was() -> None:
    model = small(decay=1.0)
    before = [p.clone() for p in model.target.parameters()]
    train(model)
    assert all(torch.equal(a, b) for a, b in zip(model.target.parameters(), before, strict=True))


@pytest.mark.parametrize("complete", [True, False])
def test_projections_collapse_without_predictor_and_average(complete: bool) -> None:
    """Mean cosine between different images: .28 against .92 where the network is its own target (section 5)."""
    model = small(width=4)
    if not complete:
        follow, model.predictor = model.follow, torch.nn.Identity()  # type: ignore[assignment]
        model.follow = lambda decay: follow(0.0)  # type: ignore[method-assign]
    train(model, TinyDigits(320, batch_size=64), epochs=12)
    model.eval()
    with torch.no_grad():
        z = F.normalize(model.layers(digits(200))["projection"], dim=1)
    assert ((z @ z.T).mean() < 0.5) == complete and ((z @ z.T).mean() > 0.8) != complete


@pytest.mark.parametrize("option", [{"hidden": 0}, {"embedding": 0}, {"decay": -0.1}, {"decay": 1.5}, {"width": 0}])
def test_options_outside_their_range_are_named(option: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"model.{next(iter(option))} is"):
        BYOL(SHAPE, "digits", **option)  # type: ignore[arg-type]
