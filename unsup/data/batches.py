"""Batches cut from one resident uint8 tensor: no worker processes, no per-sample Python."""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unsup.core.distributed import num_processes, rank
from unsup.core.seeds import derived_seed

Batch = tuple[Tensor, Tensor]  # x (n, C, H, W) float32 in [0, 1]; index (n,)
Part = tuple[Tensor, Tensor]  # index (n,); rows of the store (n,), or pixels (n, C, H, W) uint8


def as_tensor(images: NDArray[np.uint8]) -> Tensor:
    """The array's memory as a tensor. A read-only memory map is welcome: nothing writes to images."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(images)


def to_unit(images: Tensor) -> Tensor:
    """uint8 in 0..255 -> float32 in [0, 1]."""
    return images.float().mul_(1 / 255)


class BatchGroup:  # no dataclass: Lightning would copy its fields to the device
    """Batches for one call of `training_step`, each cut when its turn comes: one at a time is in memory and cache."""

    def __init__(self, parts: Sequence[Part], cut: Callable[[Tensor, Tensor], Batch]) -> None:
        self.parts, self.cut = parts, cut

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Batch]:
        return (self.cut(*part) for part in self.parts)

    @property
    def images(self) -> int:
        """In all of its batches."""
        return sum(len(index) for index, _ in self.parts)


@dataclass(eq=False)
class Batches:
    """What a loader of a data set has in common: epochs, and calls of several batches. `_parts`, `_cut` are filled in.

    Yields (x, index), or with `steps_per_call` above 1 `BatchGroup`s of that many of them.

    Args:
        steps_per_call: batches handed over at a time.
        device: where x goes.
    """

    steps_per_call: int
    device: torch.device

    batch_sampler = None  # Lightning looks here before `sampler`

    def __post_init__(self) -> None:
        self.epoch = 0
        self.sampler = self  # Lightning announces the epoch to `loader.sampler.set_epoch`

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self._steps() / self.steps_per_call)

    def __iter__(self) -> Iterator[Batch | BatchGroup]:
        parts, k = iter(self._parts()), self.steps_per_call
        while group := list(islice(parts, k)):
            yield BatchGroup(group, self._cut) if k > 1 else self._cut(*group[0])

    def _parts(self) -> Iterable[Part]:
        """What the batches of this epoch and process are made of."""
        raise NotImplementedError

    def _cut(self, index: Tensor, source: Tensor) -> Batch:
        """A batch of such a part."""
        raise NotImplementedError

    def _steps(self) -> int:
        """Batches of an epoch, in this process."""
        raise NotImplementedError


@dataclass(eq=False)
class ResidentBatches(Batches):
    """Yields (x, index): x (n, C, H, W) float32 in [0, 1], index (n,) the images' positions in the split.

    The order is a function of (seed, epoch) alone. All batches have `batch_size` images or a little less, so that no
    last one is too small for batch statistics. With several processes each takes a disjoint shard of equal length (at
    most `world - 1` images sit out an epoch). With `steps_per_call` above 1, `BatchGroup`s of that many batches.

    Args:
        images: (N, C, H, W) uint8, on `device` or on the CPU.
        index: (n,) rows of `images` that make up the split.
        batch_size: the most images in a batch.
        shuffle: a new order every epoch; otherwise the split's own.
        seed: orders the epochs.
        steps_per_call: batches handed over at a time.
        device: where x goes.
    """

    images: Tensor
    index: Tensor
    batch_size: int
    shuffle: bool
    seed: int

    def _parts(self) -> Iterable[Part]:
        world = num_processes()  # asked late: Lightning starts them after the data module is made
        n, steps = len(self.index), self._steps()
        order = torch.arange(n)
        if self.shuffle:
            seed = derived_seed(self.seed, "order", self.epoch)
            order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
        order = order[rank() : n - n % world : world]
        rows = self.index[order].to(self.images.device)  # once an epoch, not once a batch
        order = order.to(self.device)
        return zip(order.tensor_split(steps), rows.tensor_split(steps), strict=True)

    def _cut(self, index: Tensor, source: Tensor) -> Batch:
        return to_unit(self.images.index_select(0, source).to(self.device)), index

    def _steps(self) -> int:
        return math.ceil(len(self.index) // num_processes() / self.batch_size)
