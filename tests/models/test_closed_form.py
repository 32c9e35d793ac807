"""The closed form on digits: codes vary between images and not between views, as they are scaled."""

from typing import Any

import pytest
import torch
from tiny import SHAPE, TinyDigits, digits, train

from unsup.core.errors import UsageError, UserError
from unsup.models.closed_form import ClosedForm


def model(**options: Any) -> ClosedForm:
    torch.manual_seed(0)
    small = {"augmentation": "digits", "code_dim": 8, "centroids": 32, "patch": 3, "stride": 1, "grid": 2}
    return ClosedForm(SHAPE, **{**small, **options})


@pytest.fixture(scope="module")
def fitted() -> ClosedForm:
    result = model()
    train(result, TinyDigits(n=600), epochs=0)
    return result.eval()


@torch.no_grad()
def test_views_of_an_image_are_closer_than_by_principal_components(fitted: ClosedForm) -> None:
    x = digits(300)
    first, second = (fitted.features(view) for view in fitted.views(x))
    both = torch.cat([first, second])
    _, _, components = torch.pca_lowrank(both, 8, niter=4)

    def share_within(directions: torch.Tensor) -> torch.Tensor:
        a, b = first @ directions, second @ directions
        return ((a - b).square().mean(0) / 2 / torch.cat([a, b]).var(0)).mean()

    assert share_within(fitted.directions) < 0.8 * share_within(components)


@torch.no_grad()
def test_numbers_are_scaled_by_the_share_of_their_variance_between_images(fitted: ClosedForm) -> None:
    a, b = (fitted.encode(view) for view in fitted.views(digits(600)))
    scale, within = torch.cat([a, b]).var(0), (a - b).square().mean(0) / 2
    share = 1 - within / scale  # λ / (1 + λ), without the ridge
    assert (scale.sqrt() - share).abs().max() < 0.1
    assert scale[0] > scale[-1]


def test_views_show_the_given_part_of_an_image() -> None:
    corner = torch.zeros(200, 1, 16, 16)
    corner[:, :, :2, :2] = 1.0
    shown = []
    for area in (1.0, 0.2):
        torch.manual_seed(0)
        crops = ClosedForm((1, 16, 16), "texture", code_dim=4, centroids=8, area=area)
        view = crops.views(corner)[0]
        shown.append(((view.amax((2, 3)) - view.amin((2, 3))) > 0.2).float().mean().item())
    assert shown[0] > 0.9 and shown[1] < 0.7


def test_the_same_seed_gives_the_same_codes() -> None:
    x, codes = digits(8), []
    for seed in (0, 0, 1):
        found = model()
        found.seed = seed
        train(found, TinyDigits(), epochs=0)
        codes.append(found.encode(x))
    assert torch.equal(codes[0], codes[1])
    assert not torch.allclose(codes[0], codes[2], atol=1e-3)


def test_what_does_not_fit_is_one_line() -> None:
    with pytest.raises(UsageError, match="^model.code_dim is 129: there are 128 features, raise model.centroids$"):
        model(code_dim=129)
    with pytest.raises(UserError, match="27 images are too few for 40 directions: lower model.code_dim"):
        train(model(code_dim=40, centroids=16), TinyDigits(n=30), epochs=0)
    for option, value in (("ridge", 0), ("area", 0), ("views", 1), ("code_dim", 0)):
        with pytest.raises(UsageError, match=rf"^[^\n]*{option} is {value}[^\n]*$"):
            model(**{option: value})
