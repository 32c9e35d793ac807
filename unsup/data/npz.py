"""Images and labels of the user's own in one file of NumPy arrays."""

import logging
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from unsup.core.array_files import DAMAGED, array_shape
from unsup.core.errors import UserError
from unsup.core.ranges import AtLeast, check_options
from unsup.core.splits import SPLITS, grouped_subset, stratified_subset, test_size, validation_size
from unsup.core.words import counted
from unsup.data.base import UNLABELLED, Arrays, ImageData
from unsup.data.listing import MIN_IMAGES

log = logging.getLogger(__name__)

GROUPS = "train_groups"
KEYS = (*(f"{split}_{kind}" for split in SPLITS for kind in ("images", "labels")), GROUPS)


class Npz(ImageData):
    """The arrays of an `.npz` file, in the layout of MedMNIST.

    `train_images` is uint8 (n, H, W) or (n, H, W, C) with 1 or 3 channels; `train_labels` are whole numbers from 0
    on, (n,) or (n, 1). `val_images`, `val_labels`, `test_images` and `test_labels` are the other splits. Further arrays
    are refused, except for `train_groups`, whole numbers or text (n,) or (n, 1). Images of one group belong together,
    as those of one patient, and drawn test and validation images have whole groups.

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
        groups: "found" takes chains of near-duplicates in place of `train_groups`.
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
        groups: Literal["", "found"] = "",
        root: str = "data",
        batch_size: int = 256,
        steps_per_call: int = 1,
        missing: float = 0.0,
        noise: float = 0.0,
        imbalance: float = 0.0,
        outliers: float = 0.0,
    ) -> None:
        super().__init__(root, batch_size, steps_per_call, missing, noise, imbalance, outliers)
        options = {"augmentation": augmentation, "min_steps": min_steps, "groups": groups}
        check_options("data", Npz.__init__, options)
        self.file = Path(file).expanduser()
        self.augmentation = augmentation
        self.groups = groups
        self.find_groups: Callable[[NDArray[np.uint8]], NDArray[np.int64]] | None = None  # for groups "found"
        if not self.file.is_file():
            raise UserError(f"{self.file} is not a file: data.file is the path of an .npz file")
        shape = array_shape(self.file, "train_images")  # of the header: the arrays are read in `load`
        if not shape:
            self._refuse(f"has no readable array train_images: expected an .npz file with {', '.join(KEYS)}")
        self._check_shape("train_images", shape)
        self.shape = chw(shape)

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]  # known once the labels are read
        labels = self._parts["train"][1]
        count = 0 if labels is None else int(labels.max()) + 1
        return tuple(map(str, range(count))) if count > 1 else ()  # one class is no label

    def validation_rows(self) -> NDArray[np.int64] | None:
        if "val" not in self._parts:
            return None
        return len(self._parts["train"][0]) + np.arange(len(self._parts["val"][0]))

    def learning_images(self) -> int:
        sizes = self._sizes()
        n = sizes["train"] - (0 if "test" in sizes else test_size(sizes["train"]))
        return n if "val" in sizes else n - validation_size(n)

    def load(self, train: bool) -> Arrays:
        parts = [self._parts[split] for split in (("train", "val") if train else ("test",)) if split in self._parts]
        images = np.concatenate([images for images, _ in parts])
        labels = [labels for _, labels in parts if labels is not None and self.class_names]
        return images, np.concatenate(labels) if labels else None

    def groups_of_training(self) -> NDArray[np.int64] | None:
        return None if "val" in self._parts else self._contents[1]

    def _sizes(self) -> dict[str, int]:
        """Return the number of images in each split that the source has."""
        shapes = {split: array_shape(self.file, f"{split}_images") for split in SPLITS}
        return {split: shape[0] for split, shape in shapes.items() if shape}

    @property
    def _parts(self) -> dict[str, Arrays]:
        """The checked splits, where test images are drawn if there are none."""
        return self._contents[0]

    @cached_property
    def _contents(self) -> tuple[dict[str, Arrays], NDArray[np.int64] | None]:
        """The checked splits, and the groups of the training images."""
        arrays = self._read()
        if unknown := sorted(set(arrays) - set(KEYS)):
            self._refuse(f"has an array {unknown[0]}: expected {', '.join(KEYS)}")
        splits = [split for split in SPLITS if f"{split}_images" in arrays]
        labelled = [split for split in SPLITS if f"{split}_labels" in arrays]
        if labelled and labelled != splits:
            odd = min(set(labelled) ^ set(splits))
            has, lacks = ("images", "labels") if odd in splits else ("labels", "images")
            self._refuse(f"has {odd}_{has} but no {odd}_{lacks}: give labels of all splits or of none")
        parts: dict[str, Arrays] = {
            split: (self._images(arrays, split), self._labels(arrays, split)) for split in splits
        }
        labels = parts["train"][1]
        if labels is not None:
            self._check_classes(parts, labels)
        if len(parts["train"][0]) < MIN_IMAGES:
            self._refuse(f"has {len(parts['train'][0])} training images: at least {MIN_IMAGES} are needed")
        groups = self._groups(arrays, parts["train"][0])
        sizes = ", ".join(f"{len(part[0]):,} {split}" for split, part in parts.items())
        classes = "no labels" if labels is None else counted(int(labels.max()) + 1, "class", "classes")
        note = "" if "test" in parts else "; test images are drawn from these"
        log.info("%s: %s; images: %s%s", self.file, classes, sizes, note)
        if "test" in parts:
            return parts, groups
        rows = self._draw_test(len(parts["train"][0]), labels, groups)
        images = parts["train"][0]
        drawn = {split: (images[at], None if labels is None else labels[at]) for split, at in rows.items()}
        return parts | drawn, None if groups is None else groups[rows["train"]]

    def _draw_test(
        self, n: int, labels: NDArray[np.int64] | None, groups: NDArray[np.int64] | None
    ) -> dict[str, NDArray[np.int64]]:
        """Draw the test images of a file without any, as `Folder` does."""
        if labels is not None and labels.min() == UNLABELLED:
            self._refuse(f"has training labels of {UNLABELLED} and no test images: add test_images")
        count = test_size(n)
        test = stratified_subset(n, count, labels) if groups is None else grouped_subset(count, labels, groups)
        return {"train": np.setdiff1d(np.arange(n), test), "test": test}

    def _groups(self, arrays: dict[str, NDArray[Any]], images: NDArray[np.uint8]) -> NDArray[np.int64] | None:
        """Return the group (n,) of each training image, if there are any."""
        if self.groups == "found":
            if self.find_groups is None:
                raise UserError(
                    "data.groups found: near-duplicates are looked for by unsup's commands; use train_groups"
                )
            return self.find_groups(images)
        if GROUPS not in arrays:
            return None
        groups, n = arrays[GROUPS], len(images)
        if groups.shape not in ((n,), (n, 1)):
            self._refuse(f"has {GROUPS} of shape {groups.shape}: expected ({n},) or ({n}, 1), one for each image")
        if groups.dtype.kind not in "iuUS":
            self._refuse(f"has {GROUPS} of {groups.dtype}: expected whole numbers or text")
        return np.unique(groups, return_inverse=True)[1].reshape(n).astype(np.int64)

    def _read(self) -> dict[str, NDArray[Any]]:
        try:
            with self.file.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                return dict(file)
        except DAMAGED as error:
            raise UserError(f"{self.file} cannot be read ({error}): is it a whole .npz file?") from error

    def _images(self, arrays: dict[str, NDArray[Any]], split: str) -> NDArray[np.uint8]:
        """Return the images of a split, uint8 (n, C, H, W)."""
        name = f"{split}_images"
        images = arrays[name]
        self._check_shape(name, images.shape)
        if chw(images.shape) != self.shape:
            self._refuse(f"has images of two shapes: {chw(images.shape)} in {name}, {self.shape} in train_images")
        if images.dtype != np.uint8:
            self._refuse(f"has {name} of {images.dtype}: expected uint8, from 0 to 255")
        if not len(images):
            self._refuse(f"has no images in {name}: leave the array out")
        return np.ascontiguousarray(images.reshape(len(images), *self.shape[1:], self.shape[0]).transpose(0, 3, 1, 2))

    def _labels(self, arrays: dict[str, NDArray[Any]], split: str) -> NDArray[np.int64] | None:
        """Return the labels (n,) of a split, if any."""
        name = f"{split}_labels"
        if name not in arrays:
            return None
        labels, n = arrays[name], len(arrays[f"{split}_images"])
        if labels.shape not in ((n,), (n, 1)):
            self._refuse(f"has {name} of shape {labels.shape}: expected ({n},) or ({n}, 1), one label for each image")
        if labels.dtype.kind not in "iu":
            self._refuse(f"has {name} of {labels.dtype}: expected whole numbers from 0 on")
        labels = labels.reshape(n).astype(np.int64)
        least = UNLABELLED if split == "train" else 0
        if labels.min() < least:
            self._refuse(f"has {name} down to {labels.min()}: expected {least} or more")
        return labels

    def _check_classes(self, parts: dict[str, Arrays], labels: NDArray[np.int64]) -> None:
        """Refuse classes that no training image has."""
        known = set(labels.tolist()) - {UNLABELLED}
        if gaps := set(range(max(known, default=-1) + 1)) - known:
            self._refuse(f"has no training image of class {min(gaps)}: number the classes from 0 on, without gaps")
        for split, (_, others) in parts.items():
            if others is not None and (new := set(others.tolist()) - known - {UNLABELLED}):
                self._refuse(f"has a class {min(new)} in {split}_labels that no training image has")

    def _check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        if not (len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))):
            self._refuse(f"has {name} of shape {shape}: expected (n, H, W), or (n, H, W, C) with C 1 or 3")

    def _refuse(self, problem: str) -> NoReturn:
        raise UserError(f"{self.file} {problem}")


def chw(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (C, H, W) for images (n, H, W) or (n, H, W, C)."""
    return shape[3] if len(shape) == 4 else 1, shape[1], shape[2]
