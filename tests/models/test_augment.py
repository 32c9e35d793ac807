"""Random views: range, independence of each image's draws, what each preset may and may not do."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unsup.core.errors import UsageError
from unsup.models.parts import augment as module
from unsup.models.parts.augment import augment


@pytest.fixture(autouse=True)
def noise() -> None:
    torch.manual_seed(0)


def blob(n: int, channels: int = 1, size: int = 28) -> Tensor:
    """The same image n times: a grey bar right of the centre."""
    x = torch.zeros(n, channels, size, size)
    x[:, :, size // 4 : 3 * size // 4, size // 2 : 5 * size // 8] = 0.8
    return x


@pytest.mark.parametrize("preset", module.PRESETS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 17, 40), (4, 16, 16)])
def test_views_are_images_and_differ_from_image_to_image(preset: str, shape: tuple[int, int, int]) -> None:
    x = torch.rand(1, *shape).expand(64, -1, -1, -1)
    view = augment(x, preset)
    assert view.shape == x.shape and view.dtype == torch.float32
    assert view.min() >= 0 and view.max() <= 1
    assert len({tuple(image.flatten().tolist()) for image in view}) > 60


@pytest.mark.parametrize("preset", module.PRESETS)
def test_smaller_views_show_the_same(preset: str) -> None:
    x = F.interpolate(torch.rand(20, 3, 4, 4), size=(32, 32), mode="bilinear")
    views = []
    for scale in (1.0, 0.75):
        torch.manual_seed(0)
        views.append(augment(x, preset, mild=True, scale=scale))
    assert views[1].shape == (20, 3, 24, 24)
    resized = F.interpolate(views[0], size=(24, 24), mode="bilinear")
    assert (resized - views[1]).abs().mean() < 0.03 < 0.1 < (resized.roll(1, 0) - views[1]).abs().mean()


def test_views_are_drawn_from_the_seed() -> None:
    x = torch.rand(8, 3, 32, 32)
    torch.manual_seed(5)
    one = augment(x, "natural")
    torch.manual_seed(5)
    assert torch.equal(augment(x, "natural"), one)
    assert not torch.equal(augment(x, "natural"), one)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UsageError, match="digits, natural"):
        augment(torch.rand(2, 1, 8, 8), "letters")


@pytest.mark.parametrize("preset", module.PRESETS)
def test_mild_views_are_nearer_to_their_image(preset: str) -> None:
    x = F.interpolate(torch.rand(300, 3, 7, 7), size=(28, 28), mode="bilinear")
    mild, full = ((augment(x, preset, mild=mild) - x).square().mean() for mild in (True, False))
    assert 0 < mild < (0.85 if preset == "texture" else 0.8) * full  # images that are turned are far from their own


def test_digits_are_never_mirrored() -> None:
    """A bar right of the centre stays right of it: shift, shear and turn are too small to carry it over."""
    x = torch.zeros(300, 1, 28, 28)
    x[:, :, 8:20, 20:23] = 1.0
    columns = torch.arange(28.0)
    view = module._deform(x, 1.0)
    centre = (view.sum((1, 2)) @ columns) / view.sum((1, 2, 3))
    assert (centre > 13.5).all()


def test_strokes_are_thicker_thinner_or_as_they_were() -> None:
    mass = module._strokes(blob(600)).sum((1, 2, 3)) / blob(1).sum()
    for share in (mass > 1.01, mass < 0.99, (mass - 1).abs() < 1e-6):
        assert 0.25 < share.float().mean() < 0.42


def test_rectangles_are_erased() -> None:
    """The share of an image that two rectangles take, and none of them beyond a fifth of it."""
    white = torch.ones(3000, 1, 60, 60)
    black = (module._erase(white) == 0).float().mean((1, 2, 3))
    assert 0.22 < (black == 0).float().mean() < 0.32  # neither of two with probability 1/2, or beside the image
    assert 0.08 < black.mean() < 0.125 and black.max() < 0.42


def test_natural_views_are_mirrored_half_of_the_time() -> None:
    ramp = torch.linspace(0, 1, 32).expand(400, 3, 32, 32)
    view = module._crop(ramp, 0.2, 1.0)
    rising = view[..., -1].mean((1, 2)) > view[..., 0].mean((1, 2))
    assert 0.42 < rising.float().mean() < 0.58


def test_crops_have_the_stated_size_and_stay_inside() -> None:
    ramp = torch.linspace(0, 1, 64)
    x = torch.stack([ramp.expand(64, 64), ramp.expand(64, 64).T, torch.ones(64, 64)]).expand(2000, 3, 64, 64)
    view = module._crop(x, 0.2, 1.0)
    width = (view[:, 0].amax((1, 2)) - view[:, 0].amin((1, 2))).clamp(max=1)
    height = (view[:, 1].amax((1, 2)) - view[:, 1].amin((1, 2))).clamp(max=1)
    assert torch.allclose(view[:, 2], torch.ones(1), atol=1e-5)  # nothing from outside
    area = width * height
    assert 0.17 < area.min() < 0.23 and 0.55 < area.mean() < 0.62
    assert (width / height).max() < 1.4 and (height / width).max() < 1.4


def test_colours_are_those_of_the_stated_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jitter everywhere, every bound reached: brightness 1.4, contrast 1.4, saturation 1.4, hue by 36 degrees."""
    monkeypatch.setattr(module, "_uniform", lambda x, n, bound: torch.full((n,), float(bound)))
    monkeypatch.setattr(module, "_coin", lambda x: torch.full((len(x), 1, 1, 1), 0.5))
    x = 0.4 + 0.1 * torch.rand(2, 3, 6, 6)
    luma, to_yiq = torch.tensor(module.LUMA), torch.tensor(module.TO_YIQ)
    angle = torch.tensor(0.2 * math.pi)
    turn = torch.tensor([[1, 0, 0], [0, angle.cos(), -angle.sin()], [0, angle.sin(), angle.cos()]])
    pixel = torch.einsum("ij,njhw->nihw", torch.linalg.inv(to_yiq) @ turn @ to_yiq, x)
    grey = torch.einsum("j,njhw->nhw", luma, pixel).unsqueeze(1)
    pixel = 1.4 * (grey + 1.4 * (pixel - grey))
    mean = torch.einsum("j,njhw->n", luma, pixel).view(-1, 1, 1, 1) / 36
    expected = (mean + 1.4 * (pixel - mean)).clamp(0, 1)
    assert torch.allclose(module._colour(x), expected, atol=2e-3)


