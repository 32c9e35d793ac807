"""LeJEPA, in which views predict their mean and embeddings are kept normal."""

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from unsup.core.distributed import gather, num_processes
from unsup.core.ranges import Above, AtLeast, Between
from unsup.models.base import Model
from unsup.models.parts.augment import augment
from unsup.models.parts.backbones import build_backbone
from unsup.models.parts.layers import mlp

KNOTS, T_MAX = 17, 3.0  # knots on [0, T_MAX], as in the authors' code: the integrand is even


class LeJEPA(Model):
    """L = (1 - λ) prediction + λ SIGReg.

    Balestriero & LeCun 2025, "LeJEPA: provable and scalable self-supervised learning without the heuristics"
    (arXiv:2511.08544), sections 4 and 5. There are no negatives, no teacher and no stop-gradient. All views are global,
    as images of this size leave no room for smaller ones. The code is the input of the projector.

    The integral of SIGReg is taken over 17 knots on [0, 3], as in the authors' code. The paper's listing has 17 points
    on [-5, 5], whose spacing of .625 takes samples near ±10.05 for samples near 0.

    Args:
        backbone: encoder, "conv", "resnet18", "patches", "torchvision:NAME" or "timm:NAME" (`build_backbone`).
        width: of the encoder; codes have 4 ("conv") or 8 ("resnet18", "patches") times as many entries.
        projection: width of the embeddings.
        views_per_image: number of views, at least 2.
        slices: number of random directions of SIGReg, drawn in each step.
        sigreg: λ, from 0 to 1 (.05 in the paper, .02 in the example of its code); SIGReg grows with the batch.
        view_scale: side of a training view, as a fraction of the image's (`SimCLR`).
    """

    bibtex = """@misc{balestriero2025lejepa,
  title = {{LeJEPA: provable and scalable self-supervised learning without the heuristics}},
  author = {Balestriero and LeCun}, year = {2025},
  eprint = {2511.08544}, archivePrefix = {arXiv}
}"""
    views_per_image: int

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str,
        backbone: str = "conv",
        width: Annotated[int, AtLeast(1)] = 16,
        projection: Annotated[int, AtLeast(1)] = 16,
        views_per_image: Annotated[int, AtLeast(2)] = 4,
        slices: Annotated[int, AtLeast(1)] = 256,
        sigreg: Annotated[float, Between(0, 1)] = 0.005,
        view_scale: Annotated[float, Above(0, most=1)] = 1.0,
        weight_decay: float = 5e-4,
        lr: float = 2e-3,
    ) -> None:
        super().__init__(shape, lr)
        self.augmentation, self.weight_decay = augmentation, weight_decay
        self.view_scale = view_scale
        self.views_per_image, self.slices, self.sigreg = views_per_image, slices, sigreg
        self.backbone, features = build_backbone(backbone, shape, width, augmentation)
        self.projector = mlp((features, 4 * features, projection), batch_norm=True)

    def view(self, x: Tensor) -> Tensor:
        """Draw a random view of each image."""
        return augment(x, self.augmentation, scale=self.view_scale)

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.view(x), self.view(x)

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        views = [self.view(x) for _ in range(self.views_per_image)]
        z = self.projector(self.backbone(torch.cat(views))).float().view(len(views), len(x), -1)  # (V, N, P)
        prediction = (z - z.mean(0)).square().mean()
        with torch.autocast(x.device.type, enabled=False):
            regularisation = sigreg(z, self.slices)
        loss = (1 - self.sigreg) * prediction + self.sigreg * regularisation
        return {"loss": loss, "prediction": prediction, "sigreg": regularisation}

    def encode(self, x: Tensor) -> Tensor:
        return self.backbone(x)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        return {"projection": self.projector(self.backbone(x))}


def sigreg(z: Tensor, slices: int) -> Tensor:
    """Return the sketched isotropic Gaussian regularisation, a mean of `epps_pulley`.

    The mean is over random directions (`slices`), the same in all processes, and over the views of z (V, N, P).
    """
    directions = F.normalize(torch.randn(slices, z.shape[-1], device=z.device), dim=1)
    return epps_pulley(z @ gather(directions)[:slices].T).mean()


def epps_pulley(x: Tensor) -> Tensor:
    """Return the distance of samples from N(0, 1) by their characteristic function c.

    It is N times the integral of |c(t) - exp(-t² / 2)|² exp(-t² / 2) over [-3, 3] (Epps & Pulley 1983), by the
    trapezoid rule; N and c are those of all processes. A normal sample of any size has a mean of 1.05, N equal numbers
    have at least .40 N. K samples x (..., N, K) give distances (..., K).
    """
    t = torch.linspace(0, T_MAX, KNOTS, device=x.device)
    normal = (-t.square() / 2).exp()  # the characteristic function of N(0, 1), and the weight
    angle = x.unsqueeze(-1) * t  # (..., N, K, T)
    means = torch.stack((angle.cos().mean(-3), angle.sin().mean(-3)))  # (2, ..., K, T)
    real, imaginary = gather(means[None]).mean(0)  # every process has as many rows
    difference = (real - normal).square() + imaginary.square()
    return 2 * x.shape[-2] * num_processes() * torch.trapezoid(difference * normal, t)
