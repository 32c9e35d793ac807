"""Both stages of the deep belief network: contrastive divergence learns a distribution, unrolling keeps its weights."""

from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny import SHAPE, TinyDigits, digits, same_weights, train
from torch import Tensor, nn

from unsup.core.errors import UserError
from unsup.models import dbn
from unsup.models.dbn import DBN, RBM


def model(**options: Any) -> DBN:
    torch.manual_seed(0)
    return DBN(SHAPE, **{"widths": (32, 16), "code_dim": 4, "pretrain_epochs": 3, **options})


def rbm(visible: int, hidden: int, linear: bool = False) -> RBM:
    torch.manual_seed(0)
    up, down = nn.Linear(visible, hidden), nn.Linear(hidden, visible)
    for p in (*up.parameters(), *down.parameters()):
        nn.init.normal_(p, std=0.5)
    return RBM(up, down, linear)


# ---- one machine -----------------------------------------------------------------------------------------------------


def states(n: int) -> Tensor:
    """All binary vectors of n units (2^n, n)."""
    return torch.tensor(list(product((0.0, 1.0), repeat=n)))


def joint(machine: RBM) -> Tensor:
    """log p(v, h) (2^V, 2^H) of a machine with logistic units, by enumeration."""
    v, h = (states(n) for n in machine.weight.shape[::-1])
    energies = h @ machine.weight @ v.T + (h @ machine.hidden_bias)[:, None] + v @ machine.visible_bias
    return energies.T - energies.logsumexp((0, 1))


def test_conditionals_are_those_of_the_joint_distribution() -> None:
    machine = rbm(5, 3)
    p = joint(machine).exp()
    hidden = (p / p.sum(1, keepdim=True)) @ states(3)
    visible = (p / p.sum(0)).T @ states(5)
    assert torch.allclose(machine.hidden(states(5)), hidden, atol=1e-5)
    assert torch.allclose(machine.visible(states(3)), visible, atol=1e-5)


def test_contrastive_divergence_raises_the_likelihood_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    data = states(3).repeat_interleave(2, 1)  # pairs of units agree: 8 of the 64 states
    at = [(states(6) == v).all(1).nonzero().item() for v in data]
    monkeypatch.setattr(dbn, "WEIGHT_COST", 0.0)
    machine = rbm(6, 6)
    before = joint(machine).logsumexp(1)[at].mean().item()
    with torch.no_grad():
        for _ in range(600):
            machine.train(data.repeat(12, 1), 0.5)
    after = joint(machine).logsumexp(1)[at].mean().item()
    assert before < -4 and after > -2.6  # the best is log 1/8 = -2.08, all states alike -4.16


def test_contrastive_divergence_is_still_where_data_and_model_agree() -> None:
    """With W = 0 units are independent: data drawn from c need no change of W and c, on average."""
    machine = rbm(4, 3)
    machine.weight.zero_()
    v = (torch.rand(200_000, 4) < machine.visible_bias.sigmoid()).float()
    with torch.no_grad():
        (weight, hidden, visible), once_removed = machine.divergence(v)
    assert max(weight.abs().max(), visible.abs().max()) < 0.005 and hidden.abs().max() == 0
    assert torch.allclose(once_removed, machine.visible_bias.sigmoid().expand_as(v))


def test_a_step_is_its_formula() -> None:
    """Two steps with momentum, decay on the weights alone."""
    machine, v = rbm(5, 3), states(5)
    expected = [p.clone() for p in machine.parameters()]
    velocities = [torch.zeros_like(p) for p in expected]
    with torch.no_grad():
        torch.manual_seed(4)
        for _ in range(2):
            batch = v[torch.randperm(len(v))]
            w, b, c = expected
            h = (batch @ w.T + b).sigmoid()
            v1 = ((torch.rand_like(h) < h).float() @ w + c).sigmoid()
            h1 = (v1 @ w.T + b).sigmoid()
            moves = ((h.T @ batch - h1.T @ v1) / 32 - 0.0002 * w, (h - h1).mean(0), (batch - v1).mean(0))
            velocities = [0.9 * old + 0.1 * move for old, move in zip(velocities, moves, strict=True)]
            expected = [p + velocity for p, velocity in zip(expected, velocities, strict=True)]
        torch.manual_seed(4)
        errors = [machine.train(v, 0.9) for _ in range(2)]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(machine.parameters(), expected, strict=True))
    assert errors[1] == pytest.approx((batch - v1).square().sum(1).mean().item(), rel=1e-4)


