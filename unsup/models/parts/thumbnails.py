"""Small copies of images, for methods whose cost grows with the number of pixels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.area_averages import area_averages

SIDE = 32  # of the largest thumbnail
Shape = tuple[int, int, int]  # channels, height, width


class Thumbnail(nn.Module):
    """Area averages (N, C, h, w) of images (N, C, H, W), of at most 32 x 32 pixels.

    A thumbnail keeps the proportions of the image. Images of at most 32 x 32 pixels are their own thumbnails.

    Args:
        shape: (C, H, W) of an image.

    Attributes:
        shape: (C, h, w) of a thumbnail.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        channels, height, width = shape
        shrink = max(height, width, SIDE) / SIDE
        self.shape: Shape = (channels, max(1, round(height / shrink)), max(1, round(width / shrink)))
        self.size = (height, width)
        self.smaller = self.shape != tuple(shape)
        if self.smaller:
            self.register_buffer("rows", torch.from_numpy(area_averages(height, self.shape[1])), persistent=False)
            self.register_buffer(
                "columns", torch.from_numpy(area_averages(width, self.shape[2])).T.contiguous(), persistent=False
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.rows @ x @ self.columns if self.smaller else x

    def enlarged(self, thumbnails: Tensor) -> Tensor:
        """Return images (N, C, H, W) from thumbnails, interpolated linearly."""
        return F.interpolate(thumbnails, self.size, mode="bilinear") if self.smaller else thumbnails
