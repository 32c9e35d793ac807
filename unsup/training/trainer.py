"""Lightning's trainer as every run has it, without its advertisements; and its failures in a user's words."""

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import jsonargparse
import lightning.pytorch as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.profilers import PassThroughProfiler

from unsup.core.commands import suggest
from unsup.core.errors import UsageError, UserError
from unsup.data.base import ImageData
from unsup.runs import folder as runs
from unsup.runs.checkpoints import WholeCheckpoints, system_error
from unsup.runs.config import Config
from unsup.training.callbacks.curves import Curves, GradientNorm, Layout
from unsup.training.callbacks.images import Pictures
from unsup.training.callbacks.online_scores import QuickScores
from unsup.training.callbacks.progress import Progress
from unsup.training.callbacks.throughput import Throughput


class Unprofiled(PassThroughProfiler):
    """Lightning enters a context for every hook of every callback, some 35 a step: none of them costs anything here."""

    nothing = nullcontext()

    def profile(self, action_name: str) -> Any:
        return self.nothing


def arguments(config: Config, unused_parameters: bool) -> dict[str, Any]:
    """The trainer's arguments that a configuration gives; objects in it are built."""
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(L.Trainer, "trainer", instantiate=False)
    given: dict[str, Any] = parser.instantiate(parser.parse_object({"trainer": config["trainer"]}))["trainer"].as_dict()
    given = {key: given[key] for key in config["trainer"]}
    if unused_parameters and several(config) and given.get("strategy", "auto") in ("auto", "ddp"):
        given["strategy"] = "ddp_find_unused_parameters_true"
    return given


def several(config: Config) -> bool:
    """Whether more than one device may be meant."""
    return config["trainer"].get("devices", 1) not in (1, "1") or config["trainer"].get("num_nodes", 1) != 1


@contextmanager
def explained() -> Iterator[None]:
    """What a trainer says of its options becomes a UsageError."""
    try:
        yield
    except (MisconfigurationException, TypeError, ValueError, RuntimeError, OverflowError, MemoryError) as e:
        raise UsageError(f"trainer: {' '.join(str(e).split()) or type(e).__name__}") from e


def bare_trainer(config: Config, unused_parameters: bool) -> L.Trainer:
    """A trainer on the devices of a run that writes nothing."""
    given = arguments(config, unused_parameters) | {"callbacks": None, "plugins": None}
    return L.Trainer(
        **given, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
    )


def build_trainer(
    config: Config, run: Path, throughput: Throughput, unused_parameters: bool = False, resumed_at: int | None = None
) -> L.Trainer:
    """Lightning's trainer, writing into the run folder only.

    Points of the curves after the training step `resumed_at` are taken back: they are drawn again.
    """
    given = arguments(config, unused_parameters)
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
        **{"profiler": Unprofiled(), **given},
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
    resume = f"{suggest('resume', run=run)} goes on"
    again = resume if runs.checkpoints_of(run) else f"no checkpoint was written in {run} yet"
    if found := system_error(error):
        where = os.fsdecode(found.filename) if found.filename else run
        return UserError(f"input or output failed: {where}: {found.strerror or found}; that mended, {again}")
    if "Connection closed by peer" in str(error):
        return UserError(f"another process of this training has ended, its message says why; {again}")
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
        return UserError(f"out of memory with batches of {data.batch_size} images: lower data.batch_size; {again}")
    return error


def callbacks(throughput: "Throughput") -> list[Callback]:
    """The callbacks of every training, in the order that they need: time is measured before anything is drawn."""
    quick = QuickScores()
    return [throughput, GradientNorm(), quick, Progress(throughput, quick), Pictures(), Layout(), Curves()]
