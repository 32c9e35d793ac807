"""K-means on patches: whitening, the triangle, the pooling and the centroids have known answers."""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny import SHAPE, TinyDigits, digits, train
from torch import Tensor

from unsup.core.errors import UsageError, UserError
from unsup.models import patches
from unsup.models.patches import Patches


def model(shape: tuple[int, int, int] = SHAPE, **options: Any) -> Patches:
    torch.manual_seed(0)
    return Patches(shape, **{"augmentation": "digits", "centroids": 16, "patch": 3, **options})


def rows(x: Tensor, patch: int) -> Tensor:
    """(N, positions, C·p·p), by the library's unfolding."""
    return F.unfold(x, patch).transpose(1, 2)


def test_whitened_patches_have_an_identity_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    mixing = torch.eye(9) + 0.3 * torch.rand(9, 9, generator=torch.Generator().manual_seed(1))
    drawn = torch.randn(20_000, 9) @ mixing + 5
    found = model(zca=0.0)
    monkeypatch.setattr(found, "draw", lambda images: drawn)
    found.fit(lambda: iter(()))
    assert torch.allclose(torch.cov(found.whitened(drawn).T), torch.eye(9), atol=0.01)
    assert torch.allclose(found.whitening, found.whitening.T, atol=1e-5)  # ZCA: no rotation


def test_patches_are_normalised_one_by_one() -> None:
    p = torch.rand(50, 27)
    same = model().normalised(3 * p + 2)  # brightness and contrast drop out, up to the constant added to the variance
    assert torch.allclose(same, model().normalised(p), atol=0.01)
    assert same.mean(1).abs().max() < 1e-5 and (same.var(1, unbiased=False) - 1).abs().max() < 0.01
    assert torch.equal(model().normalised(torch.full((1, 27), 0.5)), torch.zeros(1, 27))  # flat, not 0 / 0


def test_triangle_by_hand() -> None:
    found = model(centroids=3)
    found.centres.zero_()
    found.centres[:, 0] = torch.tensor([0.0, 3.0, 9.0])
    patch = torch.zeros(1, 9)  # distances 0, 3, 9: their mean is 4
    assert torch.allclose(found.triangle(patch), torch.tensor([[4.0, 1.0, 0.0]]), atol=1e-5)


def test_planted_patches_become_the_centroids() -> None:
    torch.manual_seed(3)
    planted = torch.rand(4, 1, 4, 4)
    x = torch.zeros(400, 1, 5, 5)  # 2 x 2 patches; only planted ones are drawn below
    x[:, :, :4, :4] = planted[torch.arange(400) % 4]
    found = model((1, 5, 5), patch=4, centroids=4)
    found.draw = lambda images: found.normalised(x[:, :, :4, :4].flatten(1))  # type: ignore[method-assign]
    found.fit(lambda: iter(()))
    expected = found.whitened(found.normalised(planted.flatten(1)))
    distances = torch.cdist(expected, found.centres)
    assert sorted(distances.argmin(1).tolist()) == [0, 1, 2, 3]
    assert distances.min(1).values.max() < 1e-3
    assert torch.equal(found.triangle(expected).argmax(1), distances.argmin(1))


def test_drawn_patches_come_from_the_images() -> None:
    x = digits(40)
    found = model()
    drawn = found.draw(lambda: iter(x.split(16)))
    everything = found.normalised(rows(x, 3)).flatten(0, 1)
    assert drawn.shape == (40 * 36, 9)
    assert torch.cdist(drawn, everything).min(1).values.max() < 1e-2
    assert len(drawn.unique(dim=0)) > 500  # from all over


@pytest.mark.parametrize("grid", [2, 3])
def test_codes_are_roots_of_the_regions_means_of_the_triangle(grid: int) -> None:
    found, x, side = model(grid=grid), digits(5), 6 // grid
    train(found, TinyDigits(), epochs=0)
    activations = found.triangle(found.whitened(found.normalised(rows(x, 3)))).unflatten(1, (6, 6))
    corners = itertools.product(range(0, 6, side), repeat=2)
    regions = [activations[:, top : top + side, left : left + side].mean((1, 2)) for top, left in corners]
    assert found.encode(x).shape == (5, grid**2 * 16)
    assert torch.allclose(found.encode(x), (torch.cat(regions, 1) + patches.ROOT).sqrt(), atol=1e-5)


def test_a_move_inside_a_quadrant_changes_nothing() -> None:
    found = model((1, 16, 16))
    x = torch.zeros(2, 1, 16, 16)  # 14 x 14 patches: those of rows and columns 0 to 6 are the first quadrant
    spot = torch.rand(2, 2)
    x[0, 0, 2:4, 2:4] = x[1, 0, 3:5, 4:6] = spot
    z = found.encode(x)
    assert torch.allclose(z[0], z[1], atol=1e-5)
    x[1].zero_()[0, 2:4, 10:12] = spot  # into the second quadrant
    assert not torch.allclose(z[0], found.encode(x)[1], atol=1e-3)


def test_an_image_and_its_mirror_image_have_one_code_where_it_keeps_its_meaning() -> None:
    x = digits(8)
    natural, digit = model(augmentation="natural"), model()
    assert torch.allclose(natural.encode(x), natural.encode(x.flip(3)), atol=1e-6)
    assert not torch.allclose(digit.encode(x), digit.encode(x.flip(3)), atol=1e-3)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found, x = model(), digits(20)
    whole = found.encode(x)
    monkeypatch.setattr(patches, "DISTANCES", 3 * 36 * 16)
    assert torch.allclose(found.encode(x), whole, atol=1e-6)
    monkeypatch.setattr(patches, "DISTANCES", 1)
    assert torch.allclose(found.encode(x), whole, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 7, 7), (1, 12, 9), (3, 32, 32)])
def test_any_size_of_image(shape: tuple[int, int, int]) -> None:
    z = model(shape, augmentation="natural").encode(torch.rand(3, *shape))
    assert z.shape == (3, 64) and torch.isfinite(z).all() and z.min() >= 0


def test_the_same_seed_gives_the_same_codes() -> None:
    x = digits(8)
    codes = []
    for seed in (0, 0, 1):
        found = model()
        found.seed = seed
        train(found, TinyDigits(), epochs=0)
        codes.append(found.encode(x))
    assert torch.equal(codes[0], codes[1])
    assert not torch.allclose(codes[0], codes[2], atol=1e-3)


def test_small_images_are_one_line() -> None:
    with pytest.raises(UsageError, match="^model.patch 8 gives 1 x 1 patches in 8 x 8 pixels, "):
        model(patch=8)
    with pytest.raises(UsageError, match="gives 6 x 6 patches in 8 x 8 pixels, model.grid 7 needs 7 x 7: "):
        model(grid=7)
    with pytest.raises(UsageError, match=r"^[^\n]*zca is -1[^\n]*$"):
        model(zca=-1.0)
    for option in ("centroids", "patch", "grid"):
        with pytest.raises(UsageError, match=rf"^[^\n]*{option} is 0[^\n]*$"):
            model(**{option: 0})


def test_fewer_patches_than_centroids_is_one_line() -> None:
    with pytest.raises(UserError, match="27 images hold 972 patches, fewer than centroids: lower model.centroids"):
        train(model(centroids=1000), TinyDigits(n=30), epochs=0)
