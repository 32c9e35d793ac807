"""The contract of a data set.

A whole split is one uint8 array in memory, from which a batch is cut in microseconds. Validation is carved out of the
official training images, unless the source has a validation split. The official test images are checked when the run
starts, so that damage is found before training, and read only by `batches("test")`, which counts its passes.
"""

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import lightning.pytorch as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unsup.core.errors import UsageError, UserError
from unsup.core.ranges import AtLeast, Between, check_options
from unsup.core.splits import train_val_split
from unsup.data.batches import ResidentBatches, as_tensor, images_at_a_time, num_batches, overfits, to_unit
from unsup.data.corruption import Corruption

# Models learn from "learn", that is "train" and the images without a label. Probes are fitted to "train".
Split = Literal["learn", "train", "val", "test"]
Arrays = tuple[NDArray[np.uint8], NDArray[np.int64] | None]  # images (N, C, H, W); labels (N,), None if unlabelled
UNLABELLED = -1  # label of a training image without one


class ImageData(L.LightningDataModule):
    """Base class of data sets, with splits, batches and fingerprints.

    A subclass defines `shape`, `class_names` and `load`, and `prepare_data` for what one process must do for all.

    Args:
        root: folder that holds the files (`DATA_ROOT`).
        batch_size: maximum number of images in an optimizer step, per device; batches differ by at most one image.
        steps_per_call: optimizer steps in one call of `training_step`. 16 removes most of Lightning's bookkeeping,
            0.5 to 1 ms a step, and gives the same weights bit for bit. It is set to 1 where options or callbacks count
            batches or need Lightning's own steps (`unsup.models.parts.single_steps`).
        missing: fraction of the pixels of each training image that are set to their mean over the training images.
        noise: standard deviation of Gaussian noise in training images, for pixels in [0, 1].
        imbalance: size of the largest class in units of the smallest, in training; from 1, or 0 to keep all images.
        outliers: fraction of the training images whose pixels are shuffled. These four corrupt "learn" and "train", the
            same way in every run (`unsup.data.corruption`), and never labels, validation or test images.

    Attributes:
        shape: (C, H, W), known before anything is loaded.
        class_names: one name for each class, in label order; empty for unlabelled images.
        augmentation: preset of random views, "digits" (never flipped), "natural" or "texture" (also turned).
        bibtex: entry that cites the images, for reports; empty if unknown.
    """

    shape: tuple[int, int, int]
    class_names: tuple[str, ...] = ()
    augmentation: str = "natural"
    bibtex: str = ""
    seed: int = 0  # the run's seed: orders the batches; the split does not depend on it

    def __init__(
        self,
        root: str = "data",
        batch_size: Annotated[int, AtLeast(1)] = 256,
        steps_per_call: Annotated[int, AtLeast(1)] = 1,
        missing: Annotated[float, Between(0, below=1)] = 0.0,
        noise: Annotated[float, Between(0, 1)] = 0.0,
        imbalance: Annotated[float, AtLeast(0)] = 0.0,
        outliers: Annotated[float, Between(0, below=1)] = 0.0,
    ) -> None:
        super().__init__()
        self.corruption = Corruption(missing, noise, imbalance, outliers)
        options = {"batch_size": batch_size, "steps_per_call": steps_per_call, **vars(self.corruption)}
        check_options("data", ImageData.__init__, options)
        if 0 < imbalance < 1:
            raise UsageError(f"data.imbalance is {imbalance}: it must be 0 (off) or at least 1")
        self.root = str(Path(root).expanduser())
        self.batch_size = batch_size
        self.steps_per_call = steps_per_call
        self.test_reads = 0  # passes over the test images
        self._arrays: dict[bool, Arrays] = {}  # True: official training images, False: official test images
        self._rows: dict[Split, NDArray[np.int64]] = {}  # of each split in its array
        self._on_device: Tensor | None = None  # training images where batches are cut
        self._fingerprint: str | None = None

    def load(self, train: bool) -> Arrays:
        """Return the official training or test images, uint8 (N, C, H, W), and labels.

        Labels are int64 (N,), or None. Some training images may have the label -1: models learn from them, probes do
        not see them. The array may be a read-only memory map.

        Raises:
            UserError: files are missing, truncated, altered or unreadable.
        """
        raise UserError(f"{type(self).__name__} does not define load(train)")

    def validation_rows(self) -> NDArray[np.int64] | None:
        """Return the rows of `load(True)` that are the official validation split.

        They are sorted and labelled. None, the default, draws validation images from the training images.
        """
        return None

    def learning_images(self) -> int:
        """Return how many images models learn from, before they are read, or 0 if unknown."""
        return 0

    def setup(self, stage: str | None = None) -> None:
        """Load and check all images, once."""
        self._get_arrays(train=True)
        self._get_arrays(train=False)

    def size(self, split: Split) -> int:
        return len(self._get_rows(split))

    def labels(self, split: Split) -> NDArray[np.int64] | None:
        """Return the labels of a split in order (None if unlabelled), for evaluation only."""
        labels = self._get_arrays(split != "test")[1]
        return None if labels is None else labels[self._get_rows(split)]

    def paths(self, split: Split) -> list[Path] | None:
        """Return the file of each image of a split in order, None if images have no files."""
        return None

    def groups_of_training(self) -> NDArray[np.int64] | None:
        """Return the group of each official training image, None without groups."""
        return None

    def left_out(self) -> dict[str, list[str]]:
        """Return files that are not read, by kind."""
        return {}

    def pictures(self, split: Split) -> NDArray[np.uint8]:
        """Return the images (n, C, H, W) to look for copies and faults, not to score."""
        images, rows = self._get_arrays(split != "test")[0], self._get_rows(split)
        return images if len(rows) == len(images) else images[rows]

    def batches(
        self,
        split: Split,
        device: torch.device | str = "cpu",
        batch_size: int | None = None,
        positions: NDArray[np.int64] | None = None,
    ) -> Iterator[Tensor]:
        """Return an iterator over x (n, C, H, W), float32 in [0, 1].

        A call counts as a pass over the test split, whether or not the iterator is used.

        Args:
            split: its images come in order.
            device: where x goes.
            batch_size: maximum; batches are of nearly equal size. None is 1,024, and less for images above 32 x 32.
            positions: in the split; None for all.
        """
        self.test_reads += split == "test"
        batch_size = batch_size or images_at_a_time(self.shape)
        rows = self._get_rows(split)
        rows = rows if positions is None else rows[positions]
        images = self._get_images(split, torch.device(device))
        parts = torch.from_numpy(rows).to(images.device).tensor_split(max(1, math.ceil(len(rows) / batch_size)))
        return (to_unit(images.index_select(0, part).to(device)) for part in parts)

    def fingerprint(self) -> str:
        """Return the SHA-256 of all images, as models see them, all labels and the split."""
        if self._fingerprint is None:
            digest = hashlib.sha256()
            for train in (True, False):
                images, labels = self._get_arrays(train)
                digest.update(repr(images.shape).encode())
                digest.update(np.ascontiguousarray(images).data)
                if labels is not None:
                    digest.update(labels.data)
            digest.update(self._get_rows("val").data)
            if self.corruption.imbalance:
                digest.update(self._get_rows("train").data)
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    def _get_arrays(self, train: bool) -> Arrays:
        if train not in self._arrays:
            images, labels = self.load(train)
            name, classes = type(self).__name__, len(self.class_names)
            if images.dtype != np.uint8 or images.shape[1:] != self.shape:
                raise UserError(
                    f"{name}: load returned {images.dtype} images {images.shape[1:]}, expected uint8 {self.shape}"
                )
            if labels is not None and len(labels) != len(images):
                raise UserError(f"{name}: {len(images)} images but {len(labels)} labels")
            least = UNLABELLED if train else 0
            if labels is not None and len(labels) and (labels.min() < least or labels.max() >= classes):
                raise UserError(f"{name}: labels {labels.min()} to {labels.max()}, expected {least} to {classes - 1}")
            labels = None if labels is None else np.ascontiguousarray(labels, np.int64)
            self._arrays[train] = images, labels
            if train and self.corruption:
                self._arrays[True] = self.corruption.corrupted(images, self._get_rows("learn")), labels
        return self._arrays[train]

    def _get_images(self, split: Split, device: torch.device) -> Tensor:
        """Return the images, on the GPU if they fit in half of its free memory."""
        images = as_tensor(self._get_arrays(split != "test")[0])
        if split == "test" or device.type != "cuda":
            return images
        if self._on_device is None:
            fits = images.nbytes < torch.cuda.mem_get_info(device)[0] // 2
            self._on_device = images.to(device) if fits else images
        return self._on_device

    def _get_rows(self, split: Split) -> NDArray[np.int64]:
        """Return the rows of a split in the array of official images."""
        if split not in self._rows:
            images, labels = self._get_arrays(split != "test")
            if split == "test":
                self._rows["test"] = np.arange(len(images))
            else:
                known = np.arange(len(images)) if labels is None else np.flatnonzero(labels != UNLABELLED)
                val = self.validation_rows()
                if val is None:
                    groups = self.groups_of_training()
                    of_known = (None if values is None else values[known] for values in (labels, groups))
                    val = known[train_val_split(len(known), *of_known)[1]]
                train, learn = np.setdiff1d(known, val), np.setdiff1d(np.arange(len(images)), val)
                train, learn = (self.corruption.kept(rows, labels) for rows in (train, learn))
                self._rows |= {"train": train, "val": val, "learn": learn}
        return self._rows[split]

    @property
    def steps_per_epoch(self) -> int:
        """The number of optimizer steps of an epoch on one device."""
        world = self.trainer.world_size if self.trainer else 1
        return num_batches(self.size("learn"), world, self.batch_size)

    def train_dataloader(self) -> ResidentBatches:
        return self._loader("learn")

    def val_dataloader(self) -> ResidentBatches:
        return self._loader("val")

    def _loader(self, split: Split) -> ResidentBatches:
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        return ResidentBatches(
            steps_per_call=self.steps_per_call if split == "learn" else 1,
            device=device,
            same_order=split == "val" or overfits(self.trainer),
            images=self._get_images(split, device),
            rows=torch.from_numpy(self._get_rows(split)),
            batch_size=self.batch_size,
            shuffle=split == "learn",
            seed=self.seed,
        )
