"""A folder of the user's images, decoded once into an array that is cached."""

import logging
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from unsup.core.commands import key_option
from unsup.core.errors import UsageError, UserError
from unsup.core.ranges import Above, AtLeast, check_options
from unsup.core.splits import validation_size
from unsup.data.base import Arrays, ImageData, Split
from unsup.data.cache import ImageCache
from unsup.data.decode import unreadable_message
from unsup.data.groups import check_rule, named_groups
from unsup.data.layout import ClassFolders
from unsup.data.listing import FolderListing, list_folder
from unsup.data.pixels import Reading
from unsup.data.remarks import Remarks

log = logging.getLogger(__name__)


class Folder(ImageData):
    """Images of any size and mode in a folder.

    Their shorter side is scaled to `size`, then they are cropped to the middle.

    **Splits.** Folders named like splits are those, in any usual spelling and case: `train/`, `Training/`,
    `mnist_train/`; `val/`, `valid/`, `dev/`; `test/`, `Testing/`. Without a validation split, a tenth of the training
    images is drawn for it. Without a test split, a sixth of the training images, stratified by class and always the
    same ones, becomes the test set. Wrapping folders are passed through. Splits may also be inside of classes
    (`cat/train/`, `cat/test/`). Test images in no folder, where the others are in class folders, have no known class
    and are left out.

    **Labels.** If the images of a split lie in folders (`train/cat/1.jpg`, `train/cat/images/1.jpg`), these are their
    classes. If they do not (`train/1.jpg`), if the folders are dates or those of a camera (`2024/may`, `100CANON`), or
    if there is only one, the images are unlabelled. Anything else is an error, and so is a class that only `test/` has.
    What was understood is logged on one line.

    **Files.** Those with the suffix of an image that Pillow can read (HEIC with pillow-heif). Others are left out and
    counted; hidden and system files are passed over; symbolic links are followed, cycles are skipped.

    **Pixels.** They decide whether an image can be read; damaged metadata count as none. Of an animation or a file of
    several pages, the first frame is read. Grey images of 16 bits are divided by 257. Integers of 32 bits, signed
    integers and floats have no known range and are refused unless `value_range` is set.

    The decoded array is cached in `<root>/decoded/` until the name, size or date of a file changes. Older arrays stay
    there until they are deleted. Above a quarter of the machine's memory the array is mapped instead of loaded. If it
    cannot be written (`root` may be read-only), the images are decoded at every start, with a warning.

    Args:
        images: the folder.
        size: edge of the square images in pixels.
        channels: 3 for colour, 1 for grey.
        class_folders: auto reads folders as above; top takes the first folder below the split as the class, whatever
            lies in it; none reads all images without classes.
        value_range: values that become black and white, such as [0, 4095], in images of one channel with more than 8
            bits. Values beyond are clipped. Images of 8 bits are read as ever.
        max_megapixels: larger files are refused, as they fill the memory.
        skip_unreadable: train without images that cannot be read, which are counted and named in a table in the cache.
            By default they end the run.
        augmentation: random views, and with channels and size the recipes (`unsup.runs.likeness`): digits (letters and
            drawings, never mirrored), natural (photographs) or texture (no upright position: microscopy, satellites).
        min_steps: optimizer steps that a training on few images has at least (`unsup.runs.length`), 0 for those of the
            recipe.
        groups: images that belong together, which the drawn test and validation images do not cut. "folder": those in
            one folder; a pattern with one group in brackets, such as "(clip[0-9]+)_": those with the same text in their
            names; "exif:60s": photographs of one camera that follow within 60 seconds, or any other number; a CSV file
            with the columns file,group; "found": chains of near-duplicates. Empty: no groups. Splits that the folder
            has stay as they are.
        root: parent folder of the cache.
        batch_size: as in `ImageData`.
        steps_per_call: as in `ImageData`.
        missing: as in `ImageData`, and so are the other corruptions of training images.
        noise: as in `ImageData`.
        imbalance: as in `ImageData`.
        outliers: as in `ImageData`.
    """

    def __init__(
        self,
        images: str,
        size: Annotated[int, AtLeast(1)] = 32,
        channels: Literal[1, 3] = 3,
        class_folders: Literal["auto", "top", "none"] = "auto",
        value_range: tuple[float, float] | None = None,
        max_megapixels: Annotated[float, Above(0)] = 250.0,
        skip_unreadable: bool = False,
        augmentation: Literal["digits", "natural", "texture"] = "natural",
        min_steps: Annotated[int, AtLeast(0)] = 1000,
        groups: str = "",
        root: str = "data",
        batch_size: int = 256,
        steps_per_call: int = 1,
        missing: float = 0.0,
        noise: float = 0.0,
        imbalance: float = 0.0,
        outliers: float = 0.0,
    ) -> None:
        super().__init__(root, batch_size, steps_per_call, missing, noise, imbalance, outliers)
        options = {
            "size": size,
            "channels": channels,
            "class_folders": class_folders,
            "max_megapixels": max_megapixels,
            "augmentation": augmentation,
            "min_steps": min_steps,
        }
        check_options("data", Folder.__init__, options)
        if value_range is not None and not value_range[0] < value_range[1]:
            raise UsageError(f"data.value_range is {list(value_range)}: the first value must be below the second")
        check_rule(groups)
        self.images = Path(images).expanduser()
        self.class_folders: ClassFolders = class_folders
        self.reading = Reading(None if value_range is None else (value_range[0], value_range[1]), max_megapixels)
        self._cache = ImageCache(self.images, Path(self.root), (channels, size, size), self.reading)
        self.skip_unreadable = skip_unreadable
        self.groups = groups
        self.find_groups: Callable[[NDArray[np.uint8]], NDArray[np.int64]] | None = None  # for groups "found"
        self.shape = (channels, size, size)
        self.augmentation = augmentation

    @cached_property
    def listing(self) -> FolderListing:
        """All files of the folder, before a test split is drawn."""
        return list_folder(self.images, self.class_folders)

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]  # known once the folder is listed
        return self.listing.class_names

    def learning_images(self) -> int:
        splits = self.listing.draw_test().splits
        n = len(splits["train"].files)
        return n if "val" in splits else n - validation_size(n)

    def prepare_data(self) -> None:
        """Decode in one process for all."""
        self.setup()

    def load(self, train: bool) -> Arrays:
        listing, images = self._contents
        n = len(listing.files) - len(listing.splits["test"].files)
        if not train:
            return images[n:], listing.splits["test"].labels
        labels = [listing.splits[name].labels for name in ("train", "val") if name in listing.splits]
        return images[:n], None if labels[0] is None else np.concatenate([part for part in labels if part is not None])

    def paths(self, split: Split) -> list[Path]:
        listing = self._contents[0]
        n = len(listing.files) - len(listing.splits["test"].files)
        part = listing.files[n:] if split == "test" else listing.files[:n]
        return [self.images / part[row] for row in self._get_rows(split)]

    def left_out(self) -> dict[str, list[str]]:
        return self._contents[0].left_out

    def summary(self) -> str:
        """Return what was understood and what was left out, on one line."""
        return self._contents[0].summary()

    def validation_rows(self) -> NDArray[np.int64] | None:
        splits = self._contents[0].splits
        n = len(splits["train"].files)
        return np.arange(n, n + len(splits["val"].files)) if "val" in splits else None

    def groups_of_training(self) -> NDArray[np.int64] | None:
        return self._groups_of(_learning_files(self._contents[0]))

    def _draw_test(self, listing: FolderListing) -> FolderListing:
        whole = "test" not in listing.splits
        return listing.draw_test(self._groups_of(listing.splits["train"].files) if whole else None)

    def _groups_of(self, files: list[str]) -> NDArray[np.int64] | None:
        return np.array([self._groups.get(file, -1) for file in files]) if self.groups else None

    @cached_property
    def _groups(self) -> dict[str, int]:
        """The group of each training and validation image that can be read."""
        files = _learning_files(self.listing)
        if self.groups != "found":
            return dict(zip(files, named_groups(self.images, files, self.groups).tolist(), strict=True))
        if self.find_groups is None:
            raise UserError("data.groups found: near-duplicates are looked for by unsup's commands; use another rule")
        images, remarks = self._decode(files)
        if remarks.unreadable:
            files = [file for file in files if file not in remarks.unreadable]
            images, _ = self._cache.images(files)
        return dict(zip(files, self.find_groups(images).tolist(), strict=True))

    def _decode(self, files: list[str]) -> tuple[NDArray[np.uint8], Remarks]:
        """Return all images, or none and which of them cannot be read."""
        remarks = self._cache.known_remarks(files) if self.skip_unreadable else Remarks()
        return self._cache.images(files) if not remarks.unreadable else (np.empty(0, np.uint8), remarks)

    @cached_property
    def _contents(self) -> tuple[FolderListing, NDArray[np.uint8]]:
        """The images of each split that are read, and all of them, split after split."""
        listing = self._draw_test(self.listing)
        if not self.skip_unreadable:
            log.info("%s: %s", self.images, listing.summary())
        images, remarks = self._decode(listing.files)
        if remarks.unreadable:
            message = unreadable_message(remarks.unreadable, len(listing.files))
            table = self._cache.path(listing.files, ".csv")
            message += f", as {table} lists" if table.exists() else ""
            if not self.skip_unreadable:
                raise UserError(
                    f"{message}: repair or remove them, or give {key_option('data.skip_unreadable', 'true')}"
                )
            log.warning("left out: %s", message)
            listing = self._draw_test(self.listing.without(set(remarks.unreadable)))
            images, remarks = self._cache.images(listing.files)
        if self.skip_unreadable:
            log.info("%s: %s", self.images, listing.summary())
        for line in remarks.lines():
            log.warning(line)
        return listing, images


def _learning_files(listing: FolderListing) -> list[str]:
    """Return the training images before the validation images that a folder has."""
    return [file for name in ("train", "val") if name in listing.splits for file in listing.splits[name].files]
