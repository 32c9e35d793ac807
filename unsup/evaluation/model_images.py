"""Images that a model makes, and grids of them for TensorBoard."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.arrays import Array
from unsup.core.seeds import seed_noise
from unsup.metrics import geometry

THUMBNAIL = 64  # pixels of the longer side of an image in a grid, at most
FILTERS = 64


def seeded_samples(model: Any, n: int, purpose: str) -> Tensor:
    """Return n samples (n, C, H, W), from the same noise for the same purpose."""
    seed_noise(model.device, model.seed, purpose)
    images: Tensor = model.sample(n).float()
    return images


def along_paths(make: Callable[[Tensor], Tensor], paths: Array, like: Tensor) -> Tensor:
    """Return images (r, s, C, H, W) of codes or noise (r, s, D), typed as `like`."""
    return make(torch.from_numpy(paths).to(like).flatten(0, 1)).float().unflatten(0, paths.shape[:2])


def grids_of(model: Any, x: Tensor) -> dict[str, Tensor]:
    """Return a grid (3, h, w) of all that a model makes of a few images."""
    grids = {}
    if hasattr(model, "reconstruct"):
        grids["reconstructions"] = reconstruction_grid(downscaled(x), downscaled(model.reconstruct(x).float()))
    if hasattr(model, "decode"):
        _, _, paths = geometry.walks(model.encode(x).float().cpu().numpy())
        if len(paths):  # none if all codes are equal
            grids["traversals"] = grid(along_paths(model.decode, paths, x).flatten(0, 1), len(geometry.OFFSETS))
    if (weight := pixel_weights(model, x[:1])) is not None:
        grids["filters"] = filter_grid(weight.detach().float())
    return grids


def pixel_weights(model: Any, x: Tensor) -> Tensor | None:
    """Return the weights (D, C, H, W) of a dense layer that sees the pixels, if any.

    It is the first layer with parameters that encoding an image (1, C, H, W) reaches. A later layer, such as a head,
    may have as many inputs by chance.
    """
    reached: list[nn.Module] = []
    layers = [m for m in model.modules() if [*m.parameters(recurse=False)] and not [*m.children()]]
    hooks = [layer.register_forward_pre_hook(lambda layer, _: reached.append(layer)) for layer in layers]
    try:
        model.encode(x)
    finally:
        for hook in hooks:
            hook.remove()
    first = next(iter(reached), None)
    if not isinstance(first, nn.Linear) or first.in_features != math.prod(model.shape):
        return None
    return first.weight.unflatten(1, model.shape)


def grid(images: Tensor, columns: int = 8) -> Tensor:
    """(N, C, H, W), cut to [0, 1] -> (3, h, w)."""
    return tiled(downscaled(images.clamp(0, 1)), columns)


def filter_grid(weight: Tensor) -> Tensor:
    """Show the first weights (N, C, H, W), each on its own scale with 0 as grey."""
    first = weight[:FILTERS]
    scaled = first / first.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    return grid((scaled + 1) / 2)


def reconstruction_grid(x: Tensor, x_hat: Tensor) -> Tensor:
    """(N, C, H, W) twice -> (3, h, w), rows of images above their reconstructions."""
    columns = min(8, len(x))
    whole = len(x) - len(x) % columns
    lines = torch.stack([x[:whole].unflatten(0, (-1, columns)), x_hat[:whole].unflatten(0, (-1, columns))], dim=1)
    return tiled(lines.flatten(0, 2), columns)


def tiled(images: Tensor, columns: int) -> Tensor:
    """(N, C, H, W) -> (3, h, w), with white lines between the images."""
    from torchvision.utils import make_grid

    return make_grid(images, nrow=columns, pad_value=1)


def downscaled(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, h, w), the longer side at most 64 pixels."""
    scale = THUMBNAIL / max(x.shape[2:])
    return F.interpolate(x, scale_factor=scale, mode="area") if scale < 1 else x


def thumbnails(x: Tensor) -> Tensor:
    """(N, C, H, W) in [0, 1] -> (N, C, h, w) uint8 on the CPU, for checkpoints."""
    return (255 * downscaled(x)).round().byte().cpu()
