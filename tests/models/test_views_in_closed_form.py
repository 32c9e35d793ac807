"""Covariances of views, and the directions that they give, have known answers."""

import pytest
import torch
from torch import Tensor

from unsup.models.parts.closed_form import ViewMoments, deviations, leading_directions


def planted(n: int = 20_000, views: int = 3) -> tuple[Tensor, Tensor]:
    """Return views (V, N, 4) of mixed numbers with variances 9, 4, 1, 0 between images and 1 within, and the mixing."""
    generator = torch.Generator().manual_seed(0)
    deviations = torch.tensor([3.0, 2.0, 1.0, 0.0])
    image = torch.randn(n, 4, generator=generator) * deviations
    mixing = torch.randn(4, 4, generator=generator)
    return (image + torch.randn(views, n, 4, generator=generator)) @ mixing + 5, mixing


def moments_of(views: Tensor, batch: int = 1_000) -> ViewMoments:
    moments = ViewMoments(views.shape[2])
    for part in views.split(batch, dim=1):
        moments.add(part)
    return moments


def test_covariances_are_those_of_all_views_and_within_images() -> None:
    views, _ = planted(n=500)
    moments, flat = moments_of(views, batch=70), views.flatten(0, 1).double()
    within = torch.stack([torch.cov(image.double().T) for image in views.transpose(0, 1)]).mean(0)
    assert torch.allclose(moments.mean, flat.mean(0), atol=1e-5)
    assert torch.allclose(moments.total, torch.cov(flat.T, correction=0), rtol=1e-4, atol=1e-3)
    assert torch.allclose(moments.within, within, rtol=1e-4, atol=1e-3)


def test_planted_directions_and_ratios() -> None:
    views, mixing = planted()
    moments = moments_of(views)
    directions, ratios = leading_directions(moments.total, moments.within, 1e-6, 3)
    assert ratios.tolist() == pytest.approx([9, 4, 1], rel=0.05)
    unmixed = (mixing.double() @ directions).abs()  # the identity but for signs, as columns have variance 1 within
    assert torch.allclose(unmixed, torch.eye(4, 3, dtype=torch.float64), atol=0.05)


def test_columns_have_unit_variance_within_images_and_then_in_all() -> None:
    views, _ = planted()
    moments = moments_of(views)
    directions, _ = leading_directions(moments.total, moments.within, 1e-9, 4)
    identity = torch.eye(4, dtype=torch.float64)
    assert torch.allclose(directions.T @ moments.within @ directions, identity, atol=1e-5)
    scaled = directions / deviations(directions, moments.total)
    assert torch.allclose((scaled.T @ moments.total @ scaled).diagonal(), torch.ones(4).double(), atol=1e-6)


def test_a_ridge_prefers_directions_of_large_variance() -> None:
    total, within = torch.diag(torch.tensor([2.0, 0.004])).double(), torch.diag(torch.tensor([1.0, 0.001])).double()
    assert leading_directions(total, within, 1e-6, 1)[0].abs().argmax() == 1  # a ratio of 3 against 1
    assert leading_directions(total, within, 1.0, 1)[0].abs().argmax() == 0
