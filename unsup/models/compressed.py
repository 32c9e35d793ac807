"""The hidden layers of a network trained on views, compressed in closed form."""

from collections.abc import Callable, Iterator
from typing import Annotated

import torch
from torch import Tensor

from unsup.core.errors import UsageError, UserError
from unsup.core.ranges import Above, AtLeast
from unsup.models.base import Model
from unsup.models.parts.augment import augment
from unsup.models.parts.backbones import backbone_weights, build_backbone, hidden_layers, hidden_sizes
from unsup.models.parts.closed_form import COMPARED_IMAGES, ViewMoments, deviations, leading_directions, spread
from unsup.models.parts.spectral import nearest_by_cosine

NEIGHBOURHOOD = 60_000  # images among which neighbours are searched, spread over the training images
FACTOR = 4  # directions that neighbours choose from, for each entry of the code
COMPARED = 2  # directions by which neighbours are found, for each entry of the code
NEIGHBOUR_RIDGE = 0.02  # `ridge` of that choice
POWER = 0.125  # of the ratio of variances that scales a direction chosen by neighbours


class Compressed(Model):
    """z = Vᵀ (h - mean), h the hidden layers of another run's backbone.

    What a method on views returns, the average of the last maps, is a narrow view of what its network knows: a linear
    probe reads more from wider layers, but these are full of what views change. V are the directions of h in which
    images differ most for what random views of an image do, as in `closed_form`, without a gradient (Balestriero &
    LeCun 2022, "Contrastive and non-contrastive self-supervised learning recover global and local spectral embedding
    methods").

    Of the first directions then those are chosen in which images differ most for what an image and its nearest
    neighbours do, by cosine of the code so far: neighbours are views of each other, as in Dwibedi et al. 2021, "With a
    little help from my friends: nearest-neighbor contrastive learning of visual representations".

    `backbone` and `width` are those of the run that this one starts from, of any method that has a backbone (`simclr`,
    `vicreg`, `byol`, `emp_ssl`, `lejepa`). The backbone does not change.

    Args:
        backbone: encoder, "conv", "resnet18", "patches", "torchvision:NAME" or "timm:NAME" (`build_backbone`).
        width: of the encoder.
        code_dim: number of directions.
        views: random views of an image, at least 2; of at most 20,000 images, evenly spread.
        area: least fraction of an image that a view shows, above 0 to 1 (`augment`).
        ridge: added to the variance within images, as a fraction of its mean.
        neighbours: of an image; 0 leaves the second choice out.

    Raises:
        UsageError: there are fewer hidden values than `code_dim`.
    """

    bibtex = """@misc{balestriero2022contrastive,
  title = {{Contrastive and non-contrastive self-supervised learning recover global and local spectral embedding methods}},
  author = {Balestriero and LeCun}, year = {2022}
}
@misc{dwibedi2021little,
  title = {{With a little help from my friends: nearest-neighbor contrastive learning of visual representations}},
  author = {Dwibedi and others}, year = {2021}
}"""  # noqa: E501
    needs_init = True
    views_per_image: int
    mean: Tensor
    directions: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str,
        backbone: str = "conv",
        width: Annotated[int, AtLeast(1)] = 16,
        code_dim: int = 128,
        views: Annotated[int, AtLeast(2)] = 4,
        area: Annotated[float, Above(0, most=1)] = 0.3,
        ridge: Annotated[float, Above(0)] = 0.2,
        neighbours: Annotated[int, AtLeast(0)] = 10,
    ) -> None:
        super().__init__(shape)
        self.augmentation, self.area, self.ridge, self.neighbours = augmentation, area, ridge, neighbours
        self.views_per_image = views
        self.backbone, _ = build_backbone(backbone, shape, width, augmentation)
        self.backbone.requires_grad_(False)
        hidden = sum(hidden_sizes(self.backbone, shape))
        if code_dim > hidden:
            raise UsageError(f"model.code_dim is {code_dim}: the hidden layers of {backbone} have {hidden} values")
        self.register_buffer("mean", torch.zeros(hidden))
        self.register_buffer("directions", torch.randn(hidden, code_dim) / hidden**0.5)

    def initialise(self, state: dict[str, Tensor]) -> None:
        """Take the backbone of another run."""
        super().initialise(backbone_weights(state))

    @torch.no_grad()
    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        self.eval()
        code_dim, n = self.directions.shape[1], sum(len(x) for x in images())
        if n <= code_dim:
            raise UserError(f"{n} images are too few for {code_dim} directions: lower model.code_dim")
        moments = ViewMoments(len(self.mean))
        for x in spread(images(), n, COMPARED_IMAGES):
            moments.add(torch.stack([self._hidden(self.view(x)) for _ in range(self.views_per_image)]))
        layers = moments.total.diagonal().split(hidden_sizes(self.backbone, self.shape))
        scale = torch.cat([layer.sum().rsqrt().expand(len(layer)) for layer in layers])  # so that layers count alike
        total, within = (scale[:, None] * matrix * scale for matrix in (moments.total, moments.within))
        count = min(len(scale), FACTOR * code_dim) if self.neighbours else code_dim
        directions, ratios = leading_directions(total, within, self.ridge, count)
        weights = ratios / (1 + ratios) / deviations(directions, total)
        directions = scale[:, None] * directions
        if self.neighbours:
            hidden = (self._hidden(x).cpu().double() for x in spread(images(), n, NEIGHBOURHOOD))
            codes = torch.cat([(h - moments.mean) @ directions for h in hidden])
            directions = directions @ self._agreed(codes - codes.mean(0), weights)
        else:
            directions = directions * weights
        self.mean.copy_(moments.mean)
        self.directions.copy_(directions)

    def _agreed(self, codes: Tensor, weights: Tensor) -> Tensor:
        """Return directions (D, code_dim) in which neighbours are most alike.

        Neighbours of codes (N, D) are near by the leading ones, scaled by weights (D,).
        """
        code_dim = self.directions.shape[1]
        compared = COMPARED * code_dim
        near = nearest_by_cosine(codes[:, :compared] * weights[:compared], min(self.neighbours, len(codes) - 1))
        apart = torch.zeros(codes.shape[1], codes.shape[1], dtype=codes.dtype)
        for neighbour in near.T:
            difference = codes - codes[neighbour]
            apart += difference.T @ difference / (2 * len(codes) * len(near.T))
        directions, ratios = leading_directions(codes.T @ codes / len(codes), apart, NEIGHBOUR_RIDGE, code_dim)
        return directions * ratios.clamp(min=0) ** POWER

    def view(self, x: Tensor) -> Tensor:
        """Draw a random view of each image."""
        return augment(x, self.augmentation, least_area=self.area)

    def _hidden(self, x: Tensor) -> Tensor:
        """Return all hidden layers next to each other, (N, D)."""
        return torch.cat(hidden_layers(self.backbone, x), dim=1).float()

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.view(x), self.view(x)

    def encode(self, x: Tensor) -> Tensor:
        return (self._hidden(x) - self.mean) @ self.directions
