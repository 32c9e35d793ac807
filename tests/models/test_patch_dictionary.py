"""Patches and centroids: whitening, activations, and mirror images have known answers."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny import digits
from torch import Tensor

from unsup.models.parts.patch_dictionary import PatchDictionary, normalised


def dictionary(channels: int = 1, **options: Any) -> PatchDictionary:
    torch.manual_seed(0)
    defaults = {"centroids": 16, "patch": 3, "stride": 1, "zca": 0.1, "mirrored": False}
    return PatchDictionary(channels, **{**defaults, **options})


def fitted(x: Tensor, **options: Any) -> PatchDictionary:
    result = dictionary(x.shape[1], **options)
    result.fit(lambda: iter(x.split(16)), seed=0)
    return result


def rows(x: Tensor, patch: int, stride: int = 1) -> Tensor:
    """(N, positions, C·p·p), by the library's unfolding."""
    return F.unfold(x, patch, stride=stride).transpose(1, 2)


def test_whitened_patches_have_an_identity_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    mixing = torch.eye(9) + 0.3 * torch.rand(9, 9, generator=torch.Generator().manual_seed(1))
    drawn = torch.randn(20_000, 9) @ mixing + 5
    whitening = dictionary(zca=0.0)
    monkeypatch.setattr(whitening, "drawn_patches", lambda images: drawn)
    whitening.fit(lambda: iter(()), seed=0)
    assert torch.allclose(torch.cov(whitening.whitened(drawn).T), torch.eye(9), atol=0.01)
    assert torch.allclose(whitening.whitening, whitening.whitening.T, atol=1e-5)  # ZCA: no rotation


def test_whitening_and_mirroring_commute() -> None:
    natural, patches = fitted(torch.rand(60, 3, 9, 9), mirrored=True), normalised(torch.rand(50, 27))
    assert torch.allclose(
        natural.whitened(natural.mirror(patches)), natural.mirror(natural.whitened(patches)), atol=1e-5
    )


def test_patches_are_normalised_one_by_one() -> None:
    p = torch.rand(50, 27)
    same = normalised(3 * p + 2)  # brightness and contrast drop out, up to the constant added to the variance
    assert torch.allclose(same, normalised(p), atol=0.01)
    assert same.mean(1).abs().max() < 1e-5 and (same.var(1, unbiased=False) - 1).abs().max() < 0.01
    assert torch.equal(normalised(torch.full((1, 27), 0.5)), torch.zeros(1, 27))  # flat, not 0 / 0


def test_activations_by_hand() -> None:
    small, patch = dictionary(centroids=2), torch.rand(1, 1, 3, 3)
    w = normalised(patch.flatten(1))[0]  # no whitening yet
    small.centroids.copy_(torch.stack([w, -w]))  # s = |w|² / 2 and -3 |w|² / 2, whose mean is -|w|² / 2
    expected = w.square().sum() / (2 * w.square().sum()).sqrt()
    assert torch.allclose(small(patch), torch.tensor([[[[expected, 0.0]]]]), atol=1e-5)


def test_activations_are_close_to_the_triangle() -> None:
    found, x = fitted(digits(200)), digits(50)
    distances = torch.cdist(found.whitened(normalised(rows(x, 3))), found.centroids)
    triangle = F.relu(distances.mean(-1, keepdim=True) - distances)
    both = torch.stack([triangle.flatten(), found(x).flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.97


def test_planted_patches_become_the_centroids(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    planted = normalised(torch.rand(4, 16))
    small = dictionary(patch=4, centroids=4)
    monkeypatch.setattr(small, "drawn_patches", lambda images: planted.repeat(100, 1))
    small.fit(lambda: iter(()), seed=0)
    distances = torch.cdist(small.whitened(planted), small.centroids)
    assert sorted(distances.argmin(1).tolist()) == [0, 1, 2, 3]
    assert distances.min(1).values.max() < 1e-3


def test_drawn_patches_come_from_the_images() -> None:
    x = digits(40)
    drawn = dictionary().drawn_patches(lambda: iter(x.split(16)))
    everything = normalised(rows(x, 3)).flatten(0, 1)
    assert drawn.shape == (40 * 36, 9)
    assert torch.cdist(drawn, everything).min(1).values.max() < 1e-2
    assert len(drawn.unique(dim=0)) > 500  # from all over


def test_an_odd_number_of_centroids_becomes_even_with_mirror_images() -> None:
    assert len(dictionary(centroids=15, mirrored=True).centroids) == 16
    assert len(dictionary(centroids=15).centroids) == 15
