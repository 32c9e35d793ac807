"""EMP-SSL: the coding rate by hand, crops that are where they should be, and the code as a mean over crops."""

import math

import pytest
import torch
from tiny import SHAPE, digits

from unsup.core.errors import UsageError
from unsup.models.emp_ssl import EMPSSL, coding_rate, grid_of_crops
from unsup.models.parts.augment import augment


def test_the_rate_of_orthogonal_and_of_equal_embeddings() -> None:
    spread, alike = torch.eye(4).repeat(2, 1), torch.eye(4)[[0] * 8]
    rates = coding_rate(torch.stack((spread, alike)), distortion=0.2)
    assert rates[0].item() == pytest.approx(4 / 2 * math.log(1 + 1 / 0.2), rel=1e-5)  # every eigenvalue 1 / P
    assert rates[1].item() == pytest.approx(1 / 2 * math.log(1 + 4 / 0.2), rel=1e-5)  # one eigenvalue 1


def test_the_loss_is_the_paper_s() -> None:
    torch.manual_seed(0)
    model = EMPSSL(SHAPE, "digits", width=2, projection=8, patches=3, similarity=7.0)
    found = {name: value.item() for name, value in model.losses(digits(16)).items()}
    assert found["loss"] == pytest.approx(-found["rate"] - 7 * found["similarity"], rel=1e-5)
    assert 0 < found["rate"] < 8 / 2 * math.log(1 + 1 / 0.2) and 0 < found["similarity"] < 1


def test_crops_lie_evenly_from_corner_to_corner() -> None:
    x = torch.arange(64.0).view(1, 1, 8, 8) / 63
    crops = grid_of_crops(x, area=0.25, count=9)
    assert len(crops) == 9
    for crop, (top, left) in zip(crops, [(i, j) for i in (0, 2, 4) for j in (0, 2, 4)], strict=True):
        assert crop.mean().item() == pytest.approx(x[..., top : top + 4, left : left + 4].mean().item(), abs=0.01)
    assert torch.allclose(grid_of_crops(x, area=1.0, count=4)[3], x, atol=1e-5)


@pytest.mark.parametrize("preset", ["digits", "natural"])
def test_random_crops_show_their_share(preset: str) -> None:
    """A ramp from 0 to 1 across the image rises by the side of the crop across a view."""
    torch.manual_seed(0)
    ramp = torch.linspace(0, 1, 32).expand(400, 1, 32, 32)
    views = augment(ramp, preset, mild=True, area=0.25)
    rise = (views[:, 0, 8:24, 24] - views[:, 0, 8:24, 8]).mean(1).abs()  # over half of the view
    middle = views[:, 0, 16, 16]
    assert rise.median().item() == pytest.approx(0.25 * 32 / 31, abs=0.03)
    assert middle.min() < 0.3 and middle.max() > 0.7 and abs(middle.mean() - 0.5) < 0.05


def test_the_code_is_the_mean_over_crops() -> None:
    torch.manual_seed(0)
    model = EMPSSL(SHAPE, "digits", width=2, area=0.5, test_patches=4).eval()
    x = digits(6)
    with torch.no_grad():
        crops = grid_of_crops(x, 0.5, 4)
        assert torch.allclose(model.encode(x), sum(map(model.backbone, crops)) / 4, atol=1e-6)
        assert not torch.allclose(model.encode(x), model.backbone(x), atol=0, rtol=0.05)


@pytest.mark.parametrize(
    "option",
    [{"projection": 0}, {"patches": 1}, {"area": 0.0}, {"area": 1.5}, {"similarity": -1.0}, {"distortion": 0.0}]
    + [{"test_patches": n} for n in (-4, 1, 5)],
)
def test_options_outside_their_range_are_named(option: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"model.{next(iter(option))} is"):
        EMPSSL(SHAPE, "digits", **option)  # type: ignore[arg-type]