def test_grey_images_stay_grey_and_a_fifth_of_the_coloured_become_grey() -> None:
    view = module._colour(torch.rand(1000, 3, 4, 4))
    spread = (view.amax(1) - view.amin(1)).amax((1, 2))
    assert 0.15 < (spread < 1e-5).float().mean() < 0.25
    x = torch.rand(1000, 1, 4, 4)
    unchanged = (module._colour(x) - x).abs().amax((1, 2, 3)) < 1e-6
    assert 0.15 < unchanged.float().mean() < 0.25


def test_textures_have_all_eight_orientations() -> None:
    """A ramp to the right and down: each turn and mirror image puts its brightest corner and its rows elsewhere."""
    row = torch.linspace(0, 1, 32)
    image = (2 * row[None, :] + row[:, None]) / 3  # rises to the right twice as fast as downwards
    view = module._crop(module._turn(image.expand(800, 1, 32, 32)), 1.0, 1.0)[:, 0]
    right = view[:, :, -1].mean(1) - view[:, :, 0].mean(1)
    down = view[:, -1].mean(1) - view[:, 0].mean(1)
    kinds = torch.stack([right > 0, down > 0, right.abs() > down.abs()], dim=1).long() @ torch.tensor([4, 2, 1])
    shares = torch.bincount(kinds, minlength=8) / 800
    assert shares.min() > 0.08 and shares.max() < 0.17  # an eighth each


def test_textures_that_are_not_square_are_turned_half_way_round() -> None:
    x = torch.rand(1, 1, 4, 9)
    turned = module._turn(x.expand(200, -1, -1, -1))
    half = (turned == x.flip(2, 3)).all((1, 2, 3))
    assert 0.4 < half.float().mean() < 0.6 and (turned[~half] == x).all()


def test_textures_keep_their_hue() -> None:
    """Brightness and contrast change all channels alike, so differences of channels keep their proportions."""
    x = torch.tensor([0.6, 0.5, 0.3]).view(1, 3, 1, 1).expand(200, 3, 8, 8)
    view = augment(x, "texture")[..., 0, 0]
    red, blue = view[:, 0] - view[:, 1], view[:, 1] - view[:, 2]
    assert torch.allclose(blue, 2 * red, atol=1e-4) and red.min() > 0.02  # never grey
    assert view.std(0).min() > 0.02
    assert torch.allclose(augment(x, "texture", mild=True), x, atol=1e-5)
