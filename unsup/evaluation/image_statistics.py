"""The baseline that reads brightness, contrast, edges and colours, and no shapes."""

import torch
from torch import Tensor

from unsup.models.base import Model

COLOUR_STEPS = 4  # of red, green and blue each, in a joint histogram of colour images
GREY_STEPS = 16  # of each channel of other images


class ImageStatistics(Model):
    """Means, deviations, edges and a histogram of an image, without parameters.

    Of each channel: the mean, the standard deviation, and the mean absolute differences between neighbouring pixels in
    a row and in a column. The histogram holds shares of the pixels: in 4 x 4 x 4 colours of images with three channels,
    else in 16 steps of each channel. A class that is told by these alone (another camera, another background) is told
    without any shape.

    Args:
        shape: (C, H, W) of an image.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)

    def encode(self, x: Tensor) -> Tensor:
        across, down = x.diff(dim=3, append=x[:, :, :, -1:]), x.diff(dim=2, append=x[:, :, -1:])
        moments = [x.mean((2, 3)), x.std((2, 3), correction=0)]
        edges = [difference.abs().mean((2, 3)) for difference in (across, down)]
        return torch.cat([*moments, *edges, histogram(x)], dim=1)


def histogram(x: Tensor) -> Tensor:
    """Return the share of the pixels (N, B) in each step of colour or brightness."""
    n, channels, height, width = x.shape
    if channels == 3:
        steps = (x * COLOUR_STEPS).long().clamp(max=COLOUR_STEPS - 1)
        bins, count = steps[:, 0] * COLOUR_STEPS**2 + steps[:, 1] * COLOUR_STEPS + steps[:, 2], COLOUR_STEPS**3
    else:
        steps = (x * GREY_STEPS).long().clamp(max=GREY_STEPS - 1)
        count = channels * GREY_STEPS
        bins = steps + GREY_STEPS * torch.arange(channels, device=x.device)[:, None, None]
    bins = bins.flatten(1) + count * torch.arange(n, device=x.device)[:, None]
    counts = torch.bincount(bins.flatten(), minlength=n * count).view(n, count)
    return counts.float() / (height * width)
