"""Networks of torchvision and timm with random weights, as backbones."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from unsup.core.commands import install
from unsup.core.errors import UsageError, UserError
from unsup.models.foreign.loaded import IMAGENET

SMALL = 64  # shorter side below which the first layers of a residual network keep the resolution
CHANNELS = 3


class LibraryBackbone(nn.Module):
    """A network for images (N, 1 or 3, H, W) in [0, 1], which returns features (N, D).

    Grey images become three equal channels; pixels are normalised with ImageNet's mean and deviation.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        for name, values in zip(("mean", "std"), IMAGENET, strict=True):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.network((x.expand(-1, CHANNELS, -1, -1) - self.mean) / self.std)


def library_backbone(name: str, shape: tuple[int, int, int]) -> tuple[LibraryBackbone, int]:
    """Return a network without its last layer, and the number of features.

    Its weights are random. Residual networks whose first convolution has a stride and is followed by pooling begin with
    a 3x3 convolution of stride 1 and no pooling for images below 64 pixels, as is usual for CIFAR (He et al. 2016,
    section 4.2). Vision transformers are made for the size of the images.

    Args:
        name: torchvision:NAME or timm:NAME.
        shape: (C, H, W) of an image.

    Raises:
        UsageError: there is no such network, or it does not take images of this shape.
        UserError: timm is not installed.
    """
    library, _, network_name = name.partition(":")
    build = {"torchvision": _of_torchvision, "timm": _of_timm}.get(library)
    if build is None or not network_name:
        raise UsageError(f"model.backbone is {name!r}: write conv, resnet18, torchvision:NAME or timm:NAME")
    backbone = LibraryBackbone(_with_small_stem(build(network_name, shape), shape))
    return backbone, _features(name, backbone, shape)


def _of_torchvision(name: str, shape: tuple[int, int, int]) -> nn.Module:
    from unsup.models.foreign.torchvision_models import known_classifier, network_of, without_last_layer

    known_classifier(name)
    size = {"image_size": shape[1]} if name.startswith("vit_") else {}
    try:
        return without_last_layer(name, network_of(name, **size))
    except (AssertionError, ValueError) as e:  # of a transformer: patches that do not fit
        raise UsageError(f"torchvision:{name} takes no images of {shape[1]} x {shape[2]}: {e}") from e


def _of_timm(name: str, shape: tuple[int, int, int]) -> nn.Module:
    if find_spec("timm") is None:
        raise UserError(f"timm:{name} needs timm: {install('timm')}")
    from unsup.models.foreign.timm_models import known_architecture

    timm: Any = import_module("timm")
    known_architecture(name)
    cfg = timm.models.get_pretrained_cfg(name, allow_unregistered=False)
    size = {"img_size": shape[1:]} if cfg and cfg.fixed_input_size else {}
    try:
        return timm.create_model(name, pretrained=False, num_classes=0, **size)
    except (AssertionError, ValueError) as e:
        raise UsageError(f"timm:{name} takes no images of {shape[1]} x {shape[2]}: {e}") from e


def _with_small_stem(network: Any, shape: tuple[int, int, int]) -> nn.Module:
    first = getattr(network, "conv1", None)
    if min(shape[1:]) < SMALL and isinstance(first, nn.Conv2d) and isinstance(network.maxpool, nn.MaxPool2d):
        network.conv1 = nn.Conv2d(first.in_channels, first.out_channels, 3, 1, padding=1, bias=first.bias is not None)
        network.maxpool = nn.Identity()
    return network


def _features(name: str, backbone: nn.Module, shape: tuple[int, int, int]) -> int:
    """Return the number of features of an image.

    Raises:
        UsageError: the network does not take such images, or returns something else than vectors.
    """
    backbone.eval()
    try:
        with torch.no_grad():
            features = backbone(torch.zeros(2, *shape))
    except (AssertionError, RuntimeError, ValueError) as e:
        reason = " ".join(str(e).split())[:200]
        raise UsageError(f"{name} takes no images of {shape[1]} x {shape[2]}: {reason}") from e
    finally:
        backbone.train()
    if not isinstance(features, Tensor) or features.ndim != 2:
        raise UsageError(f"{name} returns no vector for each image: choose a network that pools its features")
    return features.shape[1]
