"""Batches cut from one uint8 tensor in memory, without worker processes."""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import SequentialSampler

from unsup.core.batch import Batch
from unsup.core.distributed import num_processes, rank
from unsup.core.seeds import derived_seed

Part = tuple[Tensor, Tensor]  # index (n,); rows of the array (n,), or pixels (n, C, H, W) uint8

MOST_IMAGES = 1024  # encoded at a time
FULL_BATCH = 3 * 32 * 32  # values of the largest image of which so many are encoded at a time


def as_tensor(images: NDArray[np.uint8]) -> Tensor:
    """Return a tensor on the array's memory, which may be a read-only map."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(images)


def to_unit(images: Tensor) -> Tensor:
    """Convert uint8 in 0..255 to float32 in [0, 1]."""
    return images.float().mul_(1 / 255)


def num_batches(images: int, processes: int, batch_size: int) -> int:
    """Return the number of batches of an epoch in each process."""
    return math.ceil(images // processes / batch_size)


def images_at_a_time(shape: tuple[int, ...]) -> int:
    """Return how many images (C, H, W) to encode at a time, fewer of large ones.

    1,024 of 32 x 32 colour pixels, 20 of 224 x 224: the maps of a convolution take many times the space of its images.
    """
    return max(16, min(MOST_IMAGES, MOST_IMAGES * FULL_BATCH // math.prod(shape)))


def overfits(trainer: Any) -> bool:
    """Return whether a training, if any, sees the same few batches in every epoch."""
    return bool(trainer and trainer.overfit_batches)


class BatchGroup:  # no dataclass: Lightning would copy its fields to the device
    """Batches for one call of `training_step`, each cut when it is needed."""

    def __init__(self, parts: Sequence[Part], cut: Callable[[Tensor, Tensor], Batch]) -> None:
        self.parts, self.cut = parts, cut

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Batch]:
        return (self.cut(*part) for part in self.parts)

    @property
    def num_images(self) -> int:
        """The number of images in all batches."""
        return sum(len(index) for index, _ in self.parts)


@dataclass(eq=False)
class Batches:
    """A loader of (x, index), or of `BatchGroup`s if `steps_per_call` is above 1."""

    steps_per_call: int
    device: torch.device  # of x
    same_order: bool  # in every epoch

    batch_sampler = None  # Lightning looks here before `sampler`

    def __post_init__(self) -> None:
        self.epoch = 0
        # Lightning announces the epoch to `loader.sampler.set_epoch`
        self.sampler: Batches | SequentialSampler = SequentialSampler(()) if self.same_order else self

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self._steps() / self.steps_per_call)

    def __iter__(self) -> Iterator[Batch | BatchGroup]:
        parts, k = iter(self._parts()), self.steps_per_call
        while group := list(islice(parts, k)):
            yield BatchGroup(group, self._cut) if k > 1 else self._cut(*group[0])

    def _parts(self) -> Iterable[Part]:
        """Return what the batches of this epoch and process are made of."""
        raise NotImplementedError

    def _cut(self, index: Tensor, source: Tensor) -> Batch:
        """Return the batch of a part."""
        raise NotImplementedError

    def _steps(self) -> int:
        """Return the number of batches of an epoch in this process."""
        raise NotImplementedError


@dataclass(eq=False)
class ResidentBatches(Batches):
    """A loader of images in memory and their positions in the split.

    Batches are x (n, C, H, W), float32 in [0, 1], and positions (n,). Their order depends on (seed, epoch) alone. All
    have `batch_size` images or a little less, so that no last one is too small for batch statistics. Each of several
    processes takes a disjoint shard of equal length (up to `world - 1` images are left out of an epoch).
    """

    images: Tensor  # (N, C, H, W) uint8, on `device` or on the CPU
    rows: Tensor  # (n,) of `images`, which make up the split
    batch_size: int  # maximum
    shuffle: bool  # a new order every epoch instead of the split's
    seed: int

    def _parts(self) -> Iterable[Part]:
        world = num_processes()  # known late: Lightning starts them after the data module is made
        n, steps = len(self.rows), self._steps()
        order = torch.arange(n)
        if self.shuffle:
            seed = derived_seed(self.seed, "order", self.epoch)
            order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
        order = order[rank() : n - n % world : world]
        rows = self.rows[order].to(self.images.device)  # once an epoch, not once a batch
        order = order.to(self.device)
        return zip(order.tensor_split(steps), rows.tensor_split(steps), strict=True)

    def _cut(self, index: Tensor, source: Tensor) -> Batch:
        return to_unit(self.images.index_select(0, source).to(self.device)), index

    def _steps(self) -> int:
        return num_batches(len(self.rows), num_processes(), self.batch_size)
