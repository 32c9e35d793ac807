"""What a loss over the whole batch needs where several processes train with a part of it each."""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather


def gather(z: Tensor) -> Tensor:
    """The rows (n, D) of every process one after the other, (processes * n, D); with a single process z itself.

    Gradients flow to the rows' own process. A loss that every process computes on all rows (or whose part each computes
    on its own rows), averaged over processes as DDP does it, has the gradients of one process with the whole batch.
    Every process must have as many rows.
    """
    return torch.cat(all_gather(z)) if num_processes() > 1 else z


def num_processes() -> int:
    """How many train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0 on."""
    return dist.get_rank() if num_processes() > 1 else 0
