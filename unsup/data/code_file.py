"""Codes that were made anywhere, in one file of NumPy arrays, as a data set."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unsup.core.array_files import DAMAGED
from unsup.core.arrays import LARGEST
from unsup.core.errors import UserError
from unsup.core.splits import SPLITS
from unsup.data.base import Arrays, ImageData

NEEDED = ("train", "test")
KNOWN = ("train", "train_labels", "test", "test_labels", "val", "val_labels", "images")
FEWEST = 10  # codes of training and test images


class CodeFile(ImageData):
    """Labels, and images if there are any, of the codes in a file.

    `train` (n, D), `test` (m, D) and perhaps `val` (v, D) are codes; `train_labels`, `test_labels` and `val_labels`
    whole numbers or names; without them only what needs no labels is scored. `images` are those of the codes of train,
    val and test, one after the other, uint8 (N, H, W), (N, H, W, C) or (N, C, H, W); without them there are no
    baselines.

    Args:
        file: the file, written by `numpy.savez`.

    Attributes:
        arrays: the labels and images of the file.
        sizes: numbers of codes by split.
        pictured: whether the file has images.
    """

    def __init__(self, file: str) -> None:
        super().__init__()
        self.path = Path(file).expanduser()
        arrays = read_code_file(self.path)
        self.sizes = {split: len(arrays[split]) for split in SPLITS if split in arrays}
        self.arrays = {name: array for name, array in arrays.items() if name not in SPLITS}
        images = self._images
        self.pictured = images is not None
        self.shape = (1, 1, 1) if images is None else images.shape[1:]
        self.augmentation = "digits"
        self.class_names = tuple(map(str, self._classes))

    @cached_property
    def _images(self) -> NDArray[np.uint8] | None:
        if "images" not in self.arrays:
            return None
        images = self.arrays["images"]
        total = sum(self.sizes.values())
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or len(images) != total:
            raise UserError(
                f"{self.path}: images are {images.dtype} {images.shape}: they must be uint8, one for each of the "
                f"{total} codes of train, val and test, in this order"
            )
        if images.ndim == 3:
            images = images[:, None]
        elif images.shape[1] not in (1, 3):
            images = images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images)

    @cached_property
    def _classes(self) -> NDArray[Any]:
        if "train_labels" not in self.arrays:
            return np.array([], np.str_)
        known = np.unique(self.arrays["train_labels"])
        return known if len(known) > 1 else known[:0]

    def load(self, train: bool) -> Arrays:
        parts = [split for split in (("train", "val") if train else ("test",)) if split in self.sizes]
        n = sum(self.sizes[split] for split in parts)
        start = 0 if train else sum(self.sizes.values()) - n
        images = np.zeros((n, 1, 1, 1), np.uint8) if self._images is None else self._images[start : start + n]
        if not len(self._classes):
            return images, None
        return images, np.concatenate([self._numbers(split) for split in parts])

    def _numbers(self, split: str) -> NDArray[np.int64]:
        labels = self.arrays[f"{split}_labels"]
        if unknown := sorted(set(labels.tolist()) - set(self._classes.tolist())):
            raise UserError(f"{self.path}: {split}_labels hold {unknown[0]}, a class without training images")
        return np.searchsorted(self._classes, labels).astype(np.int64)

    def validation_rows(self) -> NDArray[np.int64] | None:
        if "val" not in self.sizes:
            return None
        n = self.sizes["train"]
        return np.arange(n, n + self.sizes["val"])


def read_code_file(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file of codes, with their shapes checked.

    Raises:
        UserError: the file is missing or damaged, or arrays are missing or do not fit each other.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name in KNOWN}
    except FileNotFoundError as e:
        raise UserError(f"there is no file {path}") from e
    except DAMAGED as e:
        raise UserError(f"{path} cannot be read as arrays (objects are not read): {' '.join(str(e).split())}") from e
    if missing := [name for name in NEEDED if name not in arrays]:
        raise UserError(f"{path} has no array {missing[0]!r}: it must hold train, train_labels, test and test_labels")
    splits = [split for split in SPLITS if split in arrays]
    for split in splits:
        codes = arrays[split]
        if codes.ndim != 2 or not codes.shape[1] or codes.dtype.kind not in "fiu":
            raise UserError(f"{path}: {split} is {codes.dtype} {codes.shape}: it must be a matrix, one row per image")
        if codes.shape[1] != arrays["train"].shape[1]:
            raise UserError(f"{path}: {split} has {codes.shape[1]} dimensions and train {arrays['train'].shape[1]}")
        if len(codes) < FEWEST and split != "val":
            raise UserError(f"{path}: {split} has {len(codes)} rows: at least {FEWEST} are needed")
        if not (np.abs(codes) <= LARGEST).all():  # NaN compares as False
            raise UserError(f"{path}: {split} has values that are not finite, or beyond {LARGEST:g}")
        check_labels(path, split, arrays, any(f"{s}_labels" in arrays for s in splits))
    return arrays


def check_labels(path: Path, split: str, arrays: dict[str, NDArray[Any]], labelled: bool) -> None:
    """Refuse labels that do not fit their codes."""
    labels = arrays.get(f"{split}_labels")
    if labels is None:
        if labelled:
            raise UserError(f"{path} has no {split}_labels: give labels of all codes, or of none")
        return
    if labels.shape != (len(arrays[split]),) or labels.dtype.kind not in "iuU":
        raise UserError(
            f"{path}: {split}_labels are {labels.dtype} {labels.shape}: they must be whole numbers or names, one for "
            f"each of {len(arrays[split])} rows"
        )
