"""Data sets of a few numbered images, and small files in the real data sets' formats: no network is needed."""

import gzip
import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from unsup.core.errors import UserError
from unsup.data.base import Arrays, ImageData
from unsup.data.cifar import CIFAR10
from unsup.data.download import Downloaded
from unsup.data.mnist import MNIST


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in the idx format."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


def mnist_files(train: int = 120, test: int = 60) -> dict[str, bytes]:
    """The four files, random pixels and the labels 0, 1, …, 9, 0, …."""
    rng = np.random.default_rng(0)
    files = {}
    for kind, n in (("train", train), ("t10k", test)):
        files[f"{kind}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (n, 28, 28)))
        files[f"{kind}-labels-idx1-ubyte"] = idx(np.arange(n) % 10)
    return files


def cifar_files(cls: type[CIFAR10], n: int = 40) -> dict[str, bytes]:
    """torchvision's pickles, `n` images each, in which pixel (channel, row, column) is told by its place."""
    rng = np.random.default_rng(0)
    source = getattr(datasets, cls.name)
    key = "labels" if cls is CIFAR10 else "fine_labels"
    files = {
        file: pickle.dumps({"data": rng.integers(0, 256, (n, 3072), np.uint8), key: [i % 10 for i in range(n)]})
        for file, _ in source.train_list + source.test_list
    }
    return files | {source.meta["filename"]: pickle.dumps({source.meta["key"]: list(cls.class_names)})}


def stl10_files(labelled: int = 30, unlabelled: int = 40, test: int = 20) -> dict[str, bytes]:
    """STL-10's bytes, columns before rows; labels count from 1."""
    rng = np.random.default_rng(0)
    files = {"unlabeled_X.bin": rng.integers(0, 256, (unlabelled, 3, 96, 96), np.uint8).tobytes()}
    for name, n in (("train", labelled), ("test", test)):
        files[f"{name}_X.bin"] = rng.integers(0, 256, (n, 3, 96, 96), np.uint8).tobytes()
        files[f"{name}_y.bin"] = (np.arange(n, dtype=np.uint8) % 10 + 1).tobytes()
    return files


def expect(monkeypatch: pytest.MonkeyPatch, cls: type[Downloaded], files: dict[str, bytes]) -> None:
    """Make torchvision take the checksums of these files for the right ones."""
    source: Any = getattr(datasets, cls.name)
    if issubclass(cls, MNIST):
        archives = [(f"{file}.gz", md5(gzip.compress(content, mtime=0))) for file, content in files.items()]
        monkeypatch.setattr(source, "resources", archives)
    else:
        for name in ("train_list", "test_list"):
            monkeypatch.setattr(source, name, [[file, md5(files[file])] for file, _ in getattr(source, name)])
        if hasattr(source, "meta"):
            monkeypatch.setattr(source, "meta", source.meta | {"md5": md5(files[source.meta["filename"]])})


def place(root: Path, cls: type[Downloaded], files: dict[str, bytes]) -> None:
    """Put the files where the data set looks for them."""
    folder = root / cls.folder
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)


def stream(folder: Path, **sizes: int) -> None:
    """learn/, probe/, test/ as litdata writes them: image i of 8 x 8 shows i in its first two pixels, class i % 3."""
    from litdata.streaming.writer import BinaryWriter

    for number, (part, n) in enumerate(sizes.items()):
        (folder / part).mkdir(parents=True)
        writer = BinaryWriter(str(folder / part), chunk_bytes=100_000)
        pixels = np.random.default_rng(number).integers(0, 256, (n, 1, 8, 8), np.uint8)
        pixels[:, 0, 0, 0], pixels[:, 0, 0, 1] = np.arange(n) % 256, np.arange(n) // 256
        for i in range(n):
            writer.add_item(i, {"image": pixels[i], "label": i % 3})
        writer.done()
        writer.merge()


def pictures(folder: Path, n: int, size: tuple[int, int] = (9, 7), seed: int = 0) -> None:
    """`n` random colour images, 0.png, 1.png, …."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(folder / f"{i}.png")


def arrays(train: int = 40, val: int = 8, test: int = 12, size: tuple[int, ...] = (6, 6)) -> dict[str, np.ndarray]:
    """Random images of two classes in MedMNIST's layout."""
    rng, content = np.random.default_rng(0), {}
    for split, n in (("train", train), ("val", val), ("test", test)):
        content[f"{split}_images"] = rng.integers(0, 256, (n, *size), np.uint8)
        content[f"{split}_labels"] = (np.arange(n) % 2)[:, None].astype(np.uint8)
    return content


def saved_dataset(folder: Path) -> None:
    """The images of `arrays`, as the library `datasets` saves them."""
    import datasets  # type: ignore[import-not-found]

    content, splits = arrays(), {}
    for split, name in (("train", "train"), ("val", "validation"), ("test", "test")):
        pictures = [Image.fromarray(image) for image in content[f"{split}_images"]]
        columns = {"image": pictures, "label": content[f"{split}_labels"][:, 0]}
        features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["even", "odd"])}
        splits[name] = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    datasets.DatasetDict(splits).save_to_disk(folder)


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


def complaint(data: ImageData) -> str:
    """The one line that a run says when it starts on these files."""
    with pytest.raises(UserError) as error:
        data.prepare_data()
        data.setup()
    assert "\n" not in str(error.value)
    return str(error.value)
