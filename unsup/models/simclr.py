"""SimCLR, which matches two views of an image among all views in the batch."""

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from unsup.core.distributed import gather, rank
from unsup.core.ranges import Above, AtLeast
from unsup.models.base import Model
from unsup.models.parts.augment import augment
from unsup.models.parts.backbones import build_backbone
from unsup.models.parts.layers import mlp


class SimCLR(Model):
    """L = NT-Xent of the projections of two views.

    Chen et al. 2020, "A simple framework for contrastive learning of visual representations", sections 2.1 and 4.2. The
    code is the input of the projector.

    Args:
        backbone: encoder, "conv", "resnet18", "patches", "torchvision:NAME" or "timm:NAME" (`build_backbone`).
        width: of the encoder; codes have 4 ("conv") or 8 ("resnet18", "patches") times as many entries.
        projection: width of the projector's output.
        temperature: divides the cosines between projections.
        view_scale: side of a training view, as a fraction of the image's. Random crops magnify objects relative to the
            full images seen at evaluation; views below 1 compensate (Touvron et al. 2019, "Fixing the train-test
            resolution discrepancy") and are cheaper.
    """

    bibtex = """@misc{chen2020simple,
  title = {{A simple framework for contrastive learning of visual representations}},
  author = {Chen and others}, year = {2020}
}"""
    views_per_image = 2

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str,
        backbone: str = "conv",
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
        self.backbone, features = build_backbone(backbone, shape, width, augmentation)
        self.projector = mlp((features, features, projection), batch_norm=True)

    def view(self, x: Tensor) -> Tensor:
        """Draw a random view of each image."""
        return augment(x, self.augmentation, scale=self.view_scale)

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.view(x), self.view(x)

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        z = self.projector(self.backbone(torch.cat(self.views(x)))).float()  # both views in one pass: (2N, P)
        return {"loss": nt_xent(z[: len(x)], z[len(x) :], self.temperature)}

    def encode(self, x: Tensor) -> Tensor:
        return self.backbone(x)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        return {"projection": self.projector(self.backbone(x))}


def nt_xent(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """Return the mean cross-entropy of matching each view to the other (equation 1).

    Candidates for each of the projections z1 and z2, (N, P) in the same order, are all others of all processes. Logits
    are cosines, divided by the temperature.
    """
    n = len(z1)
    first, second = F.normalize(z1, dim=1), F.normalize(z2, dim=1)
    all_z = torch.cat([gather(first), gather(second)])  # (2M, P), M images in all processes
    total = len(all_z) // 2
    own_rows = torch.arange(n, device=z1.device) + rank() * n  # positions of this process's images among the M
    logits = torch.cat([first, second]) @ all_z.T / temperature  # (2N, 2M)
    self_columns = torch.cat([own_rows, own_rows + total])
    logits = logits.scatter(1, self_columns[:, None], float("-inf"))
    return F.cross_entropy(logits, torch.cat([own_rows + total, own_rows]))
