"""Thumbnails of large images, and the baselines that see them."""

import pytest
import torch

from unsup.core.errors import UsageError
from unsup.models.parts.thumbnails import Thumbnail
from unsup.models.pca import PCA, num_pixels, solver
from unsup.models.pixels import Pixels


def test_small_images_are_their_own_thumbnails() -> None:
    for shape in ((1, 28, 28), (3, 32, 32), (3, 5, 32)):
        thumbnail, x = Thumbnail(shape), torch.rand(2, *shape)
        assert thumbnail.shape == shape and not list(thumbnail.buffers())
        assert torch.equal(thumbnail(x), x) and torch.equal(thumbnail.enlarged(x), x)


@pytest.mark.parametrize(
    ("shape", "small"),
    [((3, 64, 64), (3, 32, 32)), ((1, 224, 112), (1, 32, 16)), ((1, 33, 33), (1, 32, 32)), ((1, 400, 3), (1, 32, 1))],
)
def test_thumbnails_keep_proportions_and_means(shape: tuple[int, int, int], small: tuple[int, int, int]) -> None:
    x = torch.rand(2, *shape)
    thumbnails = Thumbnail(shape)(x)
    assert thumbnails.shape == (2, *small)
    assert torch.allclose(thumbnails.mean((2, 3)), x.mean((2, 3)), atol=1e-6)


def test_a_thumbnail_is_the_area_average() -> None:
    y = torch.rand(2, 1, 96, 96)
    assert torch.allclose(Thumbnail((1, 96, 96))(y), torch.nn.functional.avg_pool2d(y, 3), atol=1e-6)


def test_a_pixel_on_a_boundary_counts_in_both_parts() -> None:
    x = torch.zeros(1, 1, 48, 48)
    x[0, 0, 1] = 1  # the second of 48 rows lies half in the first of 32, which are 1.5 rows high
    column = Thumbnail((1, 48, 48))(x)[0, 0, :, 0]
    assert column[:3].tolist() == pytest.approx([1 / 3, 1 / 3, 0])


def test_pixels_and_pca_of_large_images_are_those_of_thumbnails() -> None:
    x = torch.rand(40, 3, 64, 64)
    small = torch.nn.functional.avg_pool2d(x, 2)
    assert torch.allclose(Pixels((3, 64, 64)).encode(x), small.flatten(1), atol=1e-6)
    large, direct = PCA((3, 64, 64), 5), PCA((3, 32, 32), 5)
    large.fit(lambda: iter(x.split(10)))
    direct.fit(lambda: iter(small.split(10)))
    assert torch.allclose(large.encode(x), direct.encode(small), atol=1e-3)
    assert large.reconstruct(x).shape == x.shape
    again = Thumbnail((3, 64, 64))(large.reconstruct(x))
    assert (again - direct.reconstruct(small)).abs().mean() < 0.05  # enlarged smoothly, and back


def test_no_more_components_than_pixels_of_a_thumbnail() -> None:
    assert num_pixels((3, 224, 224)) == 3072
    with pytest.raises(UsageError, match="model.code_dim is 3073: PCA of 3072 pixels has 1 to 3072 components"):
        PCA((3, 224, 224), code_dim=3073)


def test_the_solver_depends_on_the_shape() -> None:
    assert solver(55_000, 784, 30) == "covariance_eigh"
    assert solver(50, 784, 30) == "covariance_eigh"
    assert solver(270, 3072, 27) == "full"
    assert solver(45_000, 3072, 30) == solver(45_000, 3072, 767) == "randomized"
    assert solver(45_000, 3072, 768) == "covariance_eigh"  # many components: projections would not be cheaper


@pytest.mark.slow
def test_a_randomised_decomposition_is_repeated_and_close_to_the_exact_one() -> None:
    generator = torch.Generator().manual_seed(0)
    scale = torch.linspace(1, 0, 12).exp()[:, None]
    basis = torch.randn(12, 3 * 32 * 32, generator=generator) * scale
    x = torch.randn(2_100, 12, generator=generator) @ basis + 0.01 * torch.randn(2_100, 3072, generator=generator)
    first, second = (PCA((3, 32, 32), 4) for _ in range(2))
    for model in (first, second):
        model.fit(lambda: iter(x.unflatten(1, (3, 32, 32)).split(500)))
    assert torch.equal(first.components, second.components)
    centred = (x - x.mean(0)).double()
    exact = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -4:].flip(1).T.float()
    assert (first.components * exact).sum(1).abs().numpy() == pytest.approx(1, abs=1e-4)
