"""Convolutional encoders, for the joint-embedding methods."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.errors import UsageError
from unsup.models.parts.library_backbones import library_backbone

OWN = ("conv", "resnet18")
LARGEST = 64  # shorter side from which the first layers halve an image


def build_backbone(name: str, shape: tuple[int, int, int], width: int) -> tuple[nn.Module, int]:
    """Return an encoder (N, C, H, W) -> (N, D), maps and then their averages, and D.

    * "conv": five 3x3 convolutions, two of which halve the image. It suits digits on a CPU.
    * "resnet18": He et al. 2016, with the usual first layer for 32 x 32 pixels (a 3x3 convolution with stride 1, no
      pooling). Width 64 is the published network with 11.2 million parameters; 16 trains on a CPU.

    * "torchvision:NAME", "timm:NAME": any network of these libraries, with random weights and without its last layer
      (`library_backbone`). It has no width.

    The first two halve images whose shorter side is 64 pixels or more by their first convolution, then by max-pooling
    until that side is below 64 (224 -> 112 -> 56 as in the published network). Their weights are the same for every
    size.

    Args:
        name: as above.
        shape: (C, H, W) of an image.
        width: channels after the first convolution, at least 1.

    Raises:
        UsageError: the image is smaller than 8 x 8, or as in `library_backbone`.
    """
    if name not in OWN:
        return library_backbone(name, shape)
    if min(shape[1:]) < 8:
        raise UsageError(f"images of {shape[1]} x {shape[2]} are too small for a convolutional encoder: 8 x 8 at least")
    layers: list[nn.Module] = []
    excess = max(0, min(shape[1:]).bit_length() - LARGEST.bit_length() + 1)  # halvings until the side is below LARGEST
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