def test_linear_units_have_noise_of_variance_1_around_their_mean() -> None:
    machine, mean = rbm(5, 3, linear=True), torch.full((40_000, 3), 2.5)
    v = states(5)
    assert torch.allclose(machine.hidden(v), F.linear(v, machine.weight, machine.hidden_bias))
    drawn = machine.draw(mean)
    assert abs(drawn.mean() - 2.5) < 0.02 and abs(drawn.std() - 1) < 0.02
    assert set(rbm(5, 3).draw(torch.full((100, 3), 0.5)).unique().tolist()) == {0.0, 1.0}


# ---- the stack -------------------------------------------------------------------------------------------------------


def test_unrolled_weights_are_those_of_machines_trained_one_on_the_other() -> None:
    ours, x = model(), digits(160)
    torch.manual_seed(5)
    ours.fit(lambda: iter(x.split(50)))
    torch.manual_seed(0)
    sizes = [(64, 32), (32, 16), (16, 4)]
    twin, v = DBN(SHAPE, widths=(32, 16), code_dim=4), x.flatten(1)
    down_of = [nn.Linear(hidden, visible) for visible, hidden in sizes]
    torch.manual_seed(5)
    with torch.no_grad():
        for i in range(3):
            machine = RBM(twin.encoder[i], down_of[i], linear=i == 2)
            machine.visible_bias.zero_()
            for _ in range(3):
                machine.train(v, 0.5)
            up, down = ours.encoder[i], ours.decoder[2 - i]
            assert torch.equal(up.weight, machine.weight) and torch.equal(down.weight, machine.weight.T)
            assert torch.equal(up.bias, machine.hidden_bias) and torch.equal(down.bias, machine.visible_bias)
            v = machine.hidden(v)
    assert torch.equal(ours.encode(x), v)


def test_the_momentum_rises_after_the_first_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    monkeypatch.setattr(RBM, "train", lambda self, v, momentum: seen.append(momentum) or 0.0)
    model(widths=(8,), pretrain_epochs=7).fit(lambda: iter([digits(16)]))
    assert seen == 2 * [0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9]


def test_without_epochs_or_after_another_run_nothing_is_pre_trained() -> None:
    ours, started = model(pretrain_epochs=0), model()
    started.initialise(model().state_dict())
    for untouched in (ours, started):
        untouched.fit(lambda: iter([digits(32)]))
        assert same_weights(untouched, model())


def test_pre_training_is_logged_and_helps() -> None:
    ends = {}
    for epochs in (0, 40):
        _, curves = train(model(pretrain_epochs=epochs, lr=3e-3), TinyDigits(400), epochs=15)
        ends[epochs] = curves["val/reconstruction"][-1][1]
    assert [step for step, _ in curves["pretrain/layer_3"]] == list(range(-39, 1))  # before the first step
    assert curves["pretrain/layer_1"][-1][1] < 0.7 * curves["pretrain/layer_1"][0][1]
    assert ends[40] < 0.8 * ends[0]


def test_the_loss_is_the_cross_entropy_and_the_squared_error_stands_beside_it() -> None:
    ours, x = model(), digits(16)
    made, values = ours.reconstruct(x), ours.losses(x)
    cross = -(x * made.log() + (1 - x) * (1 - made).log()).sum() / 16
    assert values["loss"].item() == pytest.approx(cross.item(), rel=1e-4)
    assert values["reconstruction"].item() == pytest.approx((made - x).square().sum().item() / 16, rel=1e-4)
    shapes = {name: tuple(h.shape) for name, h in ours.layers(x).items()}
    assert shapes == {"hidden_1": (16, 32), "hidden_2": (16, 16)}
    assert made.min() > 0 and made.max() < 1


def test_machines_that_diverge_end_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbn, "CODE_RATE", 1e3)
    with pytest.raises(UserError, match=r"^the weights of layer 3 grew without bound: lower model.pretrain_epochs$"):
        model(pretrain_epochs=20).fit(lambda: iter([digits(160)]))


@pytest.mark.parametrize("bad", [{"widths": ()}, {"widths": (8, 0)}, {"code_dim": 0}, {"pretrain_epochs": -1}], ids=str)
def test_a_bad_option_is_one_line(bad: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=rf"^model\.[^\n]*{next(iter(bad))}[^\n]*$"):
        model(**bad)
