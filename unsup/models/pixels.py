"""The floor that learns nothing: the code is the image."""

from torch import Tensor

from unsup.models.base import Model


class Pixels(Model):
    """z = x, flattened: (N, C·H·W). No parameters, nothing to train, no reconstruction to score.

    Args:
        shape: (C, H, W) of an image.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)
