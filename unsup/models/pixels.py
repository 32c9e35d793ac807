"""The baseline that learns nothing, whose code is the image."""

from torch import Tensor

from unsup.models.base import Model


class Pixels(Model):
    """z = x, flattened to (N, C·H·W), without any parameters.

    Args:
        shape: (C, H, W) of an image.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)
