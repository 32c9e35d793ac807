"""The masked autoencoder: what is hidden, from whom, and what the loss counts."""

from typing import Any

import numpy as np
import pytest
import torch
from tiny import SHAPE, digits
from torch import Tensor

from unsup.core.errors import UsageError
from unsup.models.mae import MAE, TransformerBlock, gather_tokens, normalised, positions


def small(**options: Any) -> MAE:
    torch.manual_seed(0)
    return MAE(SHAPE, **{"patch": 2, "width": 16, "depth": 2, "heads": 2, "decoder_width": 8, **options}).eval()


def hidden_of(model: MAE, x: Tensor) -> Tensor:
    """(N, T) bool: which patches the next `losses` hides; the decoder gets as many tokens as there are others."""
    seen: list[Tensor] = []
    restore = model.restore

    def watched(tokens: Tensor, visible: Tensor) -> Tensor:
        seen.append(visible)
        assert tokens.shape[:2] == visible.shape
        return restore(tokens, visible)

    model.restore = watched  # type: ignore[method-assign]
    model.losses(x)
    del model.restore
    return torch.ones(len(x), 16, dtype=torch.bool).scatter(1, seen[0], False)


def test_patches_are_squares_of_the_image_row_by_row() -> None:
    x = torch.arange(2 * 3 * 8 * 8.0).view(2, 3, 8, 8)
    patches = MAE((3, 8, 8), patch=4).patches(x)
    assert patches.shape == (2, 4, 48)
    corners = [x[1, :, top : top + 4, left : left + 4].flatten() for top in (0, 4) for left in (0, 4)]
    assert torch.equal(patches[1], torch.stack(corners))


@pytest.mark.parametrize(("mask", "count"), [(0.75, 12), (0.5, 8), (0.3, 5), (0.001, 1), (0.999, 15)])
def test_the_stated_share_is_hidden(mask: float, count: int) -> None:
    hidden = hidden_of(small(mask=mask), digits(20))
    assert (hidden.sum(1) == count).all()


def test_every_image_has_a_mask_of_its_own_that_the_noise_of_the_step_draws() -> None:
    model, x = small(), digits(64)
    hidden = hidden_of(model, x)
    assert len(hidden.unique(dim=0)) > 50
    torch.manual_seed(1)
    again = hidden_of(model, x)
    assert not torch.equal(hidden, again)
    torch.manual_seed(1)
    assert torch.equal(again, hidden_of(model, x))
    many = torch.stack([hidden_of(model, x) for _ in range(20)]).float()
    assert (many.mean((0, 1)) - 0.75).abs().max() < 0.06  # no place is favoured: 1,280 draws, deviation .012


