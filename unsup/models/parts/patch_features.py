"""Averages of the activations of patches over regions of an image."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.errors import UsageError
from unsup.models.parts.patch_dictionary import PatchDictionary

ROOT = 1e-4  # added before the square root, which amplifies rounding near 0
ACTIVATIONS = 1_200_000  # of patches and centroids at a time, which fit into the cache of a processor


class PatchFeatures(nn.Module):
    """Roots of the mean activations in each region, (N, D) of images (N, C, H, W).

    Where the dictionary is mirrored, means are also over the mirror image, which has the same features then, at no
    cost: its activations are those of the image in another order. Of means that this makes equal one is in the result.
    (The features of the two differ slightly where the stride does not divide W - patch, as patches then lie elsewhere.)

    Args:
        dictionary: of patches.
        size: (H, W) of an image.
        grid: regions in a row and in a column; they share patches where it does not divide the number of these.

    Attributes:
        features: D, grid² K, or half as many with mirror images.

    Raises:
        UsageError: images are smaller than a patch.
    """

    pooling: Tensor

    def __init__(self, dictionary: PatchDictionary, size: tuple[int, int], grid: int) -> None:
        super().__init__()
        self.dictionary, self.grid = dictionary, grid
        height, width = dictionary.positions(size)
        if not height or not width:
            raise UsageError(f"model.patch {dictionary.patch} is too large for {size[0]} x {size[1]} pixels: lower it")
        each_position = torch.eye(height * width).unflatten(1, (height, width))
        pooling = F.adaptive_avg_pool2d(each_position, grid).flatten(1).T  # (grid², positions)
        self.register_buffer("pooling", pooling.contiguous(), persistent=False)
        centroids, (half, middle) = len(dictionary.centroids), divmod(grid, 2)
        mirrored = grid * (half * centroids + middle * dictionary.drawn)
        self.features = mirrored if dictionary.mirrored else grid**2 * centroids

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():  # the number of images is unknown
            return self._features(x)
        chunk = max(1, ACTIVATIONS // (self.pooling.shape[1] * len(self.dictionary.centroids)))
        return torch.cat([self._features(part) for part in x.split(chunk)])

    def _features(self, x: Tensor) -> Tensor:
        """Return the features of a few images."""
        means = self.pooling @ self.dictionary(x).flatten(1, 2)  # (n, grid², K)
        if not self.dictionary.mirrored:
            return (means + ROOT).sqrt().flatten(1)
        means = means.unflatten(1, (self.grid, self.grid))  # rows, columns
        roots = ((means + means.flip(2).roll(self.dictionary.drawn, 3)) / 2 + ROOT).sqrt()
        left = roots[:, :, : self.grid // 2].flatten(1)
        middle = roots[:, :, self.grid // 2 : (self.grid + 1) // 2, : self.dictionary.drawn].flatten(1)
        return torch.cat([left, middle], dim=1)
