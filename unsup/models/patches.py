"""K-means on whitened patches, compared and pooled, without any gradient."""

from collections.abc import Callable, Iterator
from typing import Annotated

from torch import Tensor

from unsup.core.ranges import AtLeast
from unsup.models.base import Model
from unsup.models.parts.patch_dictionary import PatchDictionary
from unsup.models.parts.patch_features import PatchFeatures


class Patches(Model):
    """z = roots of the mean closeness of each region's patches to K centroids.

    Coates, Lee & Ng 2011, "An analysis of single-layer networks in unsupervised feature learning", sections 3 and 4:
    random patches, each less its mean and divided by its deviation, together whitened (ZCA); k-means on them, here in
    mini-batches. A patch activates the centroids that are nearer than the average one, about half of them (to first
    order their "triangle", `PatchDictionary`); activations are averaged over each region, there a quadrant. Published
    on CIFAR-10 with an SVM: 77.9 % with K = 1,600, 79.6 % with 4,000.

    Unlike in the paper, averages include the mirror image where it has the same meaning (`augmentation`), and the code
    is their square root, as for the pooled features of Perronnin, Sánchez & Mensink 2010, "Improving the Fisher kernel
    for large-scale image classification", section 3.2. Averages that mirroring makes equal are in the code once: it has
    grid² K entries, or about half as many with mirror images.

    Untrained, the centroids are drawn from a normal distribution and patches are normalised but not whitened: the
    untrained network of a report is one of random filters.

    Args:
        shape: (C, H, W) of an image.
        augmentation: the data set's preset. Unless it is "digits", an image and its mirror image have one code.
        centroids: K.
        patch: side of a patch in pixels.
        stride: pixels between patches.
        grid: regions in a row and in a column.
        zca: constant added to the eigenvalues of the patches' covariance, at least 0.

    Raises:
        UsageError: images are smaller than a patch.
    """

    bibtex = """@misc{coates2011single,
  title = {{An analysis of single-layer networks in unsupervised feature learning}},
  author = {Coates and Lee and Ng}, year = {2011}
}"""

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str = "natural",
        centroids: Annotated[int, AtLeast(1)] = 800,
        patch: Annotated[int, AtLeast(1)] = 6,
        stride: Annotated[int, AtLeast(1)] = 1,
        grid: Annotated[int, AtLeast(1)] = 2,
        zca: Annotated[float, AtLeast(0)] = 0.1,
    ) -> None:
        super().__init__(shape)
        dictionary = PatchDictionary(shape[0], centroids, patch, stride, zca, mirrored=augmentation != "digits")
        self.features = PatchFeatures(dictionary, shape[1:], grid)

    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        self.features.dictionary.fit(images, self.seed)

    def encode(self, x: Tensor) -> Tensor:
        return self.features(x)
