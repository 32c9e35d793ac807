"""Lightning's trainer as every run has it, without its advertisements; and its failures in a user's words."""

import logging
import os
import threading
import warnings
from pathlib import Path
from typing import Any

import jsonargparse
import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from unsup import runs
from unsup.callbacks import Throughput, callbacks
from unsup.checkpoints import WholeCheckpoints, system_error
from unsup.config import Config
from unsup.data.base import ImageData
from unsup.errors import UserError


def build_trainer(config: Config, run: Path, throughput: Throughput, resumed_at: int | None = None) -> L.Trainer:
    """Lightning's trainer, writing into the run folder only.

    Points of the curves after the training step `resumed_at` are taken back: they are drawn again.
    """
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(L.Trainer, "trainer", instantiate=False)
    given: dict[str, Any] = parser.instantiate(parser.parse_object({"trainer": config["trainer"]}))["trainer"].as_dict()
    given = {key: given[key] for key in config["trainer"]}
    checkpoint = ModelCheckpoint(  # the newest one; `save_last` with `save_top_k=0` writes none before the end
        run / "checkpoints",
        Path(runs.LAST).stem,
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    extra, plugins = (given.pop(key, None) or [] for key in ("callbacks", "plugins"))
    purge = None if resumed_at is None else resumed_at + 1
    logger = TensorBoardLogger(run, name="", version="", default_hp_metric=False, purge_step=purge)
    trainer = L.Trainer(
        **given,
        logger=logger,
        plugins=[WholeCheckpoints(), *(plugins if isinstance(plugins, list) else [plugins])],
        default_root_dir=run,
        callbacks=[checkpoint, *callbacks(throughput), *(extra if isinstance(extra, list) else [extra])],
        enable_model_summary=False,
    )
    if not torch.cuda.is_available():  # Lightning's "1" costs a failing library load in every optimizer step
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    return trainer


def quiet() -> None:
    """Silence advertisements and deprecation noise of the libraries; real warnings stay.

    TensorBoard's writer is a thread: what it could not write the training says in the end, not its traceback before.
    """
    threading.excepthook = lambda e: None if isinstance(e.exc_value, OSError) else threading.__excepthook__(e)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    for known in (
        "The '.*_dataloader' does not have many workers",  # batches come from memory
        "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
        "Checkpoint directory .* exists and is not empty",
        ".*configure_optimizers` returned `None`",
        "The number of training batches .* is smaller than the logging interval",  # val losses are logged all the same
    ):
        warnings.filterwarnings("ignore", message=known)


def told(error: Exception, run: Path, data: ImageData) -> Exception:
    """What ended a training, in words that name the cause and the remedy where it is one that users can mend."""
    again = f"make resume RUN={run} goes on" if runs.begun(run) else f"no checkpoint was written in {run} yet"
    if found := system_error(error):
        return UserError(f"cannot write into {run}: {found.strerror or found}; that mended, {again}")
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
        return UserError(f"out of memory with batches of {data.batch_size} images: lower data.batch_size; {again}")
    return error
