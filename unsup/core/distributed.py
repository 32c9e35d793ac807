"""Losses over the whole batch where several processes train with a part of it."""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather


def gather(z: Tensor) -> Tensor:
    """Concatenate the rows (n, D) of all processes to (processes * n, D).

    Gradients flow back to the process of each row. A loss that every process computes on all rows (or whose part each
    computes on its own rows), averaged over processes as DDP does, has the gradients of one process with the whole
    batch. Every process must have the same number of rows.
    """
    return torch.cat(all_gather(z)) if num_processes() > 1 else z


def num_processes() -> int:
    """Return the number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the index of this process among them, from 0."""
    return dist.get_rank() if num_processes() > 1 else 0
