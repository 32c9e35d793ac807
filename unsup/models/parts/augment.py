"""Random views of images, batched on their device, drawn for each image.

The data set chooses one of three presets (`ImageData.augmentation`):

* `digits`: transformations that leave a written character readable, so no mirror images: rotation, scale, shear, shift
  and elastic deformation (Simard et al. 2003, section 2) in one resampling, after rectangles are erased and before
  strokes become thicker or thinner.
* `natural`: SimCLR's views of small photographs (Chen et al. 2020, appendices A and B.9): a crop of 20 to 100 % of the
  area, mirror images, brightness, contrast, saturation and hue, sometimes grey; no blur. Hue turns colours in YIQ, and
  all colour operations are one matrix per image, clamped once; torchvision works in HSV, in a random order, and clamps
  after every step.
* `texture`: images without an upright position, such as microscopy and satellite images: the crops of `natural`, turned
  by 0, 90, 180 or 270 degrees and mirrored, with changes of brightness and contrast; hue and saturation stay, as stains
  and sensors give colours a meaning.

SimCLR learns as much from `natural` as from torchvision's views, which take 17 times as long to draw: with 10,000
photographs the validation probe is .450, and .443 on those (one seed of `benchmarks/augmentation.py`).
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from unsup.core.errors import UsageError

PRESETS = ("digits", "natural", "texture")
LEAST_AREA = 0.2  # of an image that a crop shows
LUMA = (0.299, 0.587, 0.114)  # of red, green, blue: luma (ITU-R BT.601)
TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
TO_RGB = tuple(map(tuple, torch.linalg.inv(torch.tensor(TO_YIQ)).tolist()))


def augment(
    x: Tensor,
    preset: str,
    mild: bool = False,
    area: float | None = None,
    scale: float = 1.0,
    least_area: float = LEAST_AREA,
) -> Tensor:
    """Return a random view of each image, in [0, 1].

    Args:
        x: images (N, C, H, W) in [0, 1].
        preset: "digits", "natural" or "texture".
        mild: for "digits" use the deformation alone, at 80 %, and for the others crops of 60 % of the area or more,
            mirrored (and turned), without changes of colour.
        area: fraction of the image, above 0 to 1, that every view shows; None means all of it for "digits" and those
            above for the others.
        scale: side of a view, as a fraction of the image's.
        least_area: smallest fraction of the image that a crop shows where `area` is None and the view is not mild,
            above 0 to 1; "digits" has no crops.

    Raises:
        UsageError: there is no such preset.
    """
    if preset == "digits":
        return _deform(x, 0.8, area, scale) if mild else _strokes(_deform(_erase(x), 1.0, area, scale))
    least, most = (0.6 if mild else least_area, 1.0) if area is None else (area, area)
    if preset == "natural":
        return _crop(x, least, most, scale) if mild else _colour(_crop(x, least, most, scale))
    if preset == "texture":
        crops = _crop(_turn(x), least, most, scale)
        return crops if mild else _colour(crops, hue=False)
    raise UsageError(f"augmentation {preset!r}: the presets are {', '.join(PRESETS)}")


# ---- digits ---------------------------------------------------------------------------------------------------------


def _deform(x: Tensor, strength: float, area: float | None = None, scale: float = 1.0) -> Tensor:
    """Rotate, scale, shear, shift (`DEFORMATION`) and deform elastically."""
    n, side = len(x), math.sqrt(area or 1)
    angle, shear, log_zoom, shift_x, shift_y = (strength * _uniform(x, n, bound) for bound in DEFORMATION)
    zoom = side * log_zoom.exp()
    if area is not None:
        shift_x, shift_y = shift_x + _uniform(x, n, 1 - side), shift_y + _uniform(x, n, 1 - side)
    cos, sin, slant = angle.cos() * zoom, angle.sin() * zoom, shear.tan()
    rows = (cos, slant * cos - sin, shift_x, sin, slant * sin + cos, shift_y)
    coarse = ELASTIC * strength * torch.randn(n, 2, 4, 4, device=x.device)
    grid = _sampling_grid(x, rows, scale)
    field = F.interpolate(coarse, size=grid.shape[1:3], mode="bicubic", align_corners=True)
    return F.grid_sample(x, grid + field.permute(0, 2, 3, 1), align_corners=False)


DEFORMATION = (math.radians(25), math.radians(15), math.log(1.25), 0.12, 0.12)  # rotation, shear, log scale, shifts
ELASTIC = 0.06  # deviation of the 4 x 4 nodes of the field; half the image is 1


def _strokes(x: Tensor) -> Tensor:
    """Make a third of the strokes a pixel thicker, a third half a pixel thinner."""
    choice = _coin(x)
    thicker = F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 2, stride=1)
    thinner = (x - F.max_pool2d(F.pad(-x, (0, 1, 0, 1)), 2, stride=1)) / 2
    return torch.where(choice < 1 / 3, thicker, torch.where(choice > 2 / 3, thinner, x))


def _erase(x: Tensor) -> Tensor:
    """Erase a rectangle in every second image, twice (Zhong et al. 2020, section 3.2).

    It has 5 to 20 % of the area, sides from 1:6 to 6:1 (thin ones cut single strokes) and its centre anywhere.
    """
    n, _, height, width = x.shape
    row, column = torch.arange(height, device=x.device) + 0.5, torch.arange(width, device=x.device) + 0.5
    for _ in range(2):
        side, ratio = (0.125 + _uniform(x, n, 0.075)).sqrt(), _uniform(x, n, math.log(6)).mul(0.5).exp()
        top, left = torch.rand(2, n, 1, device=x.device)
        rows = (row / height - top).abs() < (side * ratio / 2)[:, None]  # (N, H)
        columns = (column / width - left).abs() < (side / ratio / 2)[:, None]  # (N, W)
        inside = rows[:, None, :, None] & columns[:, None, None, :]
        x = x.masked_fill(inside & (_coin(x) < 0.5), 0.0)
    return x


# ---- texture --------------------------------------------------------------------------------------------------------


def _turn(x: Tensor) -> Tensor:
    """Turn each image by a multiple of 90 degrees, or of 180 if it is not square."""
    quarters = torch.randint(0, 4, (len(x), 1, 1, 1), device=x.device)
    half = torch.where(quarters >= 2, x.flip(2, 3), x)
    if x.shape[2] != x.shape[3]:
        return half
    return torch.where(quarters % 2 == 1, half.rot90(1, (2, 3)), half)


# ---- natural --------------------------------------------------------------------------------------------------------


def _crop(x: Tensor, least: float, most: float, scale: float = 1.0) -> Tensor:
    """Crop a fraction of the area, in proportions to 4 to 3, resize, and mirror half."""
    n = len(x)
    area = (most + least) / 2 + _uniform(x, n, (most - least) / 2)
    ratio = _uniform(x, n, math.log(4 / 3)).mul(0.5).exp()
    width, height = (area.sqrt() * ratio).clamp(max=1), (area.sqrt() / ratio).clamp(max=1)
    mirror = torch.randint(0, 2, (n,), device=x.device).mul(2).sub(1)
    zero = torch.zeros(n, device=x.device)
    rows = (width * mirror, zero, (1 - width) * _uniform(x, n, 1), zero, height, (1 - height) * _uniform(x, n, 1))
    return F.grid_sample(x, _sampling_grid(x, rows, scale), padding_mode="reflection", align_corners=False)


def _colour(x: Tensor, hue: bool = True) -> Tensor:
    """Change the colours of 80 % of the images, and make 20 % grey.

    Brightness, contrast and saturation change by 0.6 to 1.4, hue by up to 36 degrees. Without `hue`, brightness and
    contrast alone change, and no image becomes grey.
    """
    n, channels = x.shape[:2]
    bright, contrast, saturation = (1 + _uniform(x, n, 0.4).view(n, 1, 1) for _ in range(3))
    eye = torch.eye(channels, device=x.device)
    change = bright * contrast * eye.expand(n, -1, -1)  # (N, C, C), for the channels of a pixel
    luma = _constant(LUMA if channels == 3 else (1 / channels,) * channels, x.device)
    coloured = hue and channels == 3
    if coloured:
        grey = luma.expand(3, 3)
        change = change @ (saturation * eye + (1 - saturation) * grey) @ _turned(_uniform(x, n, 0.2 * math.pi))
    jittered = (_coin(x) < 0.8).view(n, 1, 1)
    change = torch.where(jittered, change, eye)
    if coloured:
        change = torch.where((_coin(x) < 0.2).view(n, 1, 1), grey @ change, change)
    flat = x.flatten(2)  # (N, C, HW)
    mean = (luma @ flat.mean(2, keepdim=True)).unsqueeze(1) * bright  # of the brightened grey image
    lift = torch.where(jittered, (1 - contrast) * mean, torch.zeros_like(mean))  # contrast is about that mean
    return torch.baddbmm(lift.expand(n, channels, 1), change, flat).clamp_(0, 1).view_as(x)


def _turned(angle: Tensor) -> Tensor:
    """Return matrices (N, 3, 3) that turn RGB's hue by angles (N,) in radians."""
    to_yiq, to_rgb = _constant(TO_YIQ, angle.device), _constant(TO_RGB, angle.device)
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack((one, zero, zero, zero, cos, -sin, zero, sin, cos), dim=1).view(-1, 3, 3)
    return to_rgb @ turn @ to_yiq


@cache
def _constant(values: tuple[float, ...] | tuple[tuple[float, ...], ...], device: torch.device) -> Tensor:
    """Copy values to the device once, as each copy waits for the device."""
    return torch.tensor(values, device=device)


def _sampling_grid(x: Tensor, rows: tuple[Tensor, ...], scale: float) -> Tensor:
    """Return a view's positions (N, h, w, 2) in its image, [-1, 1].

    `rows` are the six numbers (N,) of an affine map.
    """
    size = [*x.shape[:2], *(max(1, round(scale * side)) for side in x.shape[2:])]
    return F.affine_grid(torch.stack(rows, dim=1).view(-1, 2, 3), size, align_corners=False)


def _uniform(x: Tensor, n: int, bound: float) -> Tensor:
    return torch.empty(n, device=x.device).uniform_(-bound, bound)


def _coin(x: Tensor) -> Tensor:
    """Draw a number in [0, 1) for each image, (N, 1, 1, 1)."""
    return torch.rand(len(x), 1, 1, 1, device=x.device)
