"""Agreement of several processes that train one run on its folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch.distributed as dist
from lightning.pytorch.utilities import rank_zero_only

from unsup.runs.run import Run

RUN_VARIABLE = "UNSUP_RUN"  # the run folder, for processes that Lightning starts


def is_main_process() -> bool:
    """Return whether this is rank 0 of torchrun, SLURM or Lightning."""
    return not getattr(rank_zero_only, "rank", 0)


def share_run(trainer: L.Trainer, create: Callable[[], Run]) -> Run:
    """Return in every process the run that the main process creates.

    Args:
        trainer: any trainer on the devices of the run.
        create: creates the run, in the main process only.
    """
    if trainer.world_size == 1:
        return create()
    if RUN_VARIABLE in os.environ and not is_main_process():  # started by Lightning from the main process
        return Run(Path(os.environ[RUN_VARIABLE]))
    strategy: Any = trainer.strategy
    if strategy.cluster_environment.creates_processes_externally:  # torchrun, SLURM
        strategy.setup_environment()
        return Run(Path(strategy.broadcast(str(create().folder) if is_main_process() else "")))
    run = create()
    os.environ[RUN_VARIABLE] = str(run.folder)
    return run


def leave_process_group() -> None:
    """Shut down the process group, after which the main process continues alone."""
    os.environ.pop(RUN_VARIABLE, None)
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
