"""The layer-wise loss: what its terms are, what it is without them, how the literal formula fails."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from tiny import SHAPE, TinyDigits, digits, train
from torch import Tensor, nn

from unsup.core.errors import UserError
from unsup.models.deep_ae import DeepAE

LITERAL = {"target": "joint", "normalise": "none"}
SOUND = {"target": "detach", "normalise": "batch", "batch_norm": True, "noise": 0.3, "layer_noise": 0.3}


def deep_ae(**kwargs: Any) -> DeepAE:
    torch.manual_seed(0)
    return DeepAE(SHAPE, **{"widths": (32, 16, 8), "code_dim": 4, **kwargs})


def test_without_layer_terms_it_is_a_plain_autoencoder_bit_for_bit() -> None:
    model = deep_ae(widths=(32, 16), batch_norm=True, activation="gelu", output="sigmoid", lr=0.01)
    torch.manual_seed(0)
    plain = nn.Sequential(
        *(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.GELU(), nn.Linear(32, 16), nn.BatchNorm1d(16), nn.GELU()),
        nn.Linear(16, 4),
        *(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.GELU(), nn.Linear(16, 32), nn.BatchNorm1d(32), nn.GELU()),
        *(nn.Linear(32, 64), nn.Sigmoid()),
    )
    trainer, curves = train(model, data := TinyDigits(), epochs=4)
    assert trainer.global_step == 20

    optimizer = torch.optim.Adam(plain.parameters(), fused=True)
    loader, step = data.train_dataloader(), 0
    for epoch in range(4):
        loader.set_epoch(epoch)
        for x, _ in loader:
            warmup, share = 2, (step - 2) / 18
            optimizer.param_groups[0]["lr"] = 0.01 * (
                (step + 1) / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * share))
            )
            x = x.flatten(1)
            loss = nn.functional.mse_loss(plain(x), x, reduction="sum") / len(x)
            assert curves["train/loss"][step][1] == loss.item()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    ours, theirs = list(model.state_dict().values()), list(plain.state_dict().values())
    assert len(ours) == len(theirs)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert curves.keys() == {"train/loss", "train/reconstruction", "train/lr", "val/loss", "val/reconstruction"}


def by_hand(model: DeepAE, x: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """x̂, [h^1, h^2, h^3], [ĥ^1, ĥ^2, ĥ^3] of a ReLU network without batch-norm and noise."""
    h1 = model.encoder[0](x.flatten(1)).relu()
    h2 = model.encoder[1](h1).relu()
    h3 = model.encoder[2](h2).relu()
    g3 = model.decoder[0](model.to_code(h3)).relu()
    g2 = model.decoder[1](g3).relu()
    g1 = model.decoder[2](g2).relu()
    return model.to_pixels(g1), [h1, h2, h3], [g1, g2, g3]


def test_the_literal_formula_pairs_layers_by_index_and_counts_the_input_once() -> None:
    model, x = deep_ae(layer_weight=0.7, **LITERAL), digits(16)
    x_hat, h, h_hat = by_hand(model, x)
    assert [a.shape[1] for a in h] == [b.shape[1] for b in h_hat] == [32, 16, 8]
    terms = [sum((a[i] - b[i]).pow(2).sum() for i in range(16)) / 16 for a, b in zip(h, h_hat, strict=True)]
    pixels = sum((x.flatten(1)[i] - x_hat[i]).pow(2).sum() for i in range(16)) / 16
    values = model.losses(x)
    assert values["loss"].item() == pytest.approx((pixels + 0.7 * sum(terms)).item(), rel=1e-5)
    assert values["reconstruction"].item() == pytest.approx(pixels.item(), rel=1e-5)
    for i, (a, b) in enumerate(zip(h, h_hat, strict=True), start=1):
        assert values[f"norm_{i}"].item() == pytest.approx(a.norm(dim=1).mean().item(), rel=1e-5)
        assert values[f"relative_{i}"].item() == pytest.approx(((a - b).pow(2).sum() / a.pow(2).sum()).item(), rel=1e-5)


def test_gradient_reaches_a_joint_target_and_not_a_detached_one() -> None:
    grads = {}
    for target in ("joint", "detach"):
        model = deep_ae(layer_weight=1.0, normalise="none", target=target)
        values = model.losses(digits(16))
        values["layers"].backward()
        grads[target] = values["layers"].item(), model.encoder[0].weight.grad, model.decoder[0].weight.grad
    assert grads["joint"][0] == grads["detach"][0]
    assert torch.equal(grads["joint"][2], grads["detach"][2])
    assert not torch.allclose(grads["joint"][1], grads["detach"][1])


def rescaled(model: DeepAE, alpha: float) -> None:
    """Scale h^2 and ĥ^2 by alpha and undo it in the layers after them: no output changes."""
    with torch.no_grad():
        for scaled, after in ((model.encoder[1], model.encoder[2]), (model.decoder[1], model.decoder[2])):
            scaled.weight *= alpha
            scaled.bias *= alpha
            after.weight /= alpha


@pytest.mark.parametrize("alpha", [0.1, 8.0])
def test_rescaled_layers_lower_the_literal_loss_and_not_the_sound_one(alpha: float) -> None:
    x = digits(32)
    for normalise, factor in (("none", alpha**2), ("batch", 1.0)):
        model = deep_ae(layer_weight=1.0, normalise=normalise)
        _, h, h_hat = by_hand(model, x)
        before, second = model.losses(x), model._layer_term(h[1], h_hat[1])
        rescaled(model, alpha)
        after = model.losses(x)
        assert after["reconstruction"].item() == pytest.approx(before["reconstruction"].item(), rel=1e-4)
        change = (after["layers"] - before["layers"]).item()
        assert change == pytest.approx((factor - 1) * second.item(), rel=1e-3, abs=1e-3 * before["layers"].item())
        assert after["relative_2"].item() == pytest.approx(before["relative_2"].item(), rel=1e-4)


def learned(**kwargs: Any) -> tuple[float, float, float, float]:
    """Train on 720 digits; probe accuracy of the code, its effective rank, last ||h^1|| and relative error there."""
    model, data = deep_ae(widths=(64, 32), code_dim=8, lr=3e-3, **kwargs), TinyDigits(n=800, batch_size=64)
    _, curves = train(model, data, epochs=30)
    model.eval()
    with torch.no_grad():
        z, new = (torch.cat([model.encode(x) for x in data.batches(split)]).numpy() for split in ("train", "test"))
    scale = z.std(0) + 1e-8
    probe = LogisticRegression(max_iter=1000).fit(z / scale, data.labels("train"))
    p = np.linalg.svd(z - z.mean(0), compute_uv=False)
    p = p / p.sum()
    rank = float(np.exp(-(p * np.log(p)).sum()))
    return (
        probe.score(new / scale, data.labels("test")),
        rank,
        *(curves[f"train/{k}_1"][-1][1] for k in ("norm", "relative")),
    )


@pytest.mark.slow
def test_the_literal_formula_collapses_and_the_sound_form_does_not() -> None:
    """λ = 1: the literal sum is minimised by activations that say nothing of the image."""
    literal_probe, literal_rank, literal_norm, literal_error = learned(layer_weight=1.0, **LITERAL)
    sound_probe, sound_rank, sound_norm, sound_error = learned(layer_weight=1.0, **SOUND)
    assert literal_probe < 0.5 and sound_probe > 0.7
    assert literal_rank < 3 and sound_rank > 5
    assert literal_error < 0.05 < sound_error  # the terms are solved, not the images
    assert literal_norm < 0.5 * sound_norm


def test_the_input_is_corrupted_in_losses_only() -> None:
    seen: list[Tensor] = []
    x = torch.full((400, *SHAPE), 0.5)
    for kwargs in ({"mask": 0.25}, {"noise": 0.2}):
        model = deep_ae(**kwargs)
        model.encoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        model.losses(x)
        model.encode(x)
    masked, clean, noisy, clean_again = seen
    assert (masked == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert masked[masked > 0].unique().tolist() == pytest.approx([0.5 / 0.75])
    assert noisy.std().item() == pytest.approx(0.2, rel=0.05) and noisy.mean().item() == pytest.approx(0.5, abs=0.01)
    assert torch.equal(clean, x.flatten(1)) and torch.equal(clean_again, x.flatten(1))


def test_the_target_comes_from_a_clean_pass() -> None:
    x = digits(32)
    clean = deep_ae().layers(x)
    for corruption in ({"mask": 0.5}, {"noise": 0.5}, {"layer_noise": 0.5}):
        values = deep_ae(layer_weight=1.0, **corruption).losses(x)
        for i in (1, 2, 3):
            assert values[f"norm_{i}"].item() == pytest.approx(clean[f"hidden_{i}"].norm(dim=1).mean().item())
        assert values["reconstruction"] != deep_ae().losses(x)["reconstruction"]


@pytest.mark.parametrize(
    "bad",
    [
        {"widths": ()},
        {"widths": (8, 0)},
        {"code_dim": 0},
        {"mask": 1.0},
        {"mask": -0.1},
        {"noise": -1.0},
        {"layer_noise": float("nan")},
        {"layer_weight": -0.1},
        {"activation": "sine"},
        {"output": "tanh"},
        {"target": "both"},
        {"normalise": "layer"},
    ],
    ids=str,
)
def test_a_bad_option_is_one_line(bad: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=rf"^model\.[^\n]*{next(iter(bad))}[^\n]*$"):
        deep_ae(**bad)
