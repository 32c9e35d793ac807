"""Convolutional encoders, for the joint-embedding methods."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.errors import UsageError
from unsup.models.parts.library_backbones import LibraryBackbone, library_backbone
from unsup.models.parts.patch_network import PatchNetwork

OWN = ("conv", "resnet18", "patches")
LARGEST = 64  # shorter side from which the first layers halve an image


def build_backbone(name: str, shape: tuple[int, int, int], width: int, augmentation: str) -> tuple[nn.Module, int]:
    """Return an encoder (N, C, H, W) -> (N, D), maps and then their averages, and D.

    * "conv": five 3x3 convolutions, two of which halve the image. It suits digits on a CPU.
    * "resnet18": He et al. 2016, with the usual first layer for 32 x 32 pixels (a 3x3 convolution with stride 1, no
      pooling). Width 64 is the published network with 11.2 million parameters; 16 trains on a CPU.
    * "patches": three convolutions on the activations of a dictionary of patches (`PatchNetwork`). It suits photographs
      on a CPU.
    * "torchvision:NAME", "timm:NAME": any network of these libraries, with random weights and without its last layer
      (`library_backbone`). It has no width.

    "conv" and "resnet18" halve images whose shorter side is 64 pixels or more by their first convolution, then by
    max-pooling until that side is below 64 (224 -> 112 -> 56 as in the published network). Their weights are the same
    for every size. "patches" averages images down in the same steps.

    Args:
        name: as above.
        shape: (C, H, W) of an image.
        width: channels after the first convolution, at least 1; features are 4 ("conv") or 8 times as many.
        augmentation: the data set's preset of views. Unless it is "digits", patches are mirrored.

    Raises:
        UsageError: the image is smaller than 8 x 8, or as in `library_backbone`.
    """
    if name not in OWN:
        return library_backbone(name, shape)
    if min(shape[1:]) < 8:
        raise UsageError(f"images of {shape[1]} x {shape[2]} are too small for a convolutional encoder: 8 x 8 at least")
    excess = max(0, min(shape[1:]).bit_length() - LARGEST.bit_length() + 1)  # halvings until the side is below LARGEST
    if name == "patches":
        network = PatchNetwork(shape, excess, width, mirrored=augmentation != "digits")
        return network.to(memory_format=torch.channels_last), 8 * width
    layers: list[nn.Module] = []
    first = 2 if excess else 1
    pools = [nn.MaxPool2d(3, 2, padding=1) for _ in range(excess - 1)]
    if name == "conv":
        plan = [(width, first), (2 * width, 2), (2 * width, 1), (4 * width, 2), (4 * width, 1)]  # channels, stride
        inputs = shape[0]
        for outputs, stride in plan:
            layers += [*_convolution(inputs, outputs, stride), nn.ReLU(), *pools]
            inputs, pools = outputs, []
    else:
        plan = [(width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)]
        layers += [*_convolution(shape[0], width, first), nn.ReLU(), *pools]
        inputs = width
        for outputs, stride in plan:
            layers += [BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1)]
            inputs = outputs
    encoder = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return encoder.to(memory_format=torch.channels_last), inputs  # twice as fast as (C, H, W) in bfloat16


def backbone_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the backbone in the state of a method on views."""
    return {name: value for name, value in state.items() if name.startswith("backbone.")}


def hidden_layers(backbone: nn.Module, x: Tensor, regions: int = 2) -> list[Tensor]:
    """Return layers (N, D) that are wider than the features of a backbone.

    They are the averages of the last maps in regions x regions parts of the image, and their means and largest values;
    of "patches" as in `PatchNetwork.hidden`. Of a library's network they are its features.
    """
    if isinstance(backbone, PatchNetwork):
        return backbone.hidden(x, regions)
    if isinstance(backbone, LibraryBackbone):
        return [backbone(x)]
    maps = cast(nn.Sequential, backbone)[:-2](x)
    return [torch.cat([F.adaptive_avg_pool2d(maps, regions).flatten(1), maps.mean((2, 3)), maps.amax((2, 3))], dim=1)]


def hidden_sizes(backbone: nn.Module, shape: tuple[int, int, int]) -> list[int]:
    """Return the sizes D of the hidden layers for images (C, H, W)."""
    training = backbone.training
    with torch.no_grad():
        sizes = [layer.shape[1] for layer in hidden_layers(backbone.eval(), torch.zeros(1, *shape))]
    backbone.train(training)
    return sizes


class BasicBlock(nn.Module):
    """ReLU(x + f(x)) of He et al. 2016, figure 2.

    (N, inputs, h, w) -> (N, outputs, h / stride, w / stride).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.f = nn.Sequential(*_convolution(inputs, outputs, stride), nn.ReLU(), *_convolution(outputs, outputs))
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.f(x))


def _convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs)]
