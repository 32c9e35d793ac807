"""Random views of images: batched on the images' device, every image with draws of its own.

Two presets, named by the data set (`ImageData.augmentation`):

* `digits`: what leaves a written character readable, and so never a mirror image: rotation, scale, shear, shift and
  elastic deformation (Simard et al. 2003, section 2) by one resampling, strokes made thicker or thinner, a square
  erased.
* `natural`: SimCLR's views of small photographs (Chen et al. 2020, appendices A and B.9): a crop of 20 to 100 % of the
  area resized, mirror images, brightness, contrast, saturation and hue, sometimes grey; no blur. Hue turns colours in
  the YIQ space and all colour operations are one matrix per image, clamped once; torchvision works in HSV, in a random
  order, and clamps after every step.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from unsup.errors import UsageError

PRESETS = ("digits", "natural")
GREY = (0.299, 0.587, 0.114)  # of red, green, blue: luma (ITU-R BT.601)
TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def augment(x: Tensor, preset: str, strength: float = 1.0) -> Tensor:
    """A random view of each image: (N, C, H, W) in [0, 1], of the same shape and range.

    Args:
        x: images.
        preset: "digits" or "natural".
        strength: scales how far the views of `digits` are from their image, and the colours of `natural`.

    Raises:
        UsageError: there is no such preset.
    """
    if preset == "digits":
        return _erase(_strokes(_deform(x, strength)), strength)
    if preset == "natural":
        return _colour(_crop(x), strength)
    raise UsageError(f"augmentation {preset!r}: the presets are {', '.join(PRESETS)}")


# ---- digits ---------------------------------------------------------------------------------------------------------


def _deform(x: Tensor, strength: float) -> Tensor:
    """Rotation to 25 degrees, scale by 1/1.25 to 1.25, shear to 15 degrees, shift to 6 % of the side, elastic field."""
    n = len(x)
    angle, shear, log_scale, shift_x, shift_y = (strength * _uniform(x, n, bound) for bound in DEFORMATION)
    scale = log_scale.exp()
    cos, sin, slant = angle.cos() * scale, angle.sin() * scale, shear.tan()
    rows = (cos, slant * cos - sin, shift_x, sin, slant * sin + cos, shift_y)
    affine = torch.stack(rows, dim=1).view(n, 2, 3)
    grid = F.affine_grid(affine, list(x.shape), align_corners=False)  # (N, H, W, 2) in [-1, 1]
    coarse = ELASTIC * strength * torch.randn(n, 2, 4, 4, device=x.device)
    field = F.interpolate(coarse, size=x.shape[2:], mode="bicubic", align_corners=True)
    return F.grid_sample(x, grid + field.permute(0, 2, 3, 1), align_corners=False)


DEFORMATION = (math.radians(25), math.radians(15), math.log(1.25), 0.12, 0.12)  # bounds of what `_deform` draws
ELASTIC = 0.06  # standard deviation of the field's 4 x 4 nodes; half the image is 1


def _strokes(x: Tensor) -> Tensor:
    """A third of the images with strokes a pixel thicker, a third with strokes half a pixel thinner."""
    choice = _chance(x)
    thicker = F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 2, stride=1)
    thinner = (x - F.max_pool2d(F.pad(-x, (0, 1, 0, 1)), 2, stride=1)) / 2
    return torch.where(choice < 1 / 3, thicker, torch.where(choice > 2 / 3, thinner, x))


def _erase(x: Tensor, strength: float) -> Tensor:
    """A square of a third of the side turns black in 30 % of the images."""
    n, _, height, width = x.shape
    side = max(1, round(min(height, width) / 3))
    top = torch.randint(0, height - side + 1, (n, 1), device=x.device)
    left = torch.randint(0, width - side + 1, (n, 1), device=x.device)
    row, column = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    inside_rows = (row >= top) & (row < top + side)  # (N, H)
    inside = inside_rows[:, None, :, None] & ((column >= left) & (column < left + side))[:, None, None, :]
    return x.masked_fill(inside & (_chance(x) < 0.3 * strength), 0.0)


# ---- natural --------------------------------------------------------------------------------------------------------


def _crop(x: Tensor) -> Tensor:
    """20 to 100 % of the area, sides 3:4 to 4:3, resized bilinearly to the whole image; half of them mirrored."""
    n = len(x)
    area = 0.6 + _uniform(x, n, 0.4)
    ratio = _uniform(x, n, math.log(4 / 3)).mul(0.5).exp()
    width, height = (area.sqrt() * ratio).clamp(max=1), (area.sqrt() / ratio).clamp(max=1)
    mirror = torch.randint(0, 2, (n,), device=x.device).mul(2).sub(1)
    zero = torch.zeros(n, device=x.device)
    rows = (width * mirror, zero, (1 - width) * _uniform(x, n, 1), zero, height, (1 - height) * _uniform(x, n, 1))
    affine = torch.stack(rows, dim=1).view(n, 2, 3)
    grid = F.affine_grid(affine, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _colour(x: Tensor, strength: float) -> Tensor:
    """Brightness, contrast and saturation times 0.6 to 1.4, hue turned to 36 degrees, in 80 %; 20 % become grey."""
    n, channels = x.shape[:2]
    bright, contrast, saturation = (1 + strength * _uniform(x, n, 0.4).view(n, 1, 1) for _ in range(3))
    eye = torch.eye(channels, device=x.device)
    change = bright * contrast * eye.expand(n, -1, -1)  # (N, C, C): what it does to a pixel's channels
    luma = torch.tensor(GREY if channels == 3 else (1 / channels,) * channels, device=x.device)
    if channels == 3:
        grey = luma.expand(3, 3)
        turn = strength * _uniform(x, n, 0.2 * math.pi)
        change = change @ (saturation * eye + (1 - saturation) * grey) @ _turned(turn)
    jittered = (_chance(x) < 0.8).view(n, 1, 1)
    change = torch.where(jittered, change, eye)
    if channels == 3:
        change = torch.where((_chance(x) < 0.2).view(n, 1, 1), grey @ change, change)
    flat = x.flatten(2)  # (N, C, HW)
    mean = (luma @ flat.mean(2, keepdim=True)).unsqueeze(1) * bright  # of the brightened grey image
    lift = torch.where(jittered, (1 - contrast) * mean, torch.zeros_like(mean))  # contrast goes about that mean
    return torch.baddbmm(lift.expand(n, channels, 1), change, flat).clamp_(0, 1).view_as(x)


def _turned(angle: Tensor) -> Tensor:
    """(N,) radians -> (N, 3, 3): RGB to YIQ, the two colour axes turned, and back."""
    to_yiq = torch.tensor(TO_YIQ, device=angle.device)
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack((one, zero, zero, zero, cos, -sin, zero, sin, cos), dim=1).view(-1, 3, 3)
    return torch.linalg.inv(to_yiq) @ turn @ to_yiq


def _uniform(x: Tensor, n: int, bound: float) -> Tensor:
    return torch.empty(n, device=x.device).uniform_(-bound, bound)


def _chance(x: Tensor) -> Tensor:
    """(N, 1, 1, 1) in [0, 1): a draw for each image."""
    return torch.rand(len(x), 1, 1, 1, device=x.device)
