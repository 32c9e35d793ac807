"""BYOL, in which a network predicts what its moving average makes of another view."""

import math
from copy import deepcopy
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.ranges import Above, AtLeast, Between
from unsup.models.base import Model
from unsup.models.parts.augment import augment
from unsup.models.parts.backbones import build_backbone
from unsup.models.parts.layers import mlp, move_towards


class BYOL(Model):
    """L = ||q(z1) - z2'||² + ||q(z2) - z1'||², all of length 1.

    Projections z come from the online network, z' from the target, which is its moving average. The code is the input
    of the online projector.

    Grill et al. 2020, "Bootstrap your own latent: a new approach to self-supervised learning", section 3. There are no
    negatives: codes do not collapse because only the online side has a predictor q, and no gradient reaches the target.
    The loss itself is 0 for equal codes of all images; `online/effective_rank` shows a collapse.

    Args:
        backbone: encoder, "conv", "resnet18", "patches", "torchvision:NAME" or "timm:NAME" (`build_backbone`).
        width: of the encoder; codes have 4 ("conv") or 8 ("resnet18", "patches") times as many entries.
        hidden: hidden width of the projector and of the predictor.
        embedding: output width of both.
        decay: τ of the moving average in the first step, from 0 to 1; it rises to 1 (`decay_at`).
        view_scale: side of a training view, as a fraction of the image's (`SimCLR`).
    """

    bibtex = """@misc{grill2020bootstrap,
  title = {{Bootstrap your own latent: a new approach to self-supervised learning}},
  author = {Grill and others}, year = {2020}
}"""
    views_per_image = 2

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str,
        backbone: str = "conv",
        width: Annotated[int, AtLeast(1)] = 16,
        hidden: Annotated[int, AtLeast(1)] = 256,
        embedding: Annotated[int, AtLeast(1)] = 64,
        decay: Annotated[float, Between(0, 1)] = 0.99,
        view_scale: Annotated[float, Above(0, most=1)] = 1.0,
        weight_decay: float = 1e-4,
        lr: float = 2e-3,
    ) -> None:
        super().__init__(shape, lr)
        self.augmentation, self.decay, self.weight_decay = augmentation, decay, weight_decay
        self.view_scale = view_scale
        self.backbone, features = build_backbone(backbone, shape, width, augmentation)
        self.projector = mlp((features, hidden, embedding), batch_norm=True)
        self.predictor = mlp((embedding, hidden, embedding), batch_norm=True)
        self.target = deepcopy(nn.Sequential(self.backbone, self.projector)).requires_grad_(False)

    def view(self, x: Tensor) -> Tensor:
        """Draw a random view of each image."""
        return augment(x, self.augmentation, scale=self.view_scale)

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.view(x), self.view(x)

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        views = torch.cat(self.views(x))  # both in one pass: (2N, C, H, W)
        predicted = self.predictor(self.projector(self.backbone(views))).float()  # (2N, E)
        with torch.no_grad():
            targets = self.target(views).float().roll(len(x), 0)  # of the other view
        return {"loss": 2 * squared_distance(predicted, targets)}  # the mean over 2N rows, twice: two terms per image

    def encode(self, x: Tensor) -> Tensor:
        return self.backbone(x)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        return {"projection": self.projector(self.backbone(x))}

    def configure_optimizers(self) -> Any:
        """Return the online network's optimizer, whose steps the target follows."""
        configured, total = super().configure_optimizers(), self.total_steps("the decay of the moving average")
        configured["optimizer"].register_step_post_hook(
            lambda *_: self.follow(decay_at(self.iteration, total, self.decay))  # the step is not counted yet: 0 first
        )
        return configured

    def follow(self, decay: float) -> None:
        """Move the target's weights, ξ <- τ ξ + (1 - τ) θ, and not its statistics."""
        online = [*self.backbone.parameters(), *self.projector.parameters()]
        move_towards(self.target.parameters(), online, 1 - decay)


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean of ||a - b||² over rows (N, E) of length 1 (equation 2)."""
    return 2 - 2 * F.cosine_similarity(a, b, dim=1).mean()


def decay_at(step: int, total: int, first: float) -> float:
    """Return τ = 1 - (1 - first) (cos(π step / total) + 1) / 2 (section 3.3)."""
    return 1 - (1 - first) * (math.cos(math.pi * step / total) + 1) / 2
