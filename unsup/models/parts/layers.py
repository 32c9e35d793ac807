"""Layers of several methods, for images of any size."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Size = tuple[int, int]  # height, width


def mlp(widths: Sequence[int], batch_norm: bool = False) -> nn.Sequential:
    """Return linear layers, widths[0] to widths[-1], with (batch-norm and) GELU."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers.append(nn.Linear(inputs, outputs))
        layers += [nn.BatchNorm1d(outputs)] if batch_norm else []
        layers.append(nn.GELU())
    for _ in range(2 if batch_norm else 1):
        layers.pop()  # the last layer is linear
    return nn.Sequential(*layers)


def halvings(size: Size, stop: int, at_least: int = 1) -> list[Size]:
    """Return sizes from the image's down to one whose shorter side is at most `stop`.

    Each is half of the one before, rounded up: (28, 28), (14, 14), (7, 7), (4, 4) for `stop` 4. `at_least` is the
    smallest number of halvings.
    """
    sizes = [size]
    while min(sizes[-1]) > stop or len(sizes) <= at_least:
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    return sizes


def down(inputs: int, outputs: int, size: Size, bias: bool = True) -> nn.Conv2d:
    """Return a convolution (N, inputs, *size) -> (N, outputs, *half), rounded up."""
    return nn.Conv2d(inputs, outputs, _kernel(size), stride=2, padding=1, bias=bias)


def up(inputs: int, outputs: int, size: Size, bias: bool = True) -> nn.ConvTranspose2d:
    """Return a convolution (N, inputs, *half) -> (N, outputs, *size)."""
    return nn.ConvTranspose2d(inputs, outputs, _kernel(size), stride=2, padding=1, bias=bias)


def _kernel(size: Size) -> Size:
    """Return 4 for even sides, to avoid checkerboards, and 3 for odd ones."""
    return 4 - size[0] % 2, 4 - size[1] % 2


class Residual(nn.Module):
    """x + f(x), f two convolutions after batch-norm and GELU (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.f = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.f(x)


def pool_maps(maps: Tensor) -> Tensor:
    """Return the largest activations of maps (N, C, h, w) in cells, (N, 16 C).

    The grid is 4 x 4, or h x w if smaller.
    """
    grid = (min(4, maps.shape[2]), min(4, maps.shape[3]))
    return F.adaptive_max_pool2d(maps, grid).flatten(1)


@contextmanager
def keep_statistics(network: nn.Module) -> Iterator[None]:
    """Keep running statistics of batch-norm, which normalises by the batch."""
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for layer in layers:
        layer.track_running_stats = not layer.training
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


@torch.no_grad()
def move_towards(averages: Iterable[Tensor], values: Iterable[Tensor], share: float) -> None:
    """Move averages by a fraction of the way to their values, in place."""
    for average, value in zip(averages, values, strict=True):
        average.copy_(average.float().lerp(value.float(), share))  # truncates integers
