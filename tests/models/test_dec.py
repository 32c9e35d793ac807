"""Deep embedded clustering against the paper's equations and by hand; refresh, resume, what is offered."""

from pathlib import Path

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from sklearn.metrics import adjusted_rand_score
from tiny import SHAPE, TinyDigits, digits, same_weights, train
from torch import Tensor

from unsup.core.errors import UsageError, UserError
from unsup.models.dae import DAE
from unsup.models.dec import DEC, log_shares, sharpened
from unsup.runs.config import compose, resolve


def small(reconstruction_weight: float = 0.0, num_clusters: int = 10, lr: float = 1e-3) -> DEC:
    torch.manual_seed(0)
    return DEC(SHAPE, (32,), 4, num_clusters, reconstruction_weight, lr)


@pytest.fixture(scope="module")
def pretrained() -> DAE:
    torch.manual_seed(1)
    model = DAE(SHAPE, (32,), 4, level=0.2, lr=3e-3)
    train(model, TinyDigits(400), epochs=40)
    return model


@torch.no_grad()
def shares(model: DEC, x: Tensor) -> Tensor:
    return log_shares(model.encode(x), model.centres).exp()


def test_shares_are_students_t_by_hand() -> None:
    z = torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    centres = torch.tensor([[0.0, 1.0], [0.0, 0.0]])  # squared distances 1, 0; 10, 9
    q = log_shares(z, centres).exp()
    assert torch.allclose(q[0], torch.tensor([1 / 3, 2 / 3]))  # 1/2 : 1
    assert torch.allclose(q[1], torch.tensor([10 / 21, 11 / 21]))  # 1/11 : 1/10


def test_the_target_is_sharpened_and_divided_by_the_clusters_sizes_by_hand() -> None:
    q = torch.tensor([[0.8, 0.2], [0.6, 0.4]])
    p = sharpened(q, q.sum(0))  # f = 1.4, 0.6
    first = (0.64 / 1.4) / (0.64 / 1.4 + 0.04 / 0.6)
    second = (0.36 / 1.4) / (0.36 / 1.4 + 0.16 / 0.6)
    assert torch.allclose(p, torch.tensor([[first, 1 - first], [second, 1 - second]]))
    assert first > 0.8 and second < 0.5  # surer; and the large cluster gives away whom it held weakly
    assert torch.allclose(p, sharpened(q, q.mean(0)))  # sums and means say the same
    assert not torch.allclose(p, sharpened(q, torch.ones(2)), atol=0.05)


def test_the_gradient_is_that_of_the_paper() -> None:
    """Equations 4 and 5 with α = 1, for the sum over images."""
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(7, 3, generator=rng, dtype=torch.float64, requires_grad=True)
    centres = torch.randn(4, 3, generator=rng, dtype=torch.float64, requires_grad=True)
    log_q = log_shares(z, centres)
    q = log_q.detach().exp()
    p = sharpened(q, q.sum(0))
    torch.nn.functional.kl_div(log_q, p, reduction="sum").backward()
    away = z.detach()[:, None] - centres.detach()  # (N, K, D)
    pulls = 2 * ((p - q) / (1 + away.square().sum(2)))[:, :, None] * away
    assert z.grad is not None and centres.grad is not None
    assert torch.allclose(z.grad, pulls.sum(1)) and torch.allclose(centres.grad, -pulls.sum(0))


def test_the_loss_of_a_training_step_holds_the_target_still() -> None:
    model = small(num_clusters=3)
    x = digits(20)
    q = shares(model, x)
    model.frequencies.copy_(q.mean(0))
    p = sharpened(q, q.sum(0))
    expected = (p * (p / q).log()).sum(1).mean()
    assert torch.allclose(model.losses(x)["loss"], expected, rtol=1e-4)
    assert torch.allclose(model._terms(x, q)["loss"], expected, rtol=1e-4)
    other = model._terms(x, q.flip(0))["loss"]  # the index decides which target an image has
    assert other > expected


