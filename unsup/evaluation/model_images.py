"""Small images of what a model makes."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.utils import make_grid

from unsup.metrics import geometry

THUMBNAIL = 64  # pixels of the longer side of an image in a picture, at most
FILTERS = 64


def pictures_of(model: Any, x: Tensor) -> dict[str, Tensor]:
    """{name: picture (3, h, w)}: what the model's methods allow of a few images x (N, C, H, W)."""
    found = {}
    if hasattr(model, "reconstruct"):
        found["reconstructions"] = reconstruction_grid(downscaled(x), downscaled(model.reconstruct(x).float()))
    if hasattr(model, "decode"):
        _, _, along = geometry.walks(model.encode(x).float().cpu().numpy())
        if len(along):  # none: all codes are equal
            walked = model.decode(torch.from_numpy(along).to(x).flatten(0, 1)).float()
            found["traversals"] = make_grid(downscaled(walked.clamp(0, 1)), nrow=len(geometry.OFFSETS), pad_value=1)
    pixels = math.prod(model.shape)
    dense = (m.weight for m in model.modules() if isinstance(m, nn.Linear) and m.in_features == pixels)
    if (weight := next(dense, None)) is not None:
        found["filters"] = filter_grid(weight.detach().float().unflatten(1, model.shape))
    return found


def filter_grid(weight: Tensor) -> Tensor:
    """What the first units of a dense layer (N, C, H, W) look at: grey is 0, each unit on a scale of its own."""
    shown = weight[:FILTERS]
    scaled = shown / shown.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    return make_grid(downscaled((scaled + 1) / 2), nrow=8, pad_value=1)


def downscaled(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, h, w), large images scaled down."""
    scale = THUMBNAIL / max(x.shape[2:])
    return F.interpolate(x, scale_factor=scale, mode="area") if scale < 1 else x


def thumbnails(x: Tensor) -> Tensor:
    """(N, C, H, W) in [0, 1] -> (N, C, h, w) uint8 on the CPU, large images scaled down: checkpoints hold them."""
    return (255 * downscaled(x)).round().byte().cpu()


def reconstruction_grid(x: Tensor, x_hat: Tensor) -> Tensor:
    """(N, C, H, W) twice -> (3, h, w): lines of eight images, each above the line of their reconstructions."""
    columns = min(8, len(x))
    whole = len(x) - len(x) % columns
    lines = torch.stack([x[:whole].unflatten(0, (-1, columns)), x_hat[:whole].unflatten(0, (-1, columns))], dim=1)
    return make_grid(lines.flatten(0, 2), nrow=columns, pad_value=1)
