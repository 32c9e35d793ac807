"""Backbones of torchvision and timm, with random weights."""

from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torchvision.models import mobilenet_v3_small, resnet18

from unsup.core.errors import UsageError, UserError
from unsup.models.foreign.loaded import IMAGENET
from unsup.models.parts.backbones import build_backbone
from unsup.models.simclr import SimCLR

needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="needs timm")


def built(name: str, *shape: int) -> tuple[Any, int]:
    return build_backbone(name, shape, 4, "natural")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "shape", "features"),
    [
        ("torchvision:resnet18", (1, 8, 8), 512),
        ("torchvision:mobilenet_v3_small", (3, 32, 32), 1024),
        ("torchvision:vit_b_32", (3, 64, 64), 768),
        pytest.param("timm:resnet10t", (3, 32, 32), 512, marks=needs_timm),
        pytest.param("timm:vit_tiny_patch16_224", (1, 32, 32), 192, marks=needs_timm),
    ],
)
def test_features_of_a_library(name: str, shape: tuple[int, int, int], features: int) -> None:
    backbone, size = built(name, *shape)
    assert size == features and backbone.training
    assert backbone(torch.rand(2, *shape)).shape == (2, features)


def test_it_is_the_network_of_the_library_on_normalised_images() -> None:
    backbone, _ = built("torchvision:mobilenet_v3_small", 3, 64, 64)
    published = mobilenet_v3_small()
    published.classifier[-1] = torch.nn.Identity()
    published.load_state_dict(backbone.network.state_dict())
    x = torch.rand(2, 3, 64, 64)
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in IMAGENET)
    normalised = (x - mean) / deviation
    assert torch.equal(backbone.eval()(x), published.eval()(normalised))


def test_residual_networks_keep_their_first_layers_from_64_pixels_on() -> None:
    large, small = (built("torchvision:resnet18", 3, side, side)[0].network for side in (64, 63))
    assert large.conv1.weight.shape == resnet18().conv1.weight.shape == (64, 3, 7, 7) and large.conv1.stride == (2, 2)
    assert small.conv1.weight.shape == (64, 3, 3, 3) and small.conv1.stride == (1, 1)
    assert isinstance(small.maxpool, torch.nn.Identity) and isinstance(large.maxpool, torch.nn.MaxPool2d)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet81", "write conv, resnet18, torchvision:NAME or timm:NAME"),
        ("torchvision:resnet81", "did you mean 'resnet18'"),
        ("torchvision:vit_b_16", "takes no images of 8 x 8"),
        pytest.param("timm:resnet10x", "timm has no network 'resnet10x'", marks=needs_timm),
    ],
)
def test_what_cannot_be_built_is_one_line(name: str, message: str) -> None:
    with pytest.raises((UsageError, UserError), match=message) as error:
        built(name, 3, 8, 8)
    assert "\n" not in str(error.value)


def test_a_method_trains_it() -> None:
    model = SimCLR((1, 28, 28), augmentation="digits", backbone="torchvision:mobilenet_v3_small")
    losses = model.losses(torch.rand(8, 1, 28, 28))
    losses["loss"].backward()
    assert all(p.grad is not None for p in model.backbone.parameters())
