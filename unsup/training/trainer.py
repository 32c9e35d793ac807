"""Lightning's trainer as every run has it, without its advertisements; and its failures in a user's words."""

import logging
import os
import threading
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jsonargparse
import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.profilers import PassThroughProfiler

from unsup.runs.checkpoints import AtomicCheckpoints
from unsup.runs.config import Config
from unsup.runs.records import LAST
from unsup.training.callbacks.curves import FlushLoggers, GradientNorm, Layout
from unsup.training.callbacks.images import Pictures
from unsup.training.callbacks.online_scores import QuickScores
from unsup.training.callbacks.progress import Progress
from unsup.training.callbacks.throughput import Throughput
from unsup.training.distributed import is_main_process

HARMLESS_WARNINGS = (  # warnings of Lightning
    "The '.*_dataloader' does not have many workers",  # batches come from memory
    "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
    "Checkpoint directory .* exists and is not empty",
    ".*configure_optimizers` returned `None`",
    "The number of training batches .* is smaller than the logging interval",  # val losses are logged all the same
)


class NoProfiler(PassThroughProfiler):
    """Lightning enters a context for every hook of every callback, some 35 a step: none of them costs anything here."""

    nothing = nullcontext()

    def profile(self, action_name: str) -> Any:
        return self.nothing


def trainer_arguments(config: Config, unused_parameters: bool) -> dict[str, Any]:
    """The trainer's arguments that a configuration gives; objects in it are built."""
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(L.Trainer, "trainer", instantiate=False)
    given: dict[str, Any] = parser.instantiate(parser.parse_object({"trainer": config["trainer"]}))["trainer"].as_dict()
    given = {key: given[key] for key in config["trainer"]}
    if unused_parameters and uses_several_devices(config) and given.get("strategy", "auto") in ("auto", "ddp"):
        given["strategy"] = "ddp_find_unused_parameters_true"
    return given


def uses_several_devices(config: Config) -> bool:
    """Whether more than one device may be meant."""
    return config["trainer"].get("devices", 1) not in (1, "1") or config["trainer"].get("num_nodes", 1) != 1


def bare_trainer(config: Config, unused_parameters: bool) -> L.Trainer:
    """A trainer on the devices of a run that writes nothing."""
    given = trainer_arguments(config, unused_parameters) | {"callbacks": None, "plugins": None}
    return L.Trainer(
        **given, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
    )


def build_trainer(
    config: Config, folder: Path, throughput: Throughput, unused_parameters: bool = False, resumed_at: int | None = None
) -> L.Trainer:
    """Return Lightning's trainer, writing into the run folder only.

    Logged points after the training step `resumed_at` are discarded; the resumed run writes them again.
    """
    given = trainer_arguments(config, unused_parameters)
    checkpoint = ModelCheckpoint(  # the newest one; `save_last` with `save_top_k=0` writes none before the end
        folder / "checkpoints",
        Path(LAST).stem,
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    extra, plugins = (given.pop(key, None) or [] for key in ("callbacks", "plugins"))
    purge = None if resumed_at is None else resumed_at + 1
    if not torch.cuda.is_available():  # Lightning's "1" costs a failing library load in every optimizer step
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    return L.Trainer(
        **{"profiler": NoProfiler(), **given},
        logger=TensorBoardLogger(folder, name="", version="", default_hp_metric=False, purge_step=purge),
        plugins=[AtomicCheckpoints(), *(plugins if isinstance(plugins, list) else [plugins])],
        default_root_dir=folder,
        callbacks=[checkpoint, *callbacks(throughput), *(extra if isinstance(extra, list) else [extra])],
        enable_model_summary=False,
    )


def silence_libraries() -> None:
    """Silence advertisements and deprecation noise of the libraries, and all processes but the main one.

    Real warnings stay. TensorBoard's writer is a thread: a failure to write is reported at the end of the training, not
    by that thread's traceback before.
    """
    threading.excepthook = lambda e: None if isinstance(e.exc_value, OSError) else threading.__excepthook__(e)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    if not is_main_process():
        logging.getLogger("unsup").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    for known in HARMLESS_WARNINGS:
        warnings.filterwarnings("ignore", message=known)


def callbacks(throughput: Throughput) -> list[Callback]:
    """The callbacks of every training, in the order that they need: time is measured before anything is drawn."""
    quick = QuickScores()
    return [throughput, GradientNorm(), quick, Progress(throughput, quick), Pictures(), Layout(), FlushLoggers()]
