"""SimCLR, in which views of an image find each other among all views of the batch."""

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from unsup.core.distributed import gather, rank
from unsup.core.ranges import Above, AtLeast
from unsup.models.base import Model
from unsup.models.parts.augment import augment
from unsup.models.parts.backbones import Backbone, build_backbone
from unsup.models.parts.layers import mlp


class SimCLR(Model):
    """L = NT-Xent of the projections of two views.

    Chen et al. 2020, "A simple framework for contrastive learning of visual representations", sections 2.1 and 4.2. The
    code is the input of the projector.

    Arguments that the joint-embedding methods share are in `unsup.models.parts.backbones`.

    Args:
        projection: width of the projector's output.
        temperature: divides the cosines between projections.
        view_scale: sides of a training view as a share of the image's, above 0 to 1. Things look larger in a view,
            which shows a part of its image, than in the whole image that is encoded; smaller views undo this (Touvron
            et al. 2019, "Fixing the train-test resolution discrepancy") and cost less.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str,
        backbone: Backbone = "conv",
        width: Annotated[int, AtLeast(1)] = 16,
        projection: Annotated[int, AtLeast(1)] = 128,
        temperature: Annotated[float, Above(0)] = 0.5,
        view_scale: Annotated[float, Above(0, most=1)] = 1.0,
        weight_decay: float = 1e-4,
        lr: float = 2e-3,
    ) -> None:
        super().__init__(shape, lr)
        self.augmentation, self.temperature, self.weight_decay = augmentation, temperature, weight_decay
        self.view_scale = view_scale
        self.backbone, features = build_backbone(backbone, shape, width)
        self.projector = mlp((features, features, projection), batch_norm=True)

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = (augment(x, self.augmentation, scale=self.view_scale) for _ in range(2))
        return first, second

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        z = self.projector(self.backbone(torch.cat(self.views(x)))).float()  # both views in one pass: (2N, P)
        return {"loss": nt_xent(z[: len(x)], z[len(x) :], self.temperature)}

    def encode(self, x: Tensor) -> Tensor:
        return self.backbone(x)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        return {"projection": self.projector(self.backbone(x))}


def nt_xent(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """Return the mean cross-entropy of finding each other view (equation 1).

    Logits are cosines. The candidates are all 2N - 1 other views, of all processes.

    Args:
        z1: (N, P) projections.
        z2: (N, P) projections of the other views, in the same order.
        temperature: divides the cosines.
    """
    n = len(z1)
    first, second = F.normalize(z1, dim=1), F.normalize(z2, dim=1)
    everyone = torch.cat([gather(first), gather(second)])  # (2M, P), M images in all processes
    total = len(everyone) // 2
    own = torch.arange(n, device=z1.device) + rank() * n  # positions of this process's images among the M
    logits = torch.cat([first, second]) @ everyone.T / temperature  # (2N, 2M)
    itself = torch.cat([own, own + total])
    logits = logits.scatter(1, itself[:, None], float("-inf"))
    return F.cross_entropy(logits, torch.cat([own + total, own]))