def test_the_target_comes_from_the_whole_set_at_every_start_of_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = small(lr=1e-2), TinyDigits(160)
    seen: list[tuple[int, Tensor, Tensor]] = []
    usual = DEC.training_step

    def spy(self: DEC, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        assert self.shares is not None
        if batch_idx == 0:
            q = torch.cat([shares(self, x) for x in self.training_images()])
            assert torch.allclose(self.shares, q, atol=1e-6) and torch.allclose(self.frequencies, q.mean(0))
        x, index = batch
        seen.append((batch_idx, shares(self, x), self.shares[index]))
        return usual(self, batch, batch_idx)

    monkeypatch.setattr(DEC, "training_step", spy)
    _, curves = train(model, data, epochs=3)
    for batch_idx, row, share in seen:
        assert torch.allclose(row, share, atol=1e-6) == (batch_idx == 0)  # kept still while the epoch goes on
    assert len(curves["clusters/changed"]) == 3 and all(0 <= value <= 1 for _, value in curves["clusters/changed"])
    assert curves["clusters/changed"][0][1] > 0


class StopAfterFirstEpoch(Callback):
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = True


@pytest.mark.parametrize("weight", [0.0, 10.0])
def test_a_resumed_run_ends_where_the_uninterrupted_one_does(weight: float, tmp_path: Path) -> None:
    whole, half, rest = small(weight), small(weight), small(weight)
    _, curves = train(whole, epochs=3)
    first, _ = train(half, epochs=3, callbacks=[StopAfterFirstEpoch()])
    first.save_checkpoint(tmp_path / "half.ckpt")
    _, later = train(rest, epochs=3, resume=tmp_path / "half.ckpt")
    assert same_weights(whole, rest)
    for name, curve in later.items():
        assert curve == curves[name][-len(curve) :], name  # also the share that has changed: P is derived again
    assert len(later["clusters/changed"]) == 2


@pytest.mark.parametrize("weight", [0.0, 10.0])
def test_it_grows_surer_and_loses_no_cluster(weight: float, pretrained: DAE) -> None:
    data = TinyDigits(400)
    x, labels = torch.cat(list(data.batches("train"))), data.labels("train")
    model = small(weight, lr=5e-3)
    model.initialise(pretrained.state_dict())
    model.fit(lambda: data.batches("train"))
    before, sure = adjusted_rand_score(labels, model.assign(x)), shares(model, x).max(1).values.mean()
    train(model, data, epochs=15)
    assert len(model.assign(x).unique()) == 10
    assert adjusted_rand_score(labels, model.assign(x)) > 0.9 * before > 0.4
    assert shares(model, x).max(1).values.mean() > sure + 0.1


def test_it_starts_from_an_autoencoder(pretrained: DAE) -> None:
    dec, idec = small(), small(10.0)
    centres = dec.centres.detach().clone()
    for model in (dec, idec):
        model.initialise(pretrained.state_dict())
        assert torch.equal(model.encode(digits()), pretrained.encode(digits()))
    assert torch.equal(idec.reconstruct(digits()), pretrained.reconstruct(digits()))
    assert torch.equal(dec.centres, centres) and DEC.needs_init
    with pytest.raises(UserError, match="give DEC that run's options and images"):
        dec.initialise(DAE(SHAPE, (16,), 4).state_dict())


def test_only_what_is_trained_is_offered() -> None:
    assert not hasattr(small(), "reconstruct") and not hasattr(small(), "decode") and not hasattr(small(), "decoder")
    model = small(10.0)
    assert model.reconstruct(digits(3)).shape == (3, *SHAPE) and model.decode(torch.zeros(2, 4)).shape == (2, *SHAPE)
    values = model.losses(digits())
    assert torch.allclose(values["loss"], values["kl"] + 10 * values["reconstruction"])
    assert torch.allclose(values["reconstruction"], (model.reconstruct(digits()) - digits()).square().mean())
    assert small().losses(digits()).keys() == {"loss"}


def test_centres_are_those_of_kmeans_and_repeat() -> None:
    a, b = small(), small()
    data = TinyDigits(160)
    for model in (a, b):
        model.fit(lambda: data.batches("train"))
    assert same_weights(a, b)
    z = a.encode(torch.cat(list(data.batches("train")))).detach()
    ids = torch.cdist(z, a.centres).argmin(1)
    assert torch.equal(a.assign(torch.cat(list(data.batches("train")))), ids)  # nearest is largest share
    means = torch.stack([z[ids == k].mean(0) for k in range(10)])
    assert torch.allclose(means, a.centres, atol=1e-4)
    with pytest.raises(UserError, match="too few for 200: lower model.num_clusters"):
        small(num_clusters=200).fit(lambda: data.batches("train"))


@pytest.mark.parametrize("option", [{"num_clusters": 1}, {"widths": (0,)}, {"reconstruction_weight": -1.0}])
def test_options_out_of_range_are_named(option: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(option))):
        DEC(SHAPE, **option)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", ["mnist", "digits"])
def test_the_recipes_fit_the_one_that_they_start_from(data: str) -> None:
    sizes = {}
    for recipe in ("dae_wide", "dec", "dec_improved"):
        config = resolve(compose(recipe, data))
        sizes[recipe] = [config["model"]["init_args"][key] for key in ("widths", "code_dim")]
        assert config["init_from"] == (None if recipe == "dae_wide" else "dae_wide")
        assert recipe == "dae_wide" or config["data"]["init_args"]["steps_per_call"] == 1
    assert sizes["dae_wide"] == sizes["dec"] == sizes["dec_improved"]
