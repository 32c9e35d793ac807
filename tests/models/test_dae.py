"""The denoising autoencoder: what each corruption does, and that the code is that of the clean image."""

from typing import Any

import pytest
import torch
from tiny import SHAPE, digits, train

from unsup.core.errors import UsageError
from unsup.models.dae import DAE


def dae(**options: Any) -> DAE:
    torch.manual_seed(0)
    return DAE(SHAPE, widths=(32,), code_dim=8, **options)


def test_gaussian_noise_has_its_deviation() -> None:
    x = torch.full((400, *SHAPE), 0.5)
    noise = dae(corruption="gaussian", level=0.3).corrupt(x) - x
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 0.3) < 0.01


def test_masking_blackens_its_share_and_keeps_the_mean() -> None:
    x = torch.full((400, *SHAPE), 0.5)
    masked = dae(corruption="masking", level=0.75).corrupt(x)
    assert set(masked.unique().tolist()) == {0.0, 2.0}  # 0.5 / (1 - 0.75)
    assert abs((masked == 0).float().mean() - 0.75) < 0.01
    assert abs(masked.mean() - 0.5) < 0.03


def test_salt_and_pepper_hits_its_share_with_a_fair_coin() -> None:
    x = torch.full((400, *SHAPE), 0.5)
    hit = dae(corruption="salt_and_pepper", level=0.4).corrupt(x)
    for value, share in ((0.0, 0.2), (1.0, 0.2), (0.5, 0.6)):
        assert abs((hit == value).float().mean() - share) < 0.01


@pytest.mark.parametrize("corruption", ["gaussian", "masking", "salt_and_pepper"])
def test_each_draw_differs_and_none_changes_at_level_0(corruption: Any) -> None:
    x = digits(32)
    model = dae(corruption=corruption, level=0.5)
    assert not torch.equal(model.corrupt(x), model.corrupt(x))
    assert torch.equal(dae(corruption=corruption, level=0.0).corrupt(x), x)


def test_the_target_is_the_clean_image_and_so_is_the_code() -> None:
    x = digits(32)
    model = dae(corruption="masking", level=0.5)
    assert torch.equal(model.encode(x), model.encode(x))  # no draw in it, even in training mode
    torch.manual_seed(1)
    expected = (model.reconstruct(model.corrupt(x)) - x).square().flatten(1).sum(1).mean()
    torch.manual_seed(1)
    assert torch.allclose(model.losses(x)["loss"], expected)


def test_training_restores_what_was_hidden() -> None:
    model = dae(corruption="masking", level=0.5, lr=1e-2)
    x = digits(160)
    torch.manual_seed(2)
    corrupted = model.corrupt(x)
    before = (model.reconstruct(corrupted) - x).square().mean()
    train(model, epochs=40)
    assert (model.reconstruct(corrupted) - x).square().mean() < 0.5 * before


@pytest.mark.parametrize(("options", "named"), [({"level": 1.0}, "level"), ({"level": -0.1}, "level")])
def test_bad_levels_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=rf"^[^\n]*{named}[^\n]*$"):
        dae(**options)
    dae(corruption="gaussian", level=1.5)  # a deviation may be above 1
