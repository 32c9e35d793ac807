"""Planted copies are found and look-alikes are not."""

import numpy as np
import pytest
from copies import COPIES, copies, cropped, scenes, textures
from sklearn.datasets import load_digits

from unsup.metrics.alignment import residuals, resized
from unsup.metrics.near_duplicates import LabelledImages, find_near_duplicates


@pytest.mark.parametrize("kind", COPIES)
def test_planted_copies_are_found(kind: str) -> None:
    originals = scenes(400)
    images = np.concatenate([originals, copies(originals[:60], kind)])
    pairs = find_near_duplicates(LabelledImages(images, None))
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    planted = {(i, 400 + i) for i in range(60)}
    assert len(found & planted) >= 57
    assert len(found - planted) <= 1
    assert pairs.expected <= 1


def test_copies_in_another_set_are_found() -> None:
    train, test = scenes(500), scenes(100, seed=1)
    test[:30] = copies(train[200:230], "cropped")
    labels = np.arange(500) % 5
    pairs = find_near_duplicates(LabelledImages(test, np.arange(100) % 5), LabelledImages(train, labels))
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == {(i, 200 + i) for i in range(30)}
    assert (np.diff(pairs.residual) >= 0).all() and (pairs.residual < pairs.threshold).all()


def test_the_same_image_many_times() -> None:
    images = np.concatenate([scenes(200), np.repeat(scenes(5, seed=1), 4, axis=0)])
    pairs = find_near_duplicates(LabelledImages(images, None))
    assert len(pairs.first) == 5 * 6
    assert (pairs.first // 4 == pairs.second // 4).all() and (pairs.first >= 200).all()


@pytest.mark.slow
def test_images_that_are_alike_by_nature_are_no_duplicates() -> None:
    digits = load_digits()
    images = (digits.images * 15.9).astype(np.uint8)[:, None]
    assert len(find_near_duplicates(LabelledImages(images, digits.target)).first) <= 4  # of 1,797
    stripes = textures(400)
    assert len(find_near_duplicates(LabelledImages(stripes, None)).first) == 0
    assert len(find_near_duplicates(LabelledImages(stripes, np.arange(400) % 2)).first) == 0


@pytest.mark.parametrize("n", [0, 1, 2, 3, 20])
def test_few_images(n: int) -> None:
    pairs = find_near_duplicates(LabelledImages(scenes(n), None))
    assert len(pairs.first) == 0


def test_images_of_one_colour_are_no_duplicates() -> None:
    """They are a finding of their own, and cannot be aligned."""
    flat = np.full((40, 3, 32, 32), 7, np.uint8)
    assert len(find_near_duplicates(LabelledImages(flat, None)).first) == 0


def test_residuals_of_aligned_pictures() -> None:
    images = scenes(50).astype(np.float32) / 255
    crops = np.stack([cropped(image, corner=0.0) for image in scenes(50)]).astype(np.float32) / 255
    assert residuals(images, images).max() < 1e-5
    assert np.median(residuals(images, crops)) < 0.03
    assert np.median(residuals(crops, images)) < 0.03
    assert residuals(images[:25], images[25:]).min() > 0.15
    assert np.allclose(residuals(images[:10], 0.5 * images[:10] + 0.2), 0, atol=1e-4)


def test_resized_pictures_are_area_averages() -> None:
    pictures = np.arange(2 * 6 * 9, dtype=np.float32).reshape(1, 2, 6, 9)
    assert np.allclose(resized(pictures, 3), pictures.reshape(1, 2, 3, 2, 3, 3).mean(axis=(3, 5)))
    assert np.allclose(resized(pictures, 4).mean(axis=(2, 3)), pictures.mean(axis=(2, 3)))
    assert resized(pictures, 32).shape == (1, 2, 6, 9)
