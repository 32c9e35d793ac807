"""Data sets of the library `datasets` (Hugging Face) that lie on the disk."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from unsup.core.commands import install
from unsup.core.errors import UsageError, UserError, closest
from unsup.core.ranges import AtLeast, check_options
from unsup.data.base import ImageData
from unsup.data.npz import Npz
from unsup.data.pixels import read_picture
from unsup.data.split_names import split_folder


class SavedDataset(Npz):
    """A data set that `save_to_disk` wrote, decoded into memory at every start.

    Its splits are train and, if it has them, validation and test; the others are drawn, and labels read, as for `Npz`.
    Images are scaled and cropped as those of `Folder`.

    Args:
        path: the folder.
        size: edge of the square images in pixels.
        channels: 3 for colour, 1 for grey.
        image: the column of images, if there are several.
        label: the column of classes, if there are several.
        augmentation: as in `Npz`, and so are the others.
        min_steps: as in `Npz`.
        root: unused.
        batch_size: as in `ImageData`.
        steps_per_call: as in `ImageData`.
        missing: as in `ImageData`, and so are the other corruptions of training images.
        noise: as in `ImageData`.
        imbalance: as in `ImageData`.
        outliers: as in `ImageData`.

    Raises:
        UserError: `datasets` is not installed, or the folder holds no such data set.
        UsageError: there is no such column, or there are several.
    """

    def __init__(
        self,
        path: str,
        size: Annotated[int, AtLeast(8)] = 32,
        channels: Literal[1, 3] = 3,
        image: str = "",
        label: str = "",
        augmentation: Literal["digits", "natural", "texture"] = "natural",
        min_steps: Annotated[int, AtLeast(0)] = 1000,
        root: str = "data",
        batch_size: int = 256,
        steps_per_call: int = 1,
        missing: float = 0.0,
        noise: float = 0.0,
        imbalance: float = 0.0,
        outliers: float = 0.0,
    ) -> None:
        ImageData.__init__(self, root, batch_size, steps_per_call, missing, noise, imbalance, outliers)
        options = {"size": size, "channels": channels, "augmentation": augmentation, "min_steps": min_steps}
        check_options("data", SavedDataset.__init__, options)
        self.file = Path(path).expanduser()
        self.shape = (channels, size, size)
        self.augmentation = augmentation
        self.groups, self.find_groups = "", None
        self._splits = self._saved_splits()
        features = next(iter(self._splits.values())).features
        self._image = self._column("image", image, features, "Image")
        self._label = self._column("label", label, features, "ClassLabel")
        if not self._image:
            raise UsageError(f"{self.file} has no column of images: its columns are {', '.join(features)}")

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]  # as in `Npz`
        feature = self._splits["train"].features[self._label] if self._label else None
        used = len(super().class_names)
        return tuple(map(str, feature.names))[:used] if feature else ()

    def _sizes(self) -> dict[str, int]:
        return {split: len(rows) for split, rows in self._splits.items()}

    def _saved_splits(self) -> dict[str, Any]:
        """Return the splits of the folder by our names, whose images are not decoded."""
        if find_spec("datasets") is None:
            raise UserError(f"{self.file} needs the package datasets: {install('hf')}")
        if not self.file.is_dir():
            raise UserError(f"{self.file} is not a folder: data.path is one that save_to_disk of datasets wrote")
        datasets: Any = import_module("datasets")
        try:
            saved = datasets.load_from_disk(str(self.file))
        except Exception as e:  # of damaged files: anything
            raise UserError(f"{self.file} cannot be read as a saved data set: {' '.join(str(e).split())[:200]}") from e
        splits: dict[str, Any] = {}
        for name, rows in saved.items() if isinstance(saved, dict) else [("train", saved)]:
            known = split_folder(name)
            if known is None or known.split in splits:
                self._refuse(f"has a split {name!r}: expected train and, if there are more, validation and test")
            splits[known.split] = rows
        if "train" not in splits:
            self._refuse("has no training images")
        return splits

    def _column(self, option: str, name: str, features: Any, kind: str) -> str:
        """Return the column of a kind that is meant, or "" if there is none."""
        columns = [column for column, feature in features.items() if type(feature).__name__ == kind]
        if name and name not in columns:
            hint = closest(name, columns) if columns else "there is none"
            raise UsageError(f"data.{option}: no column {name!r} of type {kind} ({hint})")
        if not name and len(columns) > 1:
            raise UsageError(f"{self.file} has columns {', '.join(columns)}: choose one with --data.{option}")
        return name or "".join(columns)

    def _read(self) -> dict[str, NDArray[Any]]:
        datasets: Any = import_module("datasets")
        arrays: dict[str, NDArray[Any]] = {}
        for split, rows in self._splits.items():
            encoded = rows.select_columns([self._image]).cast_column(self._image, datasets.Image(decode=False))
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                images = list(pool.map(lambda item: self._decoded(*item), enumerate(encoded)))
            arrays[f"{split}_images"] = np.stack(images).transpose(0, 2, 3, 1)
            if self._label:
                arrays[f"{split}_labels"] = np.array(rows[self._label])
        return arrays

    def _decoded(self, row: int, columns: dict[str, Any]) -> NDArray[np.uint8]:
        content = columns[self._image]
        try:
            file = io.BytesIO(content["bytes"]) if content["bytes"] is not None else Path(content["path"])
            return read_picture(file, self.shape).pixels
        except Exception as e:  # damaged files raise anything
            raise UserError(f"{self.file}: the image in row {row} cannot be read: {e}") from e
