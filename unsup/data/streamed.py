"""Images that are read during training, more than memory or the disk holds."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unsup.core.batch import Batch
from unsup.core.commands import install
from unsup.core.errors import UserError
from unsup.core.ranges import check_options
from unsup.core.seeds import derived_seed
from unsup.data.base import Arrays, ImageData, Split
from unsup.data.batches import Batches, Part, images_at_a_time, overfits, to_unit


class Streamed(ImageData):
    """The folders learn/, probe/ and test/ as written by litdata's `optimize`.

    Items are {"image": uint8 (C, H, W), "label": int}. Models learn from learn/, whose labels are never read, chunk by
    chunk in an order set by seed and epoch; several processes take disjoint shares. probe/ and test/ are held in
    memory: a tenth of probe/ is validation, probes are fitted on the rest and judged on test/. As learn/ is read during
    training, the options that corrupt training images are refused.

    Args:
        stream: the parent of the three, a folder or an address that litdata reads, such as s3://bucket/images.
        root: unused.
        batch_size: images in an optimizer step, per device; the rest of an epoch after whole batches is left out.
        steps_per_call: as in `ImageData`.
        augmentation: preset of random views, as for `Folder`.

    Raises:
        UserError: litdata is not installed, or one of the three cannot be read.
    """

    def __init__(
        self,
        stream: str,
        root: str = "data",
        batch_size: int = 256,
        steps_per_call: int = 1,
        augmentation: Literal["digits", "natural", "texture"] = "natural",
    ) -> None:
        super().__init__(root, batch_size, steps_per_call)
        check_options("data", Streamed.__init__, {"augmentation": augmentation})
        self.augmentation = augmentation
        self.stream = stream if "://" in stream else str(Path(stream).resolve())
        self.shape = cast(tuple[int, int, int], tuple(np.shape(self._open("test")[0]["image"])))
        self._length = total(self._open("learn"))

    def load(self, train: bool) -> Arrays:
        dataset = self._open("probe" if train else "test")
        n = total(dataset)
        images, labels = np.empty((n, *self.shape), np.uint8), np.empty(n, np.int64)
        for i in range(n):
            item = dataset[i]
            images[i], labels[i] = item["image"], item["label"]
        if train:
            self.class_names = tuple(map(str, range(labels.max(initial=-1) + 1)))
        return images, labels

    def size(self, split: Split) -> int:
        return self._length if split == "learn" else super().size(split)

    def batches(
        self,
        split: Split,
        device: torch.device | str = "cpu",
        batch_size: int | None = None,
        positions: NDArray[np.int64] | None = None,
    ) -> Iterator[Tensor]:
        if split != "learn":
            return super().batches(split, device, batch_size, positions)
        dataset = self._open("learn")
        positions = np.arange(self._length) if positions is None else positions
        batch_size = batch_size or images_at_a_time(self.shape)
        parts = np.array_split(positions, max(1, math.ceil(len(positions) / batch_size)))
        return (to_unit(pixels([dataset[int(i)] for i in part]).to(device)) for part in parts)

    @property
    def steps_per_epoch(self) -> int:
        world = self.trainer.world_size if self.trainer else 1
        return max(1, self.size("learn") // world // self.batch_size)

    def train_dataloader(self) -> Any:
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        return StreamedBatches(self.steps_per_call, device, overfits(self.trainer), self)

    def _open(self, part: str, **options: Any) -> Any:
        try:
            from litdata import StreamingDataset
        except ImportError as e:
            raise UserError(f"streamed images need litdata: {install('stream')}") from e

        class Numbered(StreamingDataset):
            """A data set whose items know their position among all."""

            def __getitem__(self, index: Any) -> Any:
                return super().__getitem__(index) | {"at": getattr(index, "index", index)}

        try:
            return Numbered(f"{self.stream}/{part}", **options)
        except (OSError, RuntimeError, ValueError) as e:
            reason = next(iter(str(e).splitlines()), type(e).__name__)
            raise UserError(f"{self.stream}/{part} is not what litdata's optimize writes: {reason}") from e


@dataclass(eq=False)
class StreamedBatches(Batches):
    """A loader of (x, index) as `ResidentBatches`."""

    data: Streamed

    def _parts(self) -> Iterator[Part]:
        seed = derived_seed(self.data.seed, "order", self.epoch) % 2**31  # the range of numpy's generator
        stream = self.data._open("learn", shuffle=True, drop_last=True, seed=seed)
        items = (item for item in stream)  # a second iter() would restart the stream
        for _ in range(self._steps()):
            part = list(islice(items, self.data.batch_size))
            yield torch.tensor([item["at"] for item in part], device=self.device), pixels(part)

    def _cut(self, index: Tensor, source: Tensor) -> Batch:
        return to_unit(source.to(self.device)), index

    def _steps(self) -> int:
        return self.data.steps_per_epoch


def total(dataset: Any) -> int:
    """Return the size of a whole StreamingDataset, unlike `len`, which is a share."""
    return sum(end - start for start, end in dataset.region_of_interest)


def pixels(items: Sequence[dict[str, Any]]) -> Tensor:
    """Return the images of n items, uint8 (n, C, H, W)."""
    return torch.from_numpy(np.stack([item["image"] for item in items]))
