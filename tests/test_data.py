"""What every data set keeps to, how validation is carved out, and which batches an epoch has."""

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
from tiny import TinyDigits, trainer

from unsup.data.base import Arrays, ImageData, carve, draw
from unsup.data.batches import ResidentBatches, as_tensor, to_unit
from unsup.data.cifar import CIFAR10
from unsup.data.digits import Digits
from unsup.data.download import Downloaded
from unsup.data.folder import Folder
from unsup.data.mnist import MNIST
from unsup.errors import UsageError, UserError

TOP = Path(__file__).parents[1]
CONFIGS = sorted((TOP / "configs" / "data").glob("*.yaml"))
REAL = TOP.parent / "shared" / "data"


def build(config: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> ImageData:
    """The data set of a recipe, over small files of its format where it needs files."""
    recipe = yaml.safe_load(config.read_text())["data"]
    module, _, name = recipe["class_path"].rpartition(".")
    cls: Any = getattr(importlib.import_module(module), name)
    arguments = {"root": str(root), **recipe.get("init_args", {})}
    if issubclass(cls, MNIST | CIFAR10):
        files = synthetic.mnist_files() if issubclass(cls, MNIST) else synthetic.cifar_files(cls)
        synthetic.expect(monkeypatch, cls, files)
        synthetic.place(root, cls, files)
    elif issubclass(cls, Folder):
        for i, kind in enumerate(("cat", "dog")):
            synthetic.pictures(root / "images" / kind, 15, seed=i)
        arguments["images"] = str(root / "images")
    elif issubclass(cls, Downloaded):
        pytest.skip(f"{config.stem}: no small files of its format are made here")
    return cls(**arguments)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_contract(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.read_text().startswith("# ")
    data = build(config, tmp_path, monkeypatch)
    shape = data.shape  # known before anything is loaded
    data.prepare_data()
    data.setup()
    for train in (True, False):
        images, labels = data.load(train)
        assert images.dtype == np.uint8 and images.shape[1:] == shape and images.flags.c_contiguous
        assert labels is not None and labels.dtype == np.int64 and len(labels) == len(images)
        assert set(labels) <= set(range(len(data.class_names)))
    assert data.augmentation in ("digits", "natural")

    everything = np.concatenate([data._index("train"), data._index("val")])
    assert sorted(everything) == list(range(len(data.load(True)[0])))
    assert data.size("val") == round(len(everything) / 10)
    seen = {row.tobytes() for row in data.load(True)[0]}
    assert not any(row.tobytes() in seen for row in data.load(False)[0])

    before = data._index("val").copy()
    data.setup()
    assert (data._index("val") == before).all()
    for split in ("train", "val", "test"):
        x = torch.cat(list(data.batches(split, size=7)))
        assert x.shape == (data.size(split), *shape) and x.dtype == torch.float32
        assert x.min() >= 0 and x.max() <= 1 and x.std() > 0.1
        labels = data.labels(split)
        assert labels is not None and len(labels) == len(x)
    assert data.test_reads == 1
    again = build(config, tmp_path, monkeypatch)
    assert again.fingerprint() == data.fingerprint()


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
    start = time.perf_counter()
    first = data.fingerprint()
    assert time.perf_counter() - start < 1
    start = time.perf_counter()
    assert data.fingerprint() == first
    assert time.perf_counter() - start < 0.01


# ---- validation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "expected"), [(1000, 100), (49_000, 4900), (50_000, 5000), (60_000, 5000)])
@pytest.mark.parametrize("labelled", [True, False])
def test_carve_is_a_partition_of_the_stated_size(n: int, expected: int, labelled: bool) -> None:
    labels = np.random.default_rng(1).integers(0, 10, n) if labelled else None
    train, val = carve(n, labels)
    assert len(val) == expected
    assert sorted([*train, *val]) == list(range(n))
    assert all((a == b).all() for a, b in zip(carve(n, labels), (train, val), strict=True))


def test_carve_takes_the_same_share_of_every_class() -> None:
    labels = np.repeat(np.arange(4), [1000, 500, 70, 2000])  # sorted, as folders are
    val = carve(len(labels), labels)[1]
    assert np.abs(np.bincount(labels[val]) - np.array([100, 50, 7, 200])).max() <= 1
    assert abs(val[labels[val] == 3].mean() - 2570) < 150  # all over the class, not its first images


def test_no_class_loses_all_its_images() -> None:
    labels = np.concatenate([np.arange(100), np.arange(100), np.arange(100, 150)])  # two images each, or one
    train, val = carve(len(labels), labels)
    assert set(labels[train]) == set(range(150)) and len(val) == 25
    assert len(set(labels[val])) == 25 and labels[val].min() < 50 < labels[val].max()  # ties broken at random
    crowded = np.repeat(np.arange(96), [1] * 95 + [5])
    assert (crowded[draw(100, 10, crowded)] == 95).all() and len(draw(100, 10, crowded)) == 4  # all that can be spared
    with pytest.raises(UserError, match="every class needs at least two"):
        carve(30, np.arange(30))


# ---- the base --------------------------------------------------------------------------------------------------------


class Numbered(ImageData):
    """Image i is (i, i // 256)."""

    shape = (1, 1, 2)
    class_names = ("even", "odd")

    def __init__(self, n: int = 1000, labelled: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.n, self.labelled = n, labelled

    def load(self, train: bool) -> Arrays:
        i = np.arange(self.n)
        return np.stack([i % 256, i // 256], 1).astype(np.uint8).reshape(-1, 1, 1, 2), i % 2 if self.labelled else None


def ids(x: torch.Tensor) -> list[int]:
    pixels = (x * 255).round().long().view(-1, 2)
    return (pixels[:, 0] + 256 * pixels[:, 1]).tolist()


def test_fingerprint_sees_a_pixel_a_label_and_their_absence() -> None:
    def of(change: str = "") -> str:
        data = Numbered()
        data.setup()
        images, labels = data._stores[change.startswith("train")]
        if change.endswith("pixel"):
            images[7, 0, 0, 1] += 1
        elif change.endswith("label"):
            labels[8] = 1
        return data.fingerprint()

    values = [of(), of("train pixel"), of("train label"), of("test pixel"), of("test label")]
    values.append(Numbered(labelled=False).fingerprint())
    other_split = Numbered()
    other_split._carved = (np.arange(900), np.arange(900, 1000))
    values.append(other_split.fingerprint())
    assert len(set(values)) == 7
    assert of() == values[0]


def test_batches_at_positions_of_a_split() -> None:
    data = Numbered()
    at = np.array([5, 0, 99])
    (x,) = data.batches("val", at=at)
    assert ids(x) == data._index("val")[at].tolist()
    assert (data.labels("val") == data._index("val") % 2).all()
    assert data.test_reads == 0
    data.batches("test")
    assert data.test_reads == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.zeros((30, 1, 1, 2), np.uint8), np.zeros(29, np.int64)), "30 images but 29 labels"),
        ((np.zeros((30, 1, 2, 2), np.uint8), None), "(1, 2, 2), expected uint8 (1, 1, 2)"),
        ((np.zeros((30, 1, 1, 2), np.float32), None), "float32 images"),
        ((np.zeros((30, 1, 1, 2), np.uint8), np.full(30, 2)), "labels 2 to 2, expected 0 to 1"),
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


# ---- the loader ------------------------------------------------------------------------------------------------------


def loader(data: ImageData, seed: int = 0) -> ResidentBatches:
    data.seed = seed
    return data.train_dataloader()


def epoch(batches: ResidentBatches, number: int = 0) -> list[int]:
    """Images of an epoch in order, as rows of the store."""
    batches.set_epoch(number)
    return [i for x, _ in batches for i in ids(x)]


@pytest.mark.parametrize(("n", "batch_size"), [(1000, 64), (1000, 900), (1000, 1), (1000, 5000), (1001, 300)])
def test_every_image_once_in_batches_of_even_size(n: int, batch_size: int) -> None:
    data = Numbered(n, batch_size=batch_size)
    batches = loader(data)
    sizes = [len(x) for x, _ in batches]
    assert sorted(epoch(batches)) == data._index("train").tolist()
    assert max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1
    assert len(sizes) == len(batches) == data.steps_per_epoch == -(-data.size("train") // batch_size)


def test_index_is_the_position_in_the_split() -> None:
    data = Numbered()
    for x, index in loader(data):
        assert ids(x) == data._index("train")[index].tolist()
        (same,) = data.batches("train", at=index.numpy())
        assert torch.equal(x, same)


def test_order_is_a_function_of_seed_and_epoch() -> None:
    orders = {(s, e): epoch(loader(Numbered(), s), e) for s in (0, 1) for e in (0, 1)}
    assert len({tuple(order) for order in orders.values()}) == 4
    batches = loader(Numbered(), 1)
    torch.manual_seed(5)
    assert epoch(batches, 1) == orders[1, 1] and epoch(batches, 0) == orders[1, 0]  # whatever came before
    assert epoch(Numbered().val_dataloader(), 3) == Numbered()._index("val").tolist()  # validation keeps its order


@pytest.mark.parametrize("steps", [2, 4, 15, 100])
def test_lists_of_batches_hold_the_same_batches(steps: int) -> None:
    single = list(loader(Numbered(batch_size=64)))
    batches = loader(Numbered(batch_size=64, steps_per_call=steps))
    calls = list(batches)
    assert len(calls) == len(batches) == -(-15 // steps)
    assert all(isinstance(call, list) and len(call) <= steps for call in calls)
    flat = [batch for call in calls for batch in call]
    assert len(flat) == len(single) == 15
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(flat, single, strict=True))


def test_two_processes_get_disjoint_shards_of_equal_length(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = epoch(loader(Numbered(1003, batch_size=64)), 2)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    shards = []
    for rank in (0, 1):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        batches = loader(Numbered(1003, batch_size=64))
        assert len(list(batches)) == len(batches) == 8
        shards.append(epoch(batches, 2))
    assert len(alone) == 903 and len(shards[0]) == len(shards[1]) == 451
    assert not set(shards[0]) & set(shards[1])
    assert [image for pair in zip(*shards, strict=True) for image in pair] == alone[:902]  # one sits this epoch out


def test_lightning_announces_the_epoch_and_counts_the_batches() -> None:
    import lightning.pytorch as L

    class Watch(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[list[int]] = [[], []]
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> None:
            assert self.trainer.num_training_batches == 5
            self.seen[self.current_epoch] += batch[1].tolist()

        def validation_step(self, batch: Any, batch_idx: int) -> None: ...

        def configure_optimizers(self) -> None: ...

    model, data = Watch(), TinyDigits(160, batch_size=32)
    trainer(epochs=2).fit(model, datamodule=data)
    assert sorted(model.seen[0]) == sorted(model.seen[1]) == list(range(144))
    assert model.seen[0] != model.seen[1]
    alone = TinyDigits(160, batch_size=32).train_dataloader()
    alone.set_epoch(1)
    assert model.seen[1] == [i for _, index in alone for i in index.tolist()]
