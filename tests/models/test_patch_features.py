"""Regions and mirror images of patches have known answers."""

import itertools
from typing import Any

import pytest
import torch
from tiny import SHAPE, digits
from torch import Tensor

from unsup.models.parts import patch_features
from unsup.models.parts.patch_dictionary import PatchDictionary
from unsup.models.parts.patch_features import PatchFeatures


def features(
    shape: tuple[int, int, int] = SHAPE, grid: int = 2, stride: int = 1, mirrored: bool = False
) -> PatchFeatures:
    torch.manual_seed(0)
    return PatchFeatures(PatchDictionary(shape[0], 16, 3, stride, 0.1, mirrored), shape[1:], grid)


def fitted(x: Tensor, **options: Any) -> PatchFeatures:
    result = features(tuple(x.shape[1:]), **options)
    result.dictionary.fit(lambda: iter(x.split(16)), seed=0)
    return result


@pytest.mark.parametrize("grid", [2, 3])
def test_features_are_roots_of_the_regions_means(grid: int) -> None:
    found, x, side = fitted(digits(60), grid=grid), digits(5), 6 // grid
    activations = found.dictionary(x)
    corners = itertools.product(range(0, 6, side), repeat=2)
    regions = [activations[:, top : top + side, left : left + side].mean((1, 2)) for top, left in corners]
    assert found(x).shape == (5, grid**2 * 16) == (5, found.features)
    assert torch.allclose(found(x), (torch.cat(regions, 1) + patch_features.ROOT).sqrt(), atol=1e-5)


@pytest.mark.parametrize(("grid", "stride"), [(1, 1), (2, 1), (3, 1), (3, 2)])
def test_mirrored_features_are_averages_with_the_mirror_image(grid: int, stride: int) -> None:
    """Both images pass through all centroids; each number of their average appears exactly once."""
    x = torch.rand(30, 3, 9, 9)
    found = fitted(x, grid=grid, stride=stride, mirrored=True)
    regions = [found.pooling @ found.dictionary(image).flatten(1, 2) for image in (x, x.flip(3))]
    whole = ((regions[0] + regions[1]) / 2 + patch_features.ROOT).sqrt().flatten(1)  # (30, grid² 16)
    codes = found(x)
    assert codes.shape == (30, found.features) and found.features == grid**2 * 16 // 2
    distances = torch.cdist(whole.T, codes.T, compute_mode="donot_use_mm_for_euclid_dist")
    assert distances.min(0).values.max() < 1e-4 and distances.min(1).values.max() < 1e-4


@pytest.mark.parametrize("stride", [1, 2])
def test_an_image_and_its_mirror_image_have_the_same_features(stride: int) -> None:
    x = torch.rand(8, 3, 11, 11)
    natural, digit = (features((3, 11, 11), stride=stride, mirrored=mirrored) for mirrored in (True, False))
    assert torch.allclose(natural(x), natural(x.flip(3)), atol=1e-6)
    assert not torch.allclose(digit(x), digit(x.flip(3)), atol=1e-3)


def test_a_move_inside_a_region_changes_nothing() -> None:
    found = features((1, 16, 16))
    x = torch.zeros(2, 1, 16, 16)  # 14 x 14 patches: those of rows and columns 0 to 6 are the first quadrant
    spot = torch.rand(2, 2)
    x[0, 0, 2:4, 2:4] = x[1, 0, 3:5, 4:6] = spot
    z = found(x)
    assert torch.allclose(z[0], z[1], atol=1e-5)
    x[1].zero_()[0, 2:4, 10:12] = spot  # into the second quadrant
    assert not torch.allclose(z[0], found(x)[1], atol=1e-3)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found, x = features(), digits(20)
    whole = found(x)
    for activations in (3 * 36 * 16, 1):
        monkeypatch.setattr(patch_features, "ACTIVATIONS", activations)
        assert torch.allclose(found(x), whole, atol=1e-6)
