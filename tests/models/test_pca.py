"""PCA against scikit-learn's, and against the published error on MNIST."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as SklearnPCA
from tiny import SHAPE, TinyDigits, train

from unsup.core.errors import UserError
from unsup.data.base import Arrays, ImageData
from unsup.models.pca import PCA

MNIST = Path(__file__).parents[3] / "shared/data/MNIST/raw"


def squared_error(model: PCA, x: torch.Tensor) -> float:
    """Summed over pixels, averaged over images."""
    return (model.reconstruct(x) - x).square().flatten(1).sum(1).mean().item()


def test_equals_scikit_learn() -> None:
    model, data = PCA(SHAPE, code_dim=7), TinyDigits(n=500)
    train(model, data, epochs=0)
    x = torch.cat(list(data.batches("train")))
    reference = SklearnPCA(7, svd_solver="full").fit(x.flatten(1).numpy().astype(np.float64))
    new = torch.cat(list(data.batches("test")))
    expected = reference.inverse_transform(reference.transform(new.flatten(1).numpy().astype(np.float64)))
    assert model.reconstruct(new).flatten(1).numpy() == pytest.approx(expected, abs=1e-5)
    assert model.reconstruct(new).min() < 0  # not clamped
    z = model.encode(x)
    assert z.mean(0).abs().max() < 1e-5
    assert z.var(0).numpy() == pytest.approx(reference.explained_variance_, rel=1e-4)
    assert torch.allclose(model.components @ model.components.T, torch.eye(7), atol=1e-5)


def test_all_components_lose_nothing() -> None:
    model, data = PCA(SHAPE, code_dim=64), TinyDigits(n=200)
    train(model, data, epochs=0)
    assert squared_error(model, torch.cat(list(data.batches("test")))) < 1e-8


def test_more_components_than_pixels_is_one_line() -> None:
    with pytest.raises(UserError, match="model.code_dim is 65: PCA of 64 pixels has 1 to 64 components"):
        PCA(SHAPE, code_dim=65)


def test_more_components_than_images_is_one_line() -> None:
    with pytest.raises(UserError, match="cannot find 30 components in 27 images"):
        train(PCA(SHAPE, code_dim=30), TinyDigits(n=30), epochs=0)


@pytest.mark.slow
@pytest.mark.skipif(not (MNIST / "t10k-images-idx3-ubyte").exists(), reason="MNIST is not in ../shared/data")
def test_reproduces_the_published_error_on_mnist() -> None:
    class Official(ImageData):
        shape = (1, 28, 28)

        def load(self, train: bool) -> Arrays:
            name = "train" if train else "t10k"
            return np.fromfile(MNIST / f"{name}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 1, 28, 28), None

    data, model = Official(), PCA((1, 28, 28), code_dim=30)
    everything = torch.from_numpy(data.load(train=True)[0]).float() / 255
    test = torch.cat(list(data.batches("test")))
    model.fit(lambda: iter(everything.split(1000)))
    assert squared_error(model, test) == pytest.approx(13.866, abs=0.01)  # Hinton & Salakhutdinov 2006: 13.87
    model.fit(lambda: data.batches("train"))
    assert squared_error(model, test) == pytest.approx(13.866, abs=0.02)  # on the 55,000 that the project trains on
