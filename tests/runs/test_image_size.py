"""Images that are too large for a model are refused before any of them is decoded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from unsup.core.errors import UsageError
from unsup.models.ae import AE
from unsup.models.byol import BYOL
from unsup.models.pca import PCA
from unsup.models.simclr import SimCLR
from unsup.runs.build import build
from unsup.runs.config import compose, resolve
from unsup.runs.image_size import kept_bytes, largest, num_weights, probed_side, step_bytes

TAKES_224 = ("simclr", "vicreg", "byol", "mae", "conv_ae", "pca", "pixels", "ae", "gan", "patches", "selflabel")


def built(recipe: str, size: int, folder: Path, *options: tuple[str, object]) -> torch.nn.Module:
    """The model, for a folder without a single image, in bfloat16 on every machine."""
    arguments = [("data.images", str(folder)), ("data.size", size), ("trainer.precision", "bf16-mixed"), *options]
    _, model = build(resolve(compose(recipe, "folder", [], arguments)))
    return model


@pytest.mark.parametrize(
    "recipe",
    [pytest.param(name, marks=pytest.mark.nightly if name == "patches" else pytest.mark.slow) for name in TAKES_224],
)
def test_recipes_that_take_224(recipe: str, tmp_path: Path) -> None:
    assert built(recipe, 224, tmp_path).shape == (3, 224, 224)


@pytest.mark.slow
def test_dense_layers_of_large_images_are_refused(tmp_path: Path) -> None:
    line = (
        r"^deep_ae has 302 million weights \(at most 100\) for images of 224 x 224: it takes up to data.size 128; or "
    )
    with pytest.raises(UsageError, match=line) as error:
        built("deep_ae", 224, tmp_path)
    assert "\n" not in str(error.value)
    assert num_weights(built("deep_ae", 128, tmp_path)) < 100_000_000
    with pytest.raises(UsageError, match="up to data.size 128"):
        built("deep_ae", 136, tmp_path)


@pytest.mark.slow
def test_large_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    np.savez_compressed(path, train_images=np.zeros((24, 224, 200, 3), np.uint8))

    def model(recipe: str, *options: tuple[str, object]) -> torch.nn.Module:
        return build(resolve(compose(recipe, "npz", [], [("data.file", str(path)), *options])))[1]

    line = r"^deep_ae has 270 million weights \(at most 100\) for images of 224 x 200: it takes up to 128 x 128 pix"
    with pytest.raises(UsageError, match=line):
        model("deep_ae")
    assert model("deep_ae", ("model.widths", [100])).shape == model("conv_ae").shape == (3, 224, 200)


def test_narrower_layers_are_taken(tmp_path: Path) -> None:
    assert num_weights(built("deep_ae", 224, tmp_path, ("model.widths", [100]))) == pytest.approx(30.3e6, rel=0.01)


@pytest.mark.slow
def test_a_step_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unsup.runs.image_size.step_limit", lambda config: 2.0 * 2**30)
    network = [("model.backbone", "resnet18"), ("model.width", 16), ("model.view_scale", 1.0)]
    line = r"^simclr needs 6\.\d GiB for a step on 1024 images \(at most 2\.0\) for images of 224 x 224: it "
    with pytest.raises(UsageError, match=line + r"takes up to data.size 80; or lower data.batch_size"):
        built("simclr", 224, tmp_path, ("data.batch_size", 1024), *network)
    built("simclr", 224, tmp_path, ("data.batch_size", 128), *network)
    monkeypatch.setattr("unsup.runs.image_size.step_limit", lambda config: 2**20)
    with pytest.raises(UsageError, match="no smaller size helps"):  # weights alone take more
        built("simclr", 72, tmp_path, ("data.batch_size", 1), *network)


def test_small_images_are_not_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unsup.runs.image_size.step_limit", lambda config: 0)
    built("simclr", 64, tmp_path)


def test_what_a_step_takes() -> None:
    model = AE((1, 8, 8), hidden=32, code_dim=4)
    weights, image = step_bytes(model, "32-true")
    assert weights == 4 * 4 * sum(p.numel() for p in model.parameters())
    assert image >= 4 * (64 + 32)  # the image and the hidden layer
    assert kept_bytes(model, torch.rand(2, 1, 8, 8)) >= 2 * image
    assert step_bytes(PCA((1, 8, 8), 4), "32-true") == (0, 0)


def test_the_measured_step_leaves_no_trace() -> None:
    model, state = BYOL((3, 32, 32), "natural", width=4), torch.get_rng_state()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.backbone.eval()
    assert min(step_bytes(model, "bf16-mixed")) > 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state) and model.training and not model.backbone.training


def test_large_images_are_measured_by_smaller_ones() -> None:
    assert [probed_side(side) for side in (65, 224, 256, 260, 900, 2400)] == [65, 224, 256, 128, 224, 144]
    small, large = (step_bytes(SimCLR((3, side, side), "natural", width=4), "32-true")[1] for side in (128, 256))
    assert large == pytest.approx(4 * small, rel=0.1)


def excess(fits: Callable[[int], bool]) -> Callable[[int], float]:
    return lambda side: 0.9 if fits(side) else 1.1


def test_the_largest_multiple_of_eight() -> None:
    assert largest(224, excess(lambda size: size <= 130)) == 128
    assert largest(224, excess(lambda size: True)) == 216  # 224 itself does not
    assert largest(224, excess(lambda size: size <= 8)) == 8
    assert largest(224, excess(lambda size: 64 <= size <= 100 or size <= 40)) == 96
    assert largest(224, excess(lambda size: False)) is None


def test_sizes_that_are_far_too_large_are_left_out() -> None:
    tried = []

    def far(side: int) -> float:
        tried.append(side)
        return (side / 100) ** 2

    assert largest(10**18, far) == 96
    assert len(tried) < 40  # those up to twice the largest


@pytest.mark.parametrize("recipe", ["vicreg", "ae", "pca"])
@pytest.mark.parametrize("size", [999_999_999_999_999_999, 200_000])
def test_sizes_beyond_any_memory_are_one_line(recipe: str, size: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"^a batch of \d+ images of {size} x {size} takes [\d,.]+ GiB \(at most"):
        built(recipe, size, tmp_path)


@pytest.mark.slow
def test_a_large_image_is_refused_without_a_step_on_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"for images of 2400 x 2400: it takes up to data.size \d+; or lower"):
        built("vicreg", 2400, tmp_path, ("data.batch_size", 16), ("model.backbone", "resnet18"))
