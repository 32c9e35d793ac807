"""The contract of every data set, and how validation is carved out."""

import importlib
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic
import torch
import yaml
from synthetic import Numbered, ids

from unsup.core.errors import UsageError, UserError
from unsup.core.splits import stratified_subset, train_val_split
from unsup.data.base import Arrays, ImageData, Split
from unsup.data.batches import as_tensor, to_unit
from unsup.data.cifar import CIFAR10
from unsup.data.digits import Digits
from unsup.data.download import Downloaded
from unsup.data.folder import Folder
from unsup.data.mnist import MNIST
from unsup.data.npz import Npz
from unsup.data.saved_dataset import SavedDataset
from unsup.data.stl10 import STL10
from unsup.data.streamed import Streamed
from unsup.testing import check_data

TOP = Path(__file__).parents[2]
CONFIGS = sorted((TOP / "configs" / "data").glob("*.yaml"))
REAL = TOP.parent / "shared" / "data"


def recipe(config: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[type[ImageData], dict[str, Any]]:
    """Return the class and the options of a recipe, with small files of its format if it needs files."""
    content = yaml.safe_load(config.read_text())["data"]
    module, _, name = content["class_path"].rpartition(".")
    cls: Any = getattr(importlib.import_module(module), name)
    options = {"root": str(root), **content.get("init_args", {})}
    if issubclass(cls, MNIST | CIFAR10 | STL10):
        makers = ((MNIST, synthetic.mnist_files), (STL10, synthetic.stl10_files))
        files = next((make() for kind, make in makers if issubclass(cls, kind)), None) or synthetic.cifar_files(cls)
        synthetic.expect(monkeypatch, cls, files)
        synthetic.place(root, cls, files)
    elif issubclass(cls, Folder):
        for i, kind in enumerate(("cat", "dog")):
            synthetic.pictures(root / "images" / kind, 15, seed=i)
        options["images"] = str(root / "images")
    elif issubclass(cls, SavedDataset):
        pytest.importorskip("datasets")
        synthetic.saved_dataset(root / "saved")
        options["path"] = str(root / "saved")
    elif issubclass(cls, Npz):
        np.savez(root / "arrays.npz", **synthetic.arrays())
        options["file"] = str(root / "arrays.npz")
    elif issubclass(cls, Streamed):
        pytest.importorskip("litdata")
        synthetic.stream(root, learn=200, probe=100, test=40)
        options["stream"] = str(root)
    elif issubclass(cls, Downloaded):
        pytest.skip(f"{config.stem}: no small files of its format are made here")
    return cls, options


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_contract(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.read_text().startswith("# ")
    cls, options = recipe(config, tmp_path, monkeypatch)
    check_data(cls, **options)
    data = cls(**options)
    official = data.validation_rows()
    tenth = round((data.size("train") + data.size("val")) / 10)
    assert data.size("val") == (tenth if official is None else len(official))
    splits: tuple[Split, ...] = ("train", "val", "test")
    for split in splits:
        labels = data.labels(split)
        assert labels is not None and len(labels) == data.size(split)
        assert torch.cat(list(data.batches(split))).std() > 0.1


def test_digits_are_the_librarys() -> None:
    data = Digits()
    train, test = data.load(True), data.load(False)
    assert len(train[0]) == 1297 and len(test[0]) == 500
    assert {image.max() for image in train[0]} <= set(range(256)) and train[0].max() == 255
    assert np.bincount(test[1]).min() >= 48 and np.bincount(test[1]).max() <= 51  # 174 to 183 of each digit in all


@pytest.mark.skipif(not MNIST.available(str(REAL)), reason="MNIST is not in ../shared/data")
def test_real_mnist() -> None:
    data = MNIST(str(REAL))
    data.prepare_data()
    data.setup()
    assert [data.size(split) for split in ("train", "val", "test")] == [55000, 5000, 10000]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]  # of the 60,000
    assert (np.bincount(data.labels("train")) + np.bincount(data.labels("val"))).tolist() == counts
    assert np.bincount(data.labels("test")).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    x = torch.cat(list(data.batches("train")) + list(data.batches("val")))
    assert x.mean() == pytest.approx(0.1307, abs=5e-5)  # the published mean
    start = time.process_time()
    first = data.fingerprint()
    assert time.process_time() - start < 1
    start = time.process_time()
    assert data.fingerprint() == first  # cached
    assert time.process_time() - start < 0.01


# ---- validation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "expected"), [(1000, 100), (49_000, 4900), (50_000, 5000), (60_000, 5000)])
@pytest.mark.parametrize("labelled", [True, False])
def test_carve_is_a_partition_of_the_stated_size(n: int, expected: int, labelled: bool) -> None:
    labels = np.random.default_rng(1).integers(0, 10, n) if labelled else None
    train, val = train_val_split(n, labels)
    assert len(val) == expected
    assert sorted([*train, *val]) == list(range(n))
    assert all((a == b).all() for a, b in zip(train_val_split(n, labels), (train, val), strict=True))


def test_carve_takes_the_same_share_of_every_class() -> None:
    labels = np.repeat(np.arange(4), [1000, 500, 70, 2000])  # sorted, as folders are
    val = train_val_split(len(labels), labels)[1]
    assert np.abs(np.bincount(labels[val]) - np.array([100, 50, 7, 200])).max() <= 1
    assert abs(val[labels[val] == 3].mean() - 2570) < 150  # all over the class, not its first images


def test_no_class_loses_all_its_images() -> None:
    labels = np.concatenate([np.arange(100), np.arange(100), np.arange(100, 150)])  # two images each, or one
    train, val = train_val_split(len(labels), labels)
    assert set(labels[train]) == set(range(150)) and len(val) == 25
    assert len(set(labels[val])) == 25 and labels[val].min() < 50 < labels[val].max()  # ties broken at random
    crowded = np.repeat(np.arange(96), [1] * 95 + [5])
    subset = stratified_subset(100, 10, crowded)
    assert (crowded[subset] == 95).all() and len(subset) == 4  # all that can be spared
    with pytest.raises(UserError, match="every class needs at least two"):
        train_val_split(30, np.arange(30))


# ---- the base --------------------------------------------------------------------------------------------------------


def test_fingerprint_sees_a_pixel_a_label_and_their_absence() -> None:
    def of(change: str = "") -> str:
        data = Numbered()
        data.setup()
        images, labels = data._arrays[change.startswith("train")]
        if change.endswith("pixel"):
            images[7, 0, 0, 1] += 1
        elif change.endswith("label"):
            labels[8] = 1
        return data.fingerprint()

    values = [of(), of("train pixel"), of("train label"), of("test pixel"), of("test label")]
    values.append(Numbered(labelled=False).fingerprint())
    other_split = Numbered()
    other_split._rows = {"val": np.arange(900, 1000)}
    values.append(other_split.fingerprint())
    assert len(set(values)) == 7
    assert of() == values[0]


def test_a_split_is_found_once() -> None:
    """Every training step asks for the number of images: that must not take a pass over them."""
    data = Numbered(n=1000)
    splits: tuple[Split, ...] = ("learn", "train", "val", "test")
    found = {split: data._get_rows(split) for split in splits}
    assert all(data._get_rows(split) is index for split, index in found.items())
    assert sorted([*found["train"], *found["val"]]) == sorted([*found["learn"], *found["val"]]) == list(range(1000))


def test_batches_at_positions_of_a_split() -> None:
    data = Numbered()
    at = np.array([5, 0, 99])
    (x,) = data.batches("val", positions=at)
    assert ids(x) == data._get_rows("val")[at].tolist()
    assert (data.labels("val") == data._get_rows("val") % 2).all()
    assert data.test_reads == 0
    data.batches("test")
    assert data.test_reads == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.zeros((30, 1, 1, 2), np.uint8), np.zeros(29, np.int64)), "30 images but 29 labels"),
        ((np.zeros((30, 1, 2, 2), np.uint8), None), "(1, 2, 2), expected uint8 (1, 1, 2)"),
        ((np.zeros((30, 1, 1, 2), np.float32), None), "float32 images"),
        ((np.zeros((30, 1, 1, 2), np.uint8), np.full(30, 2)), "labels 2 to 2, expected -1 to 1"),
        ((np.zeros((30, 1, 1, 2), np.uint8), np.full(30, -1)), "labels -1 to -1, expected 0 to 1"),
    ],
)
def test_what_load_returns_is_checked(arrays: Arrays, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Numbered()
    monkeypatch.setattr(data, "load", lambda train: arrays)
    with pytest.raises(UserError) as error:
        data.setup()
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("option", ["batch_size", "steps_per_call"])
def test_options_are_checked(option: str) -> None:
    with pytest.raises(UsageError, match=f"data.{option} is 0"):
        Numbered(**{option: 0})


def test_a_read_only_memory_map_serves(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", Numbered().load(True)[0])
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = as_tensor(mapped)
    assert ids(to_unit(x.index_select(0, torch.tensor([3, 999])))) == [3, 999]
    assert x.data_ptr() == mapped.ctypes.data  # no copy


def test_to_unit_is_exact_at_both_ends() -> None:
    x = to_unit(torch.arange(256, dtype=torch.uint8))
    assert x[0] == 0 and x[255] == 1
    assert torch.allclose(x, torch.arange(256) / 255, atol=1e-7)
