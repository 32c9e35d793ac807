"""BYOL: from one view of an image a network predicts what its own moving average makes of another view."""

import math
from copy import deepcopy
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.ranges import AtLeast, Between
from unsup.models.base import Model
from unsup.models.parts.augment import augment
from unsup.models.parts.backbones import Backbone, build_backbone
from unsup.models.parts.layers import mlp, move_towards


class BYOL(Model):
    """L = |q(z1) - z2'|^2 + |q(z2) - z1'|^2, all of length 1; z from the online network, z' from the target, its moving
    average. The code is what the online projector sees.

    Grill et al. 2020, "Bootstrap your own latent: a new approach to self-supervised learning", section 3. No negatives:
    that only the online side has a predictor q, and that no gradient reaches the target, keeps codes from collapsing.
    The loss itself would be 0 for equal codes of all images; `quick/effective_rank` shows a collapse.

    Args:
        shape: (C, H, W) of an image.
        augmentation: preset of the views (`unsup.models.parts.augment`).
        backbone: encoder (`unsup.models.parts.backbones`).
        width: its channels after the first convolution; the code has 4 ("conv") or 8 ("resnet18") times as many.
        hidden: width inside the projector and the predictor.
        embedding: width of what both of them put out.
        decay: τ of the target's moving average in the first step, from 0 to 1; it rises to 1 (`decay_at`).
        weight_decay: of the weights.
        lr: peak learning rate (`Model`).

    Raises:
        UsageError: a value outside its range.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str,
        backbone: Backbone = "conv",
        width: Annotated[int, AtLeast(1)] = 16,
        hidden: Annotated[int, AtLeast(1)] = 256,
        embedding: Annotated[int, AtLeast(1)] = 64,
        decay: Annotated[float, Between(0, 1)] = 0.99,
        weight_decay: float = 1e-4,
        lr: float = 2e-3,
    ) -> None:
        super().__init__(shape, lr)
        self.augmentation, self.decay, self.weight_decay = augmentation, decay, weight_decay
        self.backbone, features = build_backbone(backbone, shape, width)
        self.projector = mlp((features, hidden, embedding), batch_norm=True)
        self.predictor = mlp((embedding, hidden, embedding), batch_norm=True)
        self.target = deepcopy(nn.Sequential(self.backbone, self.projector)).requires_grad_(False)

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return augment(x, self.augmentation), augment(x, self.augmentation)

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        views = torch.cat(self.views(x))  # both in one pass: (2N, C, H, W)
        predicted = self.predictor(self.projector(self.backbone(views))).float()  # (2N, E)
        with torch.no_grad():
            seen = self.target(views).float().roll(len(x), 0)  # of the other view
        return {"loss": 2 * squared_distance(predicted, seen)}  # the mean over 2N rows, twice: two terms an image

    def encode(self, x: Tensor) -> Tensor:
        return self.backbone(x)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        return {"projection": self.projector(self.backbone(x))}

    def configure_optimizers(self) -> Any:
        """The optimizer of the online network, as `Model` has it; after each of its steps the target follows."""
        found, total = super().configure_optimizers(), self.total_steps()
        found["optimizer"].register_step_post_hook(
            lambda *_: self.follow(decay_at(self.iteration, total, self.decay))  # the step is not counted yet: 0 first
        )
        return found

    def follow(self, decay: float) -> None:
        """ξ <- τ ξ + (1 - τ) θ: the target's weights; its batch-norm has statistics of its own."""
        online = [*self.backbone.parameters(), *self.projector.parameters()]
        move_towards(self.target.parameters(), online, 1 - decay)


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean over rows of |a - b|^2 = 2 - 2 cos(a, b), the rows (N, E) scaled to length 1 (equation 2)."""
    return 2 - 2 * F.cosine_similarity(a, b, dim=1).mean()


def decay_at(step: int, total: int, first: float) -> float:
    """τ = 1 - (1 - τ_first) (cos(π step / total) + 1) / 2: from `first` to 1 (section 3.3)."""
    return 1 - (1 - first) * (math.cos(math.pi * step / total) + 1) / 2
