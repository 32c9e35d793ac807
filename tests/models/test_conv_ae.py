"""The convolutional autoencoder fits images of any size."""

import pytest
import torch

from unsup.core.errors import UsageError
from unsup.models.conv_ae import ConvAE


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 33, 47)])
def test_any_shape_comes_back(shape: tuple[int, int, int]) -> None:
    model = ConvAE(shape, width=2, hidden=8, code_dim=5).eval()
    x = torch.rand(3, *shape)
    assert model.encode(x).shape == (3, 5)
    assert model.layers(x)["hidden"].shape == (3, 8)
    x_hat = model.reconstruct(x)
    assert x_hat.shape == x.shape and x_hat.min() > 0 and x_hat.max() < 1


def test_the_loss_is_the_squared_error_of_an_image() -> None:
    model = ConvAE((1, 8, 8), width=2, hidden=8).eval()
    x = torch.rand(4, 1, 8, 8)
    error = (model.reconstruct(x) - x).square().flatten(1).sum(1).mean()
    assert torch.allclose(model.losses(x)["loss"], error)


def test_too_small_images_and_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="images of 7 x 28 are too small for conv_ae"):
        ConvAE((1, 7, 28))
    with pytest.raises(UsageError, match="model.blocks is -1"):
        ConvAE((1, 28, 28), blocks=-1)
    with pytest.raises(UsageError, match="model.beta2 is 1: it must be from 0 to below 1"):
        ConvAE((1, 28, 28), beta2=1)
    assert sum(p.numel() for p in ConvAE((1, 28, 28), blocks=0).parameters()) < sum(
        p.numel() for p in ConvAE((1, 28, 28)).parameters()
    )
