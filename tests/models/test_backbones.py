"""Encoders of small images: sizes, and the published network where there is one."""

import pytest
import torch
from torchvision.models import resnet18

from unsup.core.errors import UsageError
from unsup.models.parts.backbones import build_backbone


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 33, 65)])
@pytest.mark.parametrize(("name", "features"), [("conv", 4 * 6), ("resnet18", 8 * 6)])
def test_features_of_any_size(name: str, features: int, shape: tuple[int, int, int]) -> None:
    encoder, size = build_backbone(name, shape, 6, "digits")
    assert size == features
    assert encoder(torch.rand(3, *shape)).shape == (3, features)


def test_resnet18_is_the_published_one_but_for_its_first_layers() -> None:
    encoder, size = build_backbone("resnet18", (3, 32, 32), 64, "natural")
    published = resnet18(num_classes=1)
    stem = 64 * 3 * 7 * 7 - 64 * 3 * 3 * 3  # 7x7 there, 3x3 here
    head = 512 + 1
    assert size == 512
    assert sum(p.numel() for p in encoder.parameters()) == sum(p.numel() for p in published.parameters()) - stem - head


def test_resnet18_keeps_the_size_of_small_images_first() -> None:
    encoder, _ = build_backbone("resnet18", (3, 32, 32), 4, "natural")
    assert [tuple(maps.shape[2:]) for maps in maps_of(encoder, torch.rand(1, 3, 32, 32))][:3] == [(32, 32)] * 3
    assert tuple(maps_of(encoder, torch.rand(1, 3, 32, 32))[-3].shape[2:]) == (4, 4)


def maps_of(encoder: torch.nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    found = []
    for layer in encoder.children():
        x = layer(x)
        found.append(x)
    return found


def test_too_small_images_are_refused() -> None:
    with pytest.raises(UsageError, match="7 x 28"):
        build_backbone("conv", (1, 7, 28), 4, "digits")
