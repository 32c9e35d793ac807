"""Accuracy of the linear probe on corrupted test images."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unsup.core.arrays import Ids
from unsup.core.seeds import derived_seed
from unsup.evaluation.progress import say
from unsup.metrics.diagnostics import subsample
from unsup.metrics.readout import Probe
from unsup.models.base import Model
from unsup.models.parts.frozen import frozen

SEVERITIES = 3
# by severity; lengths are shares of the image's shorter side, intensities are in [0, 1]
NOISE = (0.05, 0.15, 0.3)  # standard deviation
BLUR = (0.02, 0.04, 0.07)  # standard deviation, at least 0.4 pixels: less changes nothing
OCCLUSION = (0.2, 0.35, 0.5)  # side of the square
CONTRAST = (0.7, 0.4, 0.2)  # share that is left of every deviation from the image's mean
SHIFT = (0.04, 0.1, 0.2)  # distance, at least one pixel
MISSING = (0.2, 0.4, 0.6)  # share of the pixels

GREY = 0.5
CORRUPTED_IMAGES = 3_000  # test images that are corrupted 18 times, at most
CORRUPTED_BATCH = 500


def gaussian_noise(x: Tensor, severity: int, index: Tensor) -> Tensor:
    """Add independent noise to every value, cut off at 0 and 1."""
    noise = _drawn("gaussian noise", index, lambda g: torch.randn(x.shape[1:], generator=g))
    return (x + NOISE[severity] * noise.to(x)).clamp(0, 1)


def blur(x: Tensor, severity: int, index: Tensor) -> Tensor:
    """Apply Gaussian blur to the image, mirrored at its border."""
    from torchvision.transforms.v2.functional import gaussian_blur

    sigma = max(0.4, BLUR[severity] * _side(x))
    radius = min(math.ceil(3 * sigma), _side(x) - 1)
    return gaussian_blur(x, [2 * radius + 1] * 2, [sigma] * 2).clamp(0, 1)


def occlusion(x: Tensor, severity: int, index: Tensor) -> Tensor:
    """Cover a random place with a grey square inside those of higher severity."""
    side, (height, width) = _side(x), x.shape[2:]
    largest, size = (max(1, round(OCCLUSION[s] * side)) for s in (-1, severity))
    place = _drawn("occlusion", index, lambda g: torch.rand(2, generator=g)).to(x.device)
    inset = (largest - size) // 2
    top = (place[:, 0] * (height - largest + 1)).long() + inset
    left = (place[:, 1] * (width - largest + 1)).long() + inset
    rows, columns = _inside(top, size, height), _inside(left, size, width)
    return x.masked_fill((rows[:, :, None] & columns[:, None])[:, None], GREY)


def contrast(x: Tensor, severity: int, index: Tensor) -> Tensor:
    """Draw every channel of an image towards its mean."""
    mean = x.mean(dim=(2, 3), keepdim=True)
    return torch.lerp(mean, x, CONTRAST[severity]).clamp(0, 1)


def shift(x: Tensor, severity: int, index: Tensor) -> Tensor:
    """Move the image by whole pixels in one of eight directions, repeating its border."""
    (height, width), distance = x.shape[2:], max(1, round(SHIFT[severity] * _side(x)))
    direction = _drawn("shift", index, lambda g: torch.randint(8, (), generator=g)).to(x.device)
    steps = torch.tensor([(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)], device=x.device)
    move = distance * steps[direction]  # (N, 2)
    rows = (torch.arange(height, device=x.device) - move[:, :1]).clamp(0, height - 1)  # (N, H) source of each row
    columns = (torch.arange(width, device=x.device) - move[:, 1:]).clamp(0, width - 1)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    return x.movedim(1, 3)[image, rows[:, :, None], columns[:, None]].movedim(3, 1).contiguous()


def missing_pixels(x: Tensor, severity: int, index: Tensor) -> Tensor:
    """Set pixels to 0 in all channels, with severity more of them."""
    lot = _drawn("missing pixels", index, lambda g: torch.rand((1, *x.shape[2:]), generator=g)).to(x.device)
    return x.masked_fill(lot < MISSING[severity], 0)


Corruption = Callable[[Tensor, int, Tensor], Tensor]

# x (N, C, H, W) float32 in [0, 1], severity 0, 1 or 2, the images' positions in their split (N,) -> as x, on its
# device. What is random about an image depends on the corruption and that position alone.
CORRUPTIONS: dict[str, Corruption] = {
    "gaussian noise": gaussian_noise,
    "blur": blur,
    "occlusion": occlusion,
    "contrast": contrast,
    "shift": shift,
    "missing pixels": missing_pixels,
}


def _drawn(corruption: str, index: Tensor, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
    """Return a draw for each image, (N, …) on the CPU for the same on every device."""
    generator = torch.Generator()
    return torch.stack([draw(generator.manual_seed(derived_seed(corruption, i))) for i in index.tolist()])


def _side(x: Tensor) -> int:
    return min(x.shape[2:])


def _inside(start: Tensor, size: int, length: int) -> Tensor:
    """Return for start (N,) which of `length` positions are in the next `size`."""
    positions = torch.arange(length, device=start.device)
    return (positions >= start[:, None]) & (positions < start[:, None] + size)


def corrupted_accuracies(model: Model, images: Sequence[Tensor], labels: Ids, probe: Probe) -> dict[str, Any]:
    """Return the probe's accuracy on clean and corrupted test images.

    The result is {"images": how many, "clean": accuracy, corruption: accuracies with the mildest severity first, …}.
    The probe was fitted on clean training codes. `images` are batches (n, C, H, W) of all test images on the model's
    device, of which a fixed sample of at most 3,000 is used.
    """
    x = torch.cat(list(images))
    at = torch.from_numpy(subsample(len(x), CORRUPTED_IMAGES))
    index, truth = at.to(x.device), labels[at.numpy()]
    batches = list(zip(x[index].split(CORRUPTED_BATCH), index.split(CORRUPTED_BATCH), strict=True))

    def accuracy(corrupt: Corruption, severity: int) -> float:
        with frozen(model):
            codes = [model.encode(corrupt(batch, severity, where)).float().cpu().numpy() for batch, where in batches]
        return float(np.mean(probe.predict(np.concatenate(codes)) == truth))

    scores: dict[str, Any] = {"images": len(at), "clean": accuracy(lambda batch, severity, where: batch, 0)}
    for name, corrupt in CORRUPTIONS.items():
        say(f"probe on test images with {name}")
        scores[name] = [accuracy(corrupt, severity) for severity in range(SEVERITIES)]
    return scores
