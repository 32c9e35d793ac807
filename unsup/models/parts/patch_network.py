"""A small convolutional network on the activations of patches."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.models.parts.patch_dictionary import PatchDictionary
from unsup.models.parts.patch_features import ROOT, PatchFeatures

CENTROIDS, PATCH, STRIDE, ZCA = 400, 6, 2, 0.1
GRID = 3  # regions of the activations among the hidden layers
IMAGES = 32  # in the dictionary at a time: their activations fit into the cache of a processor


class PatchNetwork(nn.Module):
    """Codes (N, 8 width) of images (N, C, H, W), from 16 x 16 pixels.

    A dictionary of patches, found by k-means before training (`PatchDictionary`), takes the place of the first layers,
    which are the most expensive ones of a convolutional network. The square roots of its activations, averaged over
    2 x 2 positions, go through three convolutions with batch-norm and ReLU; the last maps are averaged.

    Args:
        shape: (C, H, W) of an image; smaller views of it have codes too.
        halvings: how often images are averaged down to half their side first.
        width: an eighth of the channels of the last two convolutions; the first one has 5 times as many.
        mirrored: whether the mirror image of a patch is a patch of the same kind.

    Raises:
        UsageError: images are smaller than a patch.
    """

    def __init__(self, shape: tuple[int, int, int], halvings: int, width: int, mirrored: bool) -> None:
        super().__init__()
        self.halvings = halvings
        dictionary = PatchDictionary(shape[0], CENTROIDS, PATCH, STRIDE, ZCA, mirrored)
        self.regions = PatchFeatures(dictionary, (shape[1] >> halvings, shape[2] >> halvings), GRID)
        self.scale = nn.BatchNorm2d(len(self.dictionary.centroids), affine=False)
        first, last = 5 * width, 8 * width
        self.middle = nn.Sequential(*_convolution(len(self.dictionary.centroids), first, 1), *_convolution(first, last))
        self.last = nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), *_convolution(last, last))

    @property
    def dictionary(self) -> PatchDictionary:
        return self.regions.dictionary

    def fit(self, images: Callable[[], Iterator[Tensor]], seed: int) -> None:
        """Find the patches, before the first step."""
        self.dictionary.fit(lambda: map(self._shrunk, images()), seed)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.middle(self._activations(self._shrunk(x)))).mean((2, 3))

    def hidden(self, x: Tensor, regions: int = 2) -> list[Tensor]:
        """Return averages of the patches (N, D), and of the maps (N, D').

        The last maps but one are averaged in regions x regions parts of the image, the last ones in one part less each
        way; of these there are the largest values too. D' is 48 width for 2 regions, and 112 width for 3.
        """
        x = self._shrunk(x)
        middle = self.middle(self._activations(x))
        last = self.last(middle)
        parts = [F.adaptive_avg_pool2d(middle, regions), F.adaptive_avg_pool2d(last, regions - 1)]
        return [self.regions(x), torch.cat([*(part.flatten(1) for part in parts), last.amax((2, 3))], dim=1)]

    def _shrunk(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2**self.halvings) if self.halvings else x

    @torch.no_grad()
    def _activations(self, x: Tensor) -> Tensor:
        """Return scaled roots of the dictionary's activations, (N, K, h, w)."""
        parts = [x] if torch.compiler.is_exporting() else x.split(IMAGES)  # the number of images is unknown there
        pooled = [F.avg_pool2d(self.dictionary(part).permute(0, 3, 1, 2), 2) for part in parts]
        return self.scale((torch.cat(pooled) + ROOT).sqrt())


def _convolution(inputs: int, outputs: int, side: int = 3) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
