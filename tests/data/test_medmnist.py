"""Files with the keys, types and shapes of MedMNIST are taken as they are."""

from pathlib import Path

import numpy as np
import pytest

from unsup.core.errors import UserError
from unsup.data.npz import Npz
from unsup.training.by_name import train

SIZES = {"train": 120, "val": 20, "test": 40}


def medmnist(path: Path, channels: tuple[int, ...] = (), classes: int = 3, columns: int = 1) -> Path:
    """Write a file as the project publishes them, with images that are brighter by class."""
    rng = np.random.default_rng(0)
    content = {}
    for split, n in SIZES.items():
        labels = np.arange(n * columns, dtype=np.uint8).reshape(n, columns) % classes
        noise = rng.integers(0, 100, (n, 28, 28, *channels))
        level = 50 * labels[:, 0].reshape(n, 1, 1, *(1 for _ in channels))
        content |= {f"{split}_images": (noise + level).astype(np.uint8), f"{split}_labels": labels}
    np.savez_compressed(path, **content)
    return path


@pytest.mark.parametrize(
    "channels",
    [
        pytest.param((), id="pneumoniamnist", marks=pytest.mark.nightly),
        pytest.param((3,), id="pathmnist", marks=pytest.mark.slow),
    ],
)
def test_a_model_is_trained_on_them(channels: tuple[int, ...], tmp_path: Path) -> None:
    path = medmnist(tmp_path / "arrays.npz", channels)
    run = train("pca", "npz", options={"data.file": str(path), "model.code_dim": 4}, runs=tmp_path / "runs")
    sizes = run.report.run.images
    assert {"train": sizes.train, "val": sizes.val, "test": sizes.test} == SIZES
    probe = run.report.scores.linear_probe
    assert probe is not None and probe.accuracy == 1
    assert run.report.run.class_names == ["0", "1", "2"]


def test_several_labels_an_image_are_refused(tmp_path: Path) -> None:
    data = Npz(str(medmnist(tmp_path / "chestmnist.npz", classes=2, columns=14)))
    with pytest.raises(UserError, match=r"chestmnist.npz has train_labels of shape \(120, 14\): expected \(120,\)"):
        data.setup()


def test_volumes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "organmnist3d.npz", train_images=np.zeros((24, 28, 28, 28), np.uint8))
    with pytest.raises(UserError, match=r"has train_images of shape \(24, 28, 28, 28\): expected \(n, H, W\), or"):
        Npz(str(tmp_path / "organmnist3d.npz"))
