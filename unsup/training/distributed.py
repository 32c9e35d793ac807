"""Several processes that train one run together: Lightning starts them or finds them; here they agree on the folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch.distributed as dist
from lightning.pytorch.utilities import rank_zero_only

RUN = "UNSUP_RUN"  # where processes that Lightning starts find the run folder that the first one made


def is_main_process() -> bool:
    """Return whether this is the process that writes and speaks, as torchrun, SLURM or Lightning has arranged it."""
    return not getattr(rank_zero_only, "rank", 0)


def share_run_folder(trainer: L.Trainer, make: Callable[[], Path]) -> Path:
    """Return the run folder that the main process makes.

    Args:
        trainer: any trainer on the devices of the run.
        make: makes the folder; called in the main process only.
    """
    if trainer.world_size == 1:
        return make()
    if RUN in os.environ and not is_main_process():  # started by Lightning when the first one began to train
        return Path(os.environ[RUN])
    strategy: Any = trainer.strategy
    if strategy.cluster_environment.creates_processes_externally:  # all of them are here: torchrun, SLURM
        strategy.setup_environment()
        return Path(strategy.broadcast(str(make()) if is_main_process() else ""))
    run = make()
    os.environ[RUN] = str(run)
    return run


def leave_process_group() -> None:
    """Shut down the process group after training; the main process continues alone."""
    os.environ.pop(RUN, None)
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
