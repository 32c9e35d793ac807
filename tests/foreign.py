"""Networks from elsewhere with random weights, photographs of noise and folders of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

CODE = '''
import torch
from torch import nn


class Averages(nn.Module):
    """The mean and the deviation of each channel in quarters of the picture, 24 numbers."""

    def forward(self, x):
        quarters = torch.stack([part for half in x.tensor_split(2, 2) for part in half.tensor_split(2, 3)], 1)
        return torch.cat([quarters.mean((3, 4)), quarters.std((3, 4))], 1).flatten(1)


def build():
    return Averages()


class Network(nn.Sequential):
    def __init__(self, pretrained=True):
        super().__init__(nn.Conv2d(3, 8, 4, 4), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        if pretrained:
            with torch.random.fork_rng():
                torch.manual_seed(3)
                self[0].reset_parameters()


class Maps(nn.Module):
    def forward(self, x):
        return x


class NaN(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)) / 0 * 0


class Rows(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))[:1]


class Words(nn.Module):
    def forward(self, x):
        return {"codes": x}


class Training(nn.Module):
    """Forgets that it is evaluated: its statistics follow the pictures."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        self.norm.train()
        return self.norm(x).mean((2, 3))


def broken():
    raise ValueError("no weights here")


number = 3
'''


def photograph(path: Path, size: tuple[int, int] = (301, 257), seed: int = 0, **options: object) -> Path:
    """Write a smooth random picture."""
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(path, **options)  # type: ignore[arg-type]
    return path


def folder(top: Path, images: int = 40, size: tuple[int, int] = (90, 70)) -> Path:
    """Two classes of pictures, bright and dark ones."""
    for i in range(images):
        name = ("bright", "dark")[i % 2]
        path = photograph(top / name / f"{i:03d}.png", size, i)
        pixels = np.asarray(Image.open(path)) // 2 + (100 if i % 2 == 0 else 0)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return top


def directly(network: nn.Module | Callable[[Tensor], Tensor], pictures: Tensor) -> Tensor:
    """The codes of normalised pictures, as a few lines of PyTorch have them."""
    if isinstance(network, nn.Module):
        network.eval()
    with torch.no_grad():
        return network(pictures)
