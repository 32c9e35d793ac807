"""The hidden layers of a network trained on views, as they are."""

from typing import Annotated

import torch
from torch import Tensor

from unsup.core.ranges import AtLeast
from unsup.models.base import Model
from unsup.models.parts.backbones import backbone_weights, build_backbone, hidden_layers

REGIONS = 3  # of the image in each direction, in which maps are averaged


class Hidden(Model):
    """z = h(x) or (h(x) + h(mirrored x)) / 2, h the hidden layers of a backbone.

    It is that of another run, and nothing is learned. A method on views is best read before its last layers, which
    keep only what views leave alone (Chen et al. 2020, "A simple framework for contrastive learning of visual
    representations", section 4.2): h are the last maps before their average, in parts of the image (`hidden_layers`).
    `Compressed` keeps some directions of such layers; these are all of them, wide, for the most that a linear probe
    reads. Unless the preset of views is "digits", an image and its mirror image have the same code.

    `backbone` and `width` are those of the run that this one starts from, of any method that has a backbone (`simclr`,
    `vicreg`, `byol`, `emp_ssl`, `lejepa`). The backbone does not change.

    Args:
        shape: (C, H, W) of an image.
        augmentation: the data set's preset of views.
        backbone: encoder, "conv", "resnet18", "patches", "torchvision:NAME" or "timm:NAME" (`build_backbone`).
        width: of the encoder.
    """

    bibtex = """@misc{chen2020simple,
  title = {{A simple framework for contrastive learning of visual representations}},
  author = {Chen and others}, year = {2020}
}"""
    needs_init = True

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str,
        backbone: str = "conv",
        width: Annotated[int, AtLeast(1)] = 16,
    ) -> None:
        super().__init__(shape)
        self.mirrored = augmentation != "digits"
        self.backbone, _ = build_backbone(backbone, shape, width, augmentation)
        self.backbone.requires_grad_(False)

    def initialise(self, state: dict[str, Tensor]) -> None:
        """Take the backbone of another run."""
        super().initialise(backbone_weights(state))

    def encode(self, x: Tensor) -> Tensor:
        layers = self._hidden(x)
        return (layers + self._hidden(x.flip(3))) / 2 if self.mirrored else layers

    def _hidden(self, x: Tensor) -> Tensor:
        """Return all hidden layers next to each other, (N, D)."""
        return torch.cat(hidden_layers(self.backbone, x, REGIONS), dim=1).float()
