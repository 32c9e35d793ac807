"""Images and labels of the user's own in one file of NumPy arrays."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from unsup.core.array_files import DAMAGED, array_shape
from unsup.core.errors import UserError
from unsup.core.ranges import AtLeast, check_options
from unsup.core.splits import stratified_subset, test_size, validation_size
from unsup.data.base import Arrays, ImageData

SPLITS = ("train", "val", "test")
KEYS = tuple(f"{split}_{kind}" for split in SPLITS for kind in ("images", "labels"))
MIN_IMAGES = 20  # that can be split into training, validation and test

Part = tuple[NDArray[np.uint8], NDArray[np.int64] | None]  # images (n, C, H, W); labels (n,)


class Npz(ImageData):
    """The arrays of an `.npz` file, in the layout of MedMNIST.

    `train_images` is uint8 (n, H, W) or (n, H, W, C) with 1 or 3 channels; `train_labels` are whole numbers from 0
    on, (n,) or (n, 1). `val_images`, `val_labels`, `test_images` and `test_labels` are the other splits. Further arrays
    are refused.

    Without `val_images`, a tenth of the training images is validation. Without `test_images`, a sixth of the training
    images becomes the test set, stratified by class and always the same ones, as for a folder. Without any labels, or
    with a single class, the images are unlabelled. A label of -1 in `train_labels` means none: models learn from the
    image, probes do not see it.

    Source of the layout: J. Yang and others, MedMNIST v2, Scientific Data 10:41 (2023).

    Args:
        file: the path.
        augmentation: random views, and with the shape of the images the recipes (`unsup.runs.likeness`): digits
            (letters and drawings, never mirrored), natural (photographs) or texture (no upright position: microscopy,
            satellites).
        min_steps: optimizer steps that a training on few images has at least (`unsup.runs.length`), 0 for those of the
            recipe.
        root: unused.
        batch_size: as in `ImageData`.
        steps_per_call: as in `ImageData`.
        missing: as in `ImageData`, and so are the other corruptions of training images.
        noise: as in `ImageData`.
        imbalance: as in `ImageData`.
        outliers: as in `ImageData`.

    Raises:
        UserError: the file is missing, damaged, or not in this layout.
    """

    def __init__(
        self,
        file: str,
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
        super().__init__(root, batch_size, steps_per_call, missing, noise, imbalance, outliers)
        check_options("data", Npz.__init__, {"augmentation": augmentation, "min_steps": min_steps})
        self.file = Path(file).expanduser()
        self.augmentation = augmentation
        shape = self._image_shape("train")
        self.shape = (shape[3] if len(shape) == 4 else 1, *shape[1:3])

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]  # known once the labels are read
        labels = [labels for _, labels in self._parts.values() if labels is not None]
        count = max((int(values.max(initial=-1)) + 1 for values in labels), default=0)
        return tuple(map(str, range(count))) if count > 1 else ()  # one class is no label

    def validation_rows(self) -> NDArray[np.int64] | None:
        if "val" not in self._parts:
            return None
        images, n = self._get_arrays(train=True)[0], len(self._parts["val"][0])
        return np.arange(len(images) - n, len(images))

    def learning_images(self) -> int:
        n, *others = (len(shape) and shape[0] for shape in map(self._header, SPLITS))
        val, test = others
        n -= 0 if test else test_size(n)
        return n if val else n - validation_size(n)

    def load(self, train: bool) -> Arrays:
        images, labels = self._training if train else self._parts["test"]
        if train and "val" in self._parts:
            val_images, val_labels = self._parts["val"]
            images = np.concatenate([images, val_images])
            labels = None if labels is None or val_labels is None else np.concatenate([labels, val_labels])
        return images, labels if self.class_names else None

    @cached_property
    def _parts(self) -> dict[str, Part]:
        """The splits, with the test images drawn if there are none."""
        arrays = self._read()
        for name in arrays:
            if name not in KEYS:
                self._refuse(f"holds an array {name!r}: expected {', '.join(KEYS)}")
        parts = {split: self._part(arrays, split) for split in SPLITS if f"{split}_images" in arrays}
        labelled = {split for split, (_, labels) in parts.items() if labels is not None}
        for split in SPLITS:
            if f"{split}_labels" in arrays and split not in parts:
                self._refuse(f"has {split}_labels but no {split}_images")
            if labelled and split in parts and split not in labelled:
                self._refuse(f"has labels of {', '.join(sorted(labelled))} images but no {split}_labels: add or drop them")
        if "test" not in parts:
            images, labels = parts["train"]
            if labels is not None and labels.min(initial=0) < 0:
                self._refuse("has no test images, which cannot be drawn while training labels are -1: add test_images")
            test = stratified_subset(len(images), test_size(len(images)), labels)
            rest = np.setdiff1d(np.arange(len(images)), test)
            for split, rows in (("train", rest), ("test", test)):
                parts[split] = images[rows], None if labels is None else labels[rows]
        return parts
