"""An encoder from elsewhere once it is loaded, and how it prepares pictures."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn

Interpolation = Literal["bilinear", "bicubic"]
Prepare = Callable[[Image.Image], Tensor]  # RGB, or grey for one channel -> (C, S, S) float32 in [0, 1]

DEFAULT_SIZE = 224  # of code and files that state none
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation
ONLY_WEIGHTS = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@dataclass(frozen=True)
class Preparation:
    """The user's options, None for what the encoder's source says.

    Attributes:
        size: edge of the square pictures in pixels.
        crop: share of the scaled shorter side that the middle square keeps.
        interpolation: how images are scaled.
        mean: subtracted from each channel of pixels in [0, 1].
        std: divides each channel after that.
    """

    size: int | None = None
    crop: float | None = None
    interpolation: Interpolation | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None


@dataclass(frozen=True)
class Loaded:
    """A network, and what its pictures are.

    Attributes:
        network: normalised pictures (N, C, S, S) -> codes (N, D).
        prepare: an image -> its picture.
        shape: (C, S, S) of a picture.
        mean: (C,) subtracted from a picture, in [0, 1].
        std: (C,) divides it after that.
        preparation: all of this in words, for the report.
        key: the same in full.
        pretrained_on: as in `Model`.
        builder: whether its source also makes the network without weights.
    """

    network: nn.Module
    prepare: Prepare
    shape: tuple[int, int, int]
    mean: Sequence[float]
    std: Sequence[float]
    preparation: str
    key: str
    pretrained_on: Mapping[str, Any] | None = None
    builder: bool = False


def standard(
    network: nn.Module,
    options: Preparation,
    *,
    size: int = DEFAULT_SIZE,
    channels: int = 3,
    crop: float = 1.0,
    interpolation: Interpolation = "bicubic",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    **facts: Any,
) -> Loaded:
    """Return an encoder of the middle square of images.

    Their shorter side is scaled first.

    Args:
        network: of `Loaded`, and so are `facts`.
        options: which override the rest.
        size: of the pictures.
        channels: of the pictures.
        crop: as in `Preparation`, and so are the others; without mean and deviation pixels stay in [0, 1].
        interpolation: how images are scaled.
        mean: of the pixels.
        std: of the pixels.
        facts: further fields of `Loaded`.
    """
    from torchvision.transforms import v2

    size, crop = options.size or size, options.crop or crop
    scale = round(size / crop)
    how = options.interpolation or interpolation
    prepare = v2.Compose(
        [
            v2.Resize(scale, interpolation=v2.InterpolationMode(how)),
            v2.CenterCrop(size),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    mean = options.mean or mean or [0.0] * channels
    std = options.std or std or [1.0] * channels
    words = f"{in_words(scale, size, how)}; {normalisation_in_words(mean, std)}"
    return Loaded(network, prepare, (channels, size, size), mean, std, words, repr(prepare), **facts)


def in_words(scale: int | str, size: int | str, interpolation: str) -> str:
    """Return how pictures are scaled and cut."""
    cut = "" if scale == size else f", the middle {size} x {size}"
    return f"shorter side {scale} px{cut}, {interpolation}"


def normalisation_in_words(mean: Sequence[float], std: Sequence[float]) -> str:
    """Return how pixels are normalised."""
    if set(mean) == {0.0} and set(std) == {1.0}:
        return "pixels in [0, 1]"
    means, deviations = (" ".join(f"{value:.3g}" for value in values) for values in (mean, std))
    return f"mean {means}, deviation {deviations}"


@contextmanager
def weights_only() -> Iterator[None]:
    """Make torch load tensors only, so that no code in a file of weights runs."""
    before = os.environ.get(ONLY_WEIGHTS)
    os.environ[ONLY_WEIGHTS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[ONLY_WEIGHTS]
        else:
            os.environ[ONLY_WEIGHTS] = before
