"""K-means on patches: codes of any size of image, seeds, and options that do not fit."""

from typing import Any

import pytest
import torch
from tiny import SHAPE, TinyDigits, digits, train

from unsup.core.errors import UsageError, UserError
from unsup.models.patches import Patches


def model(shape: tuple[int, int, int] = SHAPE, **options: Any) -> Patches:
    torch.manual_seed(0)
    return Patches(shape, **{"augmentation": "digits", "centroids": 16, "patch": 3, **options})


def test_an_image_and_its_mirror_image_have_one_code_where_it_keeps_its_meaning() -> None:
    x = digits(8)
    natural, digit = model(augmentation="natural"), model()
    assert torch.allclose(natural.encode(x), natural.encode(x.flip(3)), atol=1e-6)
    assert not torch.allclose(digit.encode(x), digit.encode(x.flip(3)), atol=1e-3)


@pytest.mark.parametrize("shape", [(3, 7, 7), (1, 12, 9), (3, 32, 32)])
def test_any_size_of_image(shape: tuple[int, int, int]) -> None:
    z = model(shape, augmentation="natural").encode(torch.rand(3, *shape))
    assert z.shape == (3, 32) and torch.isfinite(z).all() and z.min() >= 0


def test_the_same_seed_gives_the_same_codes() -> None:
    x = digits(8)
    codes = []
    for seed in (0, 0, 1):
        found = model()
        found.seed = seed
        train(found, TinyDigits(), epochs=0)
        codes.append(found.encode(x))
    assert torch.equal(codes[0], codes[1])
    assert not torch.allclose(codes[0], codes[2], atol=1e-3)


def test_small_images_are_one_line() -> None:
    with pytest.raises(UsageError, match="^model.patch 9 is too large for 8 x 8 pixels: lower it$"):
        model(patch=9)
    with pytest.raises(UsageError, match=r"^[^\n]*zca is -1[^\n]*$"):
        model(zca=-1.0)
    for option in ("centroids", "patch", "stride", "grid"):
        with pytest.raises(UsageError, match=rf"^[^\n]*{option} is 0[^\n]*$"):
            model(**{option: 0})


def test_fewer_patches_than_centroids_is_one_line() -> None:
    with pytest.raises(UserError, match="27 images hold 972 patches, fewer than centroids: lower model.centroids"):
        train(model(centroids=1000), TinyDigits(n=30), epochs=0)