def test_the_loss_counts_hidden_patches_only_and_the_encoder_never_sees_them() -> None:
    """Other hidden patches: what is restored is the same, and the loss is its mean squared error on these alone."""
    model, x = small(), digits(8)
    torch.manual_seed(5)
    hidden = hidden_of(model, x)
    pixels = hidden.repeat_interleave(4, 1).view(8, 4, 4, 2, 2).permute(0, 1, 3, 2, 4).reshape(8, 1, 8, 8)
    other = torch.where(pixels, torch.rand_like(x), x)
    restored = []
    for images in (x, other):
        patches, visible = model.patches(images), (~hidden).nonzero()[:, 1].view(8, 4)
        restored.append(model.restore(model.encoder(gather_tokens(model.tokens(patches), visible)), visible))
    assert torch.allclose(restored[0], restored[1], atol=1e-6)
    for images in (x, other):
        torch.manual_seed(5)
        expected = (restored[0] - model.patches(images))[hidden].square().mean()
        assert model.losses(images)["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_normalised_targets_are_those_of_the_authors_code() -> None:
    """Each patch less its mean, over the root of its unbiased variance plus 1e-6, written out in numpy."""
    model, x = small(normalised_target=True), digits(8)
    torch.manual_seed(5)
    hidden = hidden_of(model, x).numpy()
    torch.manual_seed(5)
    loss = model.losses(x)["loss"].item()
    visible = torch.from_numpy((~hidden).nonzero()[1].reshape(8, 4))
    with torch.no_grad():
        restored = model.restore(model.encoder(gather_tokens(model.tokens(model.patches(x)), visible)), visible).numpy()
    errors = []
    for image, rows, marks in zip(x.numpy()[:, 0].astype(np.float64), restored, hidden, strict=True):
        for place in np.flatnonzero(marks):
            top, left = 2 * (place // 4), 2 * (place % 4)
            pixels = image[top : top + 2, left : left + 2].flatten()
            mean = pixels.sum() / 4
            variance = ((pixels - mean) ** 2).sum() / 3
            errors.append((rows[place] - (pixels - mean) / (variance + 1e-6) ** 0.5) ** 2)
    assert loss == pytest.approx(np.mean(errors), rel=1e-5)
    torch.manual_seed(5)
    assert small().losses(x)["loss"].item() != pytest.approx(loss, rel=0.01)


def test_a_normalised_target_is_known_in_numbers() -> None:
    patches = torch.tensor([[[0.0, 0.2, 0.4, 0.6], [0.5, 0.5, 0.5, 0.5]]])
    expected = [[-1.161883, -0.387294, 0.387294, 1.161883], [0, 0, 0, 0]]  # deviation .258199
    assert torch.allclose(normalised(patches), torch.tensor([expected]), atol=1e-5)


def test_a_patch_of_one_number_has_no_normalised_target() -> None:
    with pytest.raises(UsageError, match="^model.normalised_target is true: a patch of a single number has no"):
        small(patch=1, normalised_target=True)
    small(patch=1)


def test_the_mask_token_stands_where_nothing_is_known_and_places_tell_patches_apart() -> None:
    model = small(decoder_depth=0)
    tokens, visible = torch.randn(1, 4, 16), torch.tensor([[3, 0, 9, 12]])
    given: list[Tensor] = []
    model.decoder.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    model.restore(tokens, visible)
    full = given[0][0] - model.decoder_places
    assert torch.allclose(full[visible[0]], model.bridge(tokens)[0], atol=1e-6)
    blank = [i for i in range(16) if i not in visible[0].tolist()]
    assert torch.allclose(full[blank], model.mask_token.expand(12, -1), atol=1e-6)


def test_positions_are_waves_and_differ() -> None:
    p = positions(3, 5, 8)
    assert p.shape == (15, 8) and len(p.unique(dim=0)) == 15
    row, column = 2, 4
    expected = [
        wave(torch.tensor([place, place / 100.0])) for place in (row, column) for wave in (torch.sin, torch.cos)
    ]
    assert torch.allclose(p[row * 5 + column], torch.cat(expected), atol=1e-6)


def test_a_block_is_attention_and_perceptron_written_out() -> None:
    torch.manual_seed(0)
    block, x = TransformerBlock(8, 2), torch.randn(3, 5, 8)
    reference = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    reference.load_state_dict(
        {
            "in_proj_weight": block.qkv.weight,
            "in_proj_bias": block.qkv.bias,
            "out_proj.weight": block.out.weight,
            "out_proj.bias": block.out.bias,
        }
    )
    h = block.norm1(x)
    y = x + reference(h, h, h)[0]
    assert torch.allclose(block(x), y + block.mlp(block.norm2(y)), atol=1e-5)


def test_the_code_is_the_mean_of_all_tokens_and_layers_lead_to_it() -> None:
    model, x = small(), digits(4)
    tokens = model.encoder(model.tokens(model.patches(x)))
    assert tokens.shape == (4, 16, 16)
    assert torch.allclose(model.encode(x), tokens.mean(1), atol=1e-6)
    assert list(model.layers(x)) == ["block_1"]


def test_gradients_reach_every_parameter() -> None:
    model = small()
    model.losses(digits(8))["loss"].backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.abs().max() > 0, name


@pytest.mark.parametrize(("shape", "patch"), [((1, 28, 28), 4), ((1, 28, 28), 7), ((3, 32, 32), 4), ((3, 12, 20), 4)])
def test_any_image_made_of_patches_will_do(shape: tuple[int, int, int], patch: int) -> None:
    model = MAE(shape, patch=patch)
    x = torch.rand(2, *shape)
    assert model.encode(x).shape == (2, 64) and torch.isfinite(model.losses(x)["loss"])


@pytest.mark.parametrize(
    "option",
    [
        {"patch": 3},
        {"patch": 8},
        {"patch": 0},
        {"width": 18},
        {"decoder_width": 6},
        {"heads": 3},
        {"heads": 0},
        {"depth": 0},
        {"decoder_depth": -1},
        {"mask": 0.0},
        {"mask": 1.0},
    ],
)
def test_options_outside_their_range_are_named(option: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"model.*{next(iter(option))}"):
        small(**option)


@pytest.mark.parametrize(
    ("size", "patch"), [((32, 32), 4), ((64, 64), 4), ((96, 96), 8), ((224, 224), 16), ((100, 100), 4), ((64, 256), 8)]
)
def test_large_images_have_larger_patches(size: tuple[int, int], patch: int) -> None:
    assert MAE((3, *size), width=8, heads=2, decoder_width=8).patch == patch


def test_more_patches_on_request() -> None:
    assert MAE((3, 96, 96), patch=8, width=8, heads=2, decoder_width=8).patch == 8
    assert MAE((3, 224, 224), patch=8, most_patches=784, width=8, heads=2, decoder_width=8).patch == 8
