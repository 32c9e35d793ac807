"""Several processes that train one run together: Lightning starts them or finds them; here they agree on the folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch.distributed as dist
from lightning.pytorch.utilities import rank_zero_only

from unsup.runs.config import Config
from unsup.runs.threads import threads_of_new_run
from unsup.training.trainer import several

RUN = "UNSUP_RUN"  # where processes that Lightning starts find the run folder that the first one made


def first() -> bool:
    """Whether this is the process that writes and speaks, by what torchrun, SLURM or Lightning has put around it."""
    return not getattr(rank_zero_only, "rank", 0)


def agree(trainer: L.Trainer, make: Callable[[], Path]) -> Path:
    """The run folder that the first process makes.

    Args:
        trainer: any trainer on the devices of the run.
        make: makes the folder; called in the first process only.
    """
    if trainer.world_size == 1:
        return make()
    if RUN in os.environ and not first():  # started by Lightning when the first one began to train
        return Path(os.environ[RUN])
    strategy: Any = trainer.strategy
    if strategy.cluster_environment.creates_processes_externally:  # all of them are here: torchrun, SLURM
        strategy.setup_environment()
        return Path(strategy.broadcast(str(make()) if first() else ""))
    run = make()
    os.environ[RUN] = str(run)
    return run


def threads_for(config: Config) -> int | None:
    """Return how many threads a run that starts now takes, and say so where it is fewer than all.

    None leaves it to Lightning, which shares the cores out among the processes of several devices.
    """
    if several(config) and config["threads"] == "auto":
        return None
    threads, note = threads_of_new_run(config["threads"])
    if note and first():
        print(note, flush=True)
    return threads


def part() -> None:
    """Training is over: the first process goes on alone."""
    os.environ.pop(RUN, None)
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
