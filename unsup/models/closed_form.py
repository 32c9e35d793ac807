"""A linear code of patches that views of an image agree on, in closed form."""

from collections.abc import Callable, Iterator
from typing import Annotated

import torch
from torch import Tensor

from unsup.core.errors import UsageError, UserError
from unsup.core.ranges import Above, AtLeast
from unsup.models.base import Model
from unsup.models.parts.augment import augment
from unsup.models.parts.closed_form import COMPARED_IMAGES, ViewMoments, deviations, leading_directions, spread
from unsup.models.parts.patch_dictionary import PatchDictionary
from unsup.models.parts.patch_features import PatchFeatures


class ClosedForm(Model):
    """z = diag(λ / (1 + λ)) Vᵀ (h - mean), h the features of patches.

    V are the `code_dim` directions in which images differ most for what random views of an image do, and λ these ratios
    of variances (`unsup.models.parts.closed_form`): the best linear encoder by the losses of VICReg or Barlow Twins,
    without a gradient. Balestriero & LeCun 2022, "Contrastive and non-contrastive self-supervised learning recover
    global and local spectral embedding methods"; with such features it is the second half of the sparse manifold
    transform of Chen et al. 2022, "Minimalistic unsupervised learning with the sparse manifold transform". Columns of V
    are scaled to codes of variance 1 before λ / (1 + λ), the share of it that lies between images.

    h are roots of averages of the activations of K centroids of patches over regions (`PatchFeatures`).

    Untrained, the centroids are drawn from a normal distribution, and V are random directions.

    Args:
        shape: (C, H, W) of an image.
        augmentation: the data set's preset of views. Unless it is "digits", a mirror image has the image's code.
        code_dim: number of directions.
        centroids: K.
        patch: side of a patch in pixels.
        stride: pixels between patches.
        grid: regions in a row and in a column.
        zca: constant added to the eigenvalues of the patches' covariance, at least 0.
        views: random views of an image, at least 2; of at most 20,000 images, evenly spread.
        area: least fraction of an image that a view shows, above 0 to 1 (`augment`).
        ridge: added to the variance within images, as a fraction of its mean.

    Raises:
        UsageError: images are smaller than a patch, or there are fewer features than `code_dim`.
    """

    bibtex = """@misc{balestriero2022contrastive,
  title = {{Contrastive and non-contrastive self-supervised learning recover global and local spectral embedding methods}},
  author = {Balestriero and LeCun}, year = {2022}
}
@misc{chen2022minimalistic,
  title = {{Minimalistic unsupervised learning with the sparse manifold transform}},
  author = {Chen and others}, year = {2022}
}"""  # noqa: E501
    views_per_image: int
    mean: Tensor
    directions: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str,
        code_dim: int = 128,
        centroids: Annotated[int, AtLeast(1)] = 400,
        patch: Annotated[int, AtLeast(1)] = 6,
        stride: Annotated[int, AtLeast(1)] = 2,
        grid: Annotated[int, AtLeast(1)] = 3,
        zca: Annotated[float, AtLeast(0)] = 0.1,
        views: Annotated[int, AtLeast(2)] = 4,
        area: Annotated[float, Above(0, most=1)] = 0.4,
        ridge: Annotated[float, Above(0)] = 0.1,
    ) -> None:
        super().__init__(shape)
        self.augmentation, self.area, self.ridge = augmentation, area, ridge
        self.views_per_image = views
        dictionary = PatchDictionary(shape[0], centroids, patch, stride, zca, mirrored=augmentation != "digits")
        self.features = PatchFeatures(dictionary, shape[1:], grid)
        features = self.features.features
        if code_dim > features:
            raise UsageError(f"model.code_dim is {code_dim}: there are {features} features, raise model.centroids")
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("directions", torch.randn(features, code_dim) / features**0.5)

    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        self.features.dictionary.fit(images, self.seed)
        moments, code_dim = ViewMoments(len(self.mean)), self.directions.shape[1]
        for x in spread(images(), sum(len(x) for x in images()), COMPARED_IMAGES):
            moments.add(torch.stack([self.features(self.view(x)) for _ in range(self.views_per_image)]))
        if moments.images <= code_dim:
            raise UserError(f"{moments.images} images are too few for {code_dim} directions: lower model.code_dim")
        directions, ratios = leading_directions(moments.total, moments.within, self.ridge, code_dim)
        self.mean.copy_(moments.mean)
        self.directions.copy_(directions / deviations(directions, moments.total) * ratios / (1 + ratios))

    def view(self, x: Tensor) -> Tensor:
        """Draw a random view of each image."""
        return augment(x, self.augmentation, least_area=self.area)

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.view(x), self.view(x)

    def encode(self, x: Tensor) -> Tensor:
        return (self.features(x) - self.mean) @ self.directions
