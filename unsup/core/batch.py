"""The batch that loaders give and models train on."""

from torch import Tensor

Batch = tuple[Tensor, Tensor]  # x: (N, C, H, W) float32 in [0, 1]; index: (N,) positions among the training images
