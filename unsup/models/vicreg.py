"""VICReg, in which views share an embedding of uncorrelated dimensions."""

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from unsup.core.distributed import gather
from unsup.core.ranges import Above, AtLeast
from unsup.models.base import Model
from unsup.models.parts.augment import augment
from unsup.models.parts.backbones import build_backbone
from unsup.models.parts.layers import mlp

EPSILON = 1e-4  # added to a variance under its root: without it a collapsed dimension has an infinite gradient


class VICReg(Model):
    """L = i s(Z, Z') + v [v(Z) + v(Z')] + c [c(Z) + c(Z')].

    Bardes, Ponce & LeCun 2022, "VICReg: variance-invariance-covariance regularization for self-supervised learning",
    section 4 and algorithm 1, which also averages s over dimensions (equation 5 sums them). The code is the input of
    the expander.

    The paper (equation 6, algorithm 1) adds v of the two views. The authors' code, by which its results were obtained,
    takes their mean, so that the same weight v counts half.

    Args:
        backbone: encoder, "conv", "resnet18", "patches", "torchvision:NAME" or "timm:NAME" (`build_backbone`).
        width: of the encoder; codes have 4 ("conv") or 8 ("resnet18", "patches") times as many entries.
        projection: width of the expander's three layers.
        invariance: weight i of s, the mean squared distance of the two views' embeddings.
        variance: weight v of v, the mean shortfall of the dimensions' standard deviations from 1.
        covariance: weight c of c, the sum of the squared covariances of different dimensions, for each dimension.
        variance_term: "sum" of v over the two views, as in the paper, or their "mean", as in the authors' code.
        view_scale: side of a training view, as a fraction of the image's (`SimCLR`).
    """

    bibtex = """@misc{bardes2022vicreg,
  title = {{VICReg: variance-invariance-covariance regularization for self-supervised learning}},
  author = {Bardes and Ponce and LeCun}, year = {2022}
}"""
    views_per_image = 2

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str,
        backbone: str = "conv",
        width: Annotated[int, AtLeast(1)] = 16,
        projection: Annotated[int, AtLeast(2)] = 128,
        invariance: Annotated[float, AtLeast(0)] = 25.0,
        variance: Annotated[float, AtLeast(0)] = 25.0,
        covariance: Annotated[float, AtLeast(0)] = 1.0,
        variance_term: Literal["sum", "mean"] = "sum",
        view_scale: Annotated[float, Above(0, most=1)] = 1.0,
        weight_decay: float = 1e-4,
        lr: float = 2e-3,
    ) -> None:
        super().__init__(shape, lr)
        self.augmentation, self.weight_decay = augmentation, weight_decay
        self.view_scale = view_scale
        self.invariance, self.variance, self.covariance = invariance, variance, covariance
        self.variance_term = variance_term
        self.backbone, features = build_backbone(backbone, shape, width, augmentation)
        self.projector = mlp((features, projection, projection, projection), batch_norm=True)

    def view(self, x: Tensor) -> Tensor:
        """Draw a random view of each image."""
        return augment(x, self.augmentation, scale=self.view_scale)

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.view(x), self.view(x)

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        z1, z2 = self.projector(self.backbone(torch.cat(self.views(x)))).float().chunk(2)  # (N, P) each
        with torch.autocast(x.device.type, enabled=False):  # covariances in float32
            (v1, c1), (v2, c2) = spread(z1), spread(z2)
            s, v, c = F.mse_loss(z1, z2), v1 + v2, c1 + c2
            if self.variance_term == "mean":
                v = v / 2
        loss = self.invariance * s + self.variance * v + self.covariance * c
        return {"loss": loss, "invariance": s, "variance": v, "covariance": c}

    def encode(self, x: Tensor) -> Tensor:
        return self.backbone(x)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        return {"projection": self.projector(self.backbone(x))}


def spread(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return v(Z) and c(Z) of embeddings (N, P) of all processes (equations 1 and 4)."""
    z = gather(z)
    z = z - z.mean(0)
    covariance = z.T @ z / (len(z) - 1)  # (P, P)
    variance = covariance.diagonal()
    shortfall = F.relu(1 - (variance + EPSILON).sqrt()).mean()
    return shortfall, (covariance.square().sum() - variance.square().sum()) / z.shape[1]
