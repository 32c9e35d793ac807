"""Data sets with images that have no label, STL-10 among them; data sets of torchvision."""

from pathlib import Path

import numpy as np
import pytest
import synthetic
import torch
from PIL import Image
from synthetic import Numbered, complaint, ids
from tiny import TinyDigits, train
from torch import Tensor, nn
from torchvision import datasets

from unsup.data.base import Arrays
from unsup.data.stl10 import STL10
from unsup.data.torchvision_images import TorchvisionImages
from unsup.models.base import Model


class HalfLabelled(Numbered):
    """Every second training image lacks its label."""

    def load(self, train: bool) -> Arrays:
        images, labels = super().load(train)
        assert labels is not None
        return images, np.where(train & (np.arange(self.n) // 2 % 2 == 1), -1, labels)


def seen(data: HalfLabelled, split: str) -> list[int]:
    return [i for x in data.batches(split, batch_size=100) for i in ids(x)]  # type: ignore[arg-type]


def test_models_learn_from_all_and_probes_see_the_labelled() -> None:
    data = HalfLabelled()
    data.setup()
    known = {i for i in range(1000) if i // 2 % 2 == 0}
    train, val, learn = (seen(data, split) for split in ("train", "val", "learn"))
    assert len(val) == 50 and set(train) | set(val) == known and not set(train) & set(val)
    assert sorted(learn) == learn == sorted(set(range(1000)) - set(val))
    for split, of in (("train", train), ("val", val)):
        assert data.labels(split).tolist() == [i % 2 for i in of]  # type: ignore[arg-type, union-attr]
    batches = [i for x, _ in data.train_dataloader() for i in ids(x)]
    assert sorted(batches) == learn and data.steps_per_epoch == 4


def test_without_unlabelled_images_the_splits_are_one() -> None:
    for data in (Numbered(), Numbered(labelled=False)):
        data.setup()
        assert np.array_equal(data._get_rows("learn"), data._get_rows("train"))


class Half(TinyDigits):
    """Digits of which the second half has no label."""

    def load(self, train: bool) -> Arrays:
        images, labels = super().load(train)
        assert labels is not None
        return images, np.where(train & (np.arange(len(labels)) >= len(labels) // 2), -1, labels)


class Counting(Model):
    """Counts the images of its passes and batches."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)
        self.weight, self.images = nn.Parameter(torch.zeros(())), 0

    def on_train_start(self) -> None:
        self.passed = sum(len(x) for x in self.training_images())

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        self.images += len(x) * self.training
        return {"loss": (self.weight - x.mean()).square()}


def test_a_training_takes_the_unlabelled_images() -> None:
    model = Counting((1, 8, 8))
    train(model, Half(n=160))
    assert model.passed == model.images == 160 - 8  # 8 of 80 labelled ones are validation


def test_test_images_must_have_labels() -> None:
    class Wrong(HalfLabelled):
        def load(self, train: bool) -> Arrays:
            return super().load(True)

    assert "labels -1 to 1, expected 0 to 1" in complaint(Wrong())


def test_stl10_is_read_as_torchvision_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = synthetic.stl10_files()
    synthetic.expect(monkeypatch, STL10, files)
    synthetic.place(tmp_path, STL10, files)
    data = STL10(str(tmp_path))
    data.prepare_data()
    data.setup()
    assert [data.size(split) for split in ("learn", "train", "val", "test")] == [67, 27, 3, 20]  # type: ignore[arg-type]
    images, labels = data.load(True)
    assert labels is not None and labels.tolist() == [i % 10 for i in range(30)] + [-1] * 40
    of_torchvision, label = datasets.STL10(str(tmp_path), "train")[7]
    assert label == 7 and np.array_equal(images[7].transpose(1, 2, 0), np.asarray(of_torchvision))
    (data.place / "test_y.bin").write_bytes(b"123")
    assert "altered or cut short" in complaint(STL10(str(tmp_path)))


class Noise(TorchvisionImages):
    """torchvision's noise, resized."""

    shape, class_names = (3, 12, 10), ("a", "b", "c")

    def open(self, train: bool) -> datasets.VisionDataset:
        return datasets.FakeData(60 if train else 20, (3, 24, 20), 3, random_offset=0 if train else 1000)


class Grey(Noise):
    shape = (1, 24, 20)


def test_any_data_set_of_torchvision() -> None:
    data = Noise()
    data.prepare_data()
    data.setup()
    assert [data.size(split) for split in ("train", "val", "test")] == [54, 6, 20]  # type: ignore[arg-type]
    images, labels = data.load(True)
    picture, label = data.open(True)[11]
    assert labels is not None and labels[11] == label and images.shape == (60, 3, 12, 10)
    assert np.array_equal(
        images[11].transpose(1, 2, 0), np.asarray(picture.resize((10, 12), Image.Resampling.BILINEAR))
    )
    grey = Grey().load(False)[0]
    assert np.array_equal(grey[3, 0], np.asarray(data.open(False)[3][0].convert("L")))


def test_one_that_cannot_be_had_is_named() -> None:
    class Missing(Noise):
        def open(self, train: bool) -> datasets.VisionDataset:
            return datasets.SVHN(self.root, "train" if train else "test")

    assert complaint(Missing("nowhere")).startswith("Missing cannot be opened in")
