"""The baseline that learns nothing, whose code is the image."""

from torch import Tensor

from unsup.models.base import Model
from unsup.models.parts.thumbnails import Thumbnail


class Pixels(Model):
    """z = x, flattened to (N, C·H·W), without any parameters.

    Images larger than 32 x 32 pixels are averaged down to that first (`unsup.models.parts.thumbnails`).

    Args:
        shape: (C, H, W) of an image.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)
        self.thumbnail = Thumbnail(shape)

    def encode(self, x: Tensor) -> Tensor:
        return self.thumbnail(x).flatten(1)
