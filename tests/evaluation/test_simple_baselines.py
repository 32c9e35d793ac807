"""Image statistics, texture and the chosen PCA, on images whose answer is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import SHAPE, TinyDigits

from unsup.data.base import Arrays, ImageData
from unsup.evaluation import baselines, texture
from unsup.evaluation.chosen_pca import ScaledPCA, choose, fit_chosen_pca, most_components
from unsup.evaluation.image_statistics import ImageStatistics
from unsup.models.ae import AE
from unsup.models.base import Model
from unsup.models.pixels import Pixels
from unsup.reports.schema import BASELINES, baseline_name


def test_statistics_of_a_known_image() -> None:
    x = torch.zeros(1, 3, 4, 4)
    x[0, 0] = 1.0  # red
    x[0, 1, :, 2:] = 0.5  # right half: red and half green
    z = ImageStatistics((3, 4, 4)).encode(x)[0]
    assert z.shape == (4 * 3 + 64,)
    assert z[:3].tolist() == [1, 0.25, 0] and z[3:6].tolist() == [0, 0.25, 0]  # means, deviations
    assert z[6:9].tolist() == [0, 0.125, 0] and z[9:12].tolist() == [0, 0, 0]  # edges: one of four steps in a row
    shares = z[12:]
    assert shares[3 * 16].item() == 0.5 and shares[3 * 16 + 2 * 4].item() == 0.5 and shares.sum() == 1


def test_statistics_know_no_shape() -> None:
    x = torch.rand(3, 1, 8, 8)
    turned = ImageStatistics((1, 8, 8)).encode(x.flip(3))
    z = ImageStatistics((1, 8, 8)).encode(x)
    assert z.shape == (3, 4 + 16) and torch.allclose(z, turned, atol=1e-6)
    assert ImageStatistics((2, 1, 5)).encode(torch.rand(3, 2, 1, 5)).shape == (3, 2 * 4 + 2 * 16)


def blobs(whitening_helps: bool) -> tuple[Any, Any, np.ndarray]:
    """Components and labels, where a small one or a large one holds the classes and the others are noise."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(600, 16))
    labels = rng.integers(0, 2, 600)
    telling = 7 if whitening_helps else 0
    z[:, telling] = rng.normal(4.0 * labels, 1)
    z -= z.mean(axis=0)
    scale = np.r_[[1.0], np.full(15, 1e-3 if whitening_helps else 0.05)]
    z = (z * scale).astype(np.float32)
    deviation = z.std(axis=0)
    return (z[:300], labels[:300]), (z[300:], labels[300:]), deviation


def test_a_small_telling_component_is_whitened() -> None:
    chosen = choose(*blobs(whitening_helps=True))
    assert chosen.whitened and chosen.dimension == 8 and chosen.loss < 0.2


def test_noise_in_small_components_is_left_small() -> None:
    chosen = choose(*blobs(whitening_helps=False))
    assert not chosen.whitened and chosen.dimension in (8, 16) and chosen.loss < 0.2


def test_the_chosen_pca_loses_nothing_that_pca_keeps() -> None:
    data = TinyDigits(n=1200)
    model, chosen = fit_chosen_pca(data)
    x = torch.cat(list(data.batches("train")))
    z = model.encode(x)
    assert z.shape[1] == chosen.dimension <= 64
    if chosen.whitened:
        assert z.std(0).numpy() == pytest.approx(1, abs=0.01)
    kept = (x.flatten(1) - model.mean) @ model.components.T
    expected = (model.mean + kept @ model.components).view_as(x)
    assert torch.allclose(model.reconstruct(x), expected, atol=1e-5)
    whitened = ScaledPCA(SHAPE, 4)
    whitened.deviation.copy_(torch.tensor([2.0, 1, 1, 4]))
    assert torch.allclose(whitened.decode(whitened.encode(x)), (x.flatten(1)[:, :4] @ torch.eye(4, 64)).view_as(x))


def test_ten_training_images_for_each_component() -> None:
    assert most_components(TinyDigits(n=300)) == TinyDigits(n=300).size("train") // 10
    assert most_components(TinyDigits(n=12)) == 1
    assert most_components(TinyDigits(n=1200)) == 64  # pixels


class Stripes(ImageData):
    """40 x 40 pixels in two classes, stripes two pixels wide and four."""

    shape = (1, 40, 40)
    class_names = ("narrow", "wide")

    def __init__(self, labelled: bool = True) -> None:
        super().__init__()
        self.labelled = labelled

    def load(self, train: bool) -> Arrays:
        rng, ids = np.random.default_rng(train), np.arange(120 if train else 30) % 2
        stripes = (np.arange(40)[None, :] // (2 + 2 * ids[:, None])) % 2  # (n, 40)
        noise = rng.integers(0, 100, (len(ids), 1, 40, 40))
        return (stripes[:, None, None, :] * 120 + noise).astype(np.uint8), ids if self.labelled else None


def judged(monkeypatch: pytest.MonkeyPatch, model: Model, data: Any, folder: Path) -> dict[str, dict[str, Any]]:
    """Scores of the baselines, with the shape of the codes alone in place of an evaluation."""

    def judge(model: Model, data: Any, robustness: bool = True, **others: Any) -> baselines.BaselineResult:
        codes = model.encode(next(data.batches("train", batch_size=4)))
        return baselines.BaselineResult({"code_dim": codes.shape[1], "robust": robustness}, {})

    monkeypatch.setattr(baselines, "judge_baseline", judge)
    results = baselines.compute_baselines(model, 30, data, folder, [])
    return {name: result.scores for name, result in results.items()}


def test_baselines_of_large_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scores = judged(monkeypatch, Pixels((1, 40, 40)), Stripes(), tmp_path)
    assert list(scores) == ["pixels", "pca", "statistics", "pca_chosen", "texture"]
    assert scores["pixels"] == {"code_dim": 1024, "robust": True, "thumbnail": [32, 32]}
    assert scores["pca"] == {"code_dim": Stripes().size("train") // 10, "robust": True, "thumbnail": [32, 32]}
    assert scores["texture"] == {"code_dim": 400, "robust": False}
    assert scores["statistics"] == {"code_dim": 20, "robust": False}
    assert scores["pca_chosen"]["thumbnail"] == [32, 32] and isinstance(scores["pca_chosen"]["whitened"], bool)


def test_baselines_of_small_or_unlabelled_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    small = judged(monkeypatch, AE(SHAPE, code_dim=4), TinyDigits(), tmp_path / "small")
    assert small.keys() == {"pixels", "pca", "statistics", "pca_chosen", "untrained"}
    assert not any("thumbnail" in scores for scores in small.values())
    unlabelled = judged(monkeypatch, Pixels((1, 40, 40)), Stripes(labelled=False), tmp_path / "unlabelled")
    assert unlabelled.keys() == {"pixels", "pca", "statistics", "texture"}  # nothing to choose a dimension with


def test_texture_is_fitted_alike_whatever_was_drawn_before() -> None:
    data, state = Stripes(), torch.get_rng_state()
    first = texture.fit_patches(data)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    second = texture.fit_patches(data)
    assert torch.equal(first.features.dictionary.centroids, second.features.dictionary.centroids)
    assert first.encode(next(data.batches("train", batch_size=3))).shape == (3, 400)


def test_every_baseline_has_a_name_and_a_place() -> None:
    assert [baseline_name(key, 30) for key in BASELINES] == [
        "untrained network",
        "PCA-30",
        "chosen PCA-30",
        "raw pixels",
        "image statistics",
        "patches-30",
    ]
