"""Lightning's trainer as every run uses it."""

import logging
import os
import threading
import warnings
from contextlib import nullcontext
from copy import deepcopy
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
from unsup.training.averaging import NoEmptyAverage
from unsup.training.callbacks.curves import FlushLoggers, GradientNorm, Layout
from unsup.training.callbacks.images import Pictures
from unsup.training.callbacks.online_scores import OnlineScores
from unsup.training.callbacks.progress import Progress
from unsup.training.callbacks.throughput import Throughput
from unsup.training.distributed import is_main_process
from unsup.training.loggers import further_loggers

HARMLESS_WARNINGS = (  # of Lightning
    "The '.*_dataloader' does not have many workers",  # batches come from memory
    "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
    "SWA is currently only supported every epoch",  # its schedule takes the place of the method's
    "Using ModelCheckpoint with manual optimization",  # its weights are those after the step, as elsewhere
    "Checkpoint directory .* exists and is not empty",
    "The dirpath has changed",  # a run folder that was moved
    ".*configure_optimizers` returned `None`",
    "The number of training batches .* is smaller than the logging interval",  # validation losses are logged anyway
)


class NoProfiler(PassThroughProfiler):
    """A profiler without cost, which Lightning enters some 35 times a step."""

    nothing = nullcontext()

    def profile(self, action_name: str) -> Any:
        return self.nothing


def trainer_arguments(config: Config, unused_parameters: bool) -> dict[str, Any]:
    """Return the trainer's arguments in a configuration, with their objects built."""
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(L.Trainer, "trainer", instantiate=False)
    parsed = parser.instantiate(parser.parse_object({"trainer": deepcopy(config["trainer"])}))["trainer"].as_dict()
    arguments = {key: parsed[key] for key in config["trainer"]}
    if unused_parameters and uses_several_devices(config) and arguments.get("strategy", "auto") in ("auto", "ddp"):
        arguments["strategy"] = "ddp_find_unused_parameters_true"
    return arguments


def uses_several_devices(config: Config) -> bool:
    """Return whether the options may mean more than one device."""
    return config["trainer"].get("devices", 1) not in (1, "1") or config["trainer"].get("num_nodes", 1) != 1


def bare_trainer(config: Config, unused_parameters: bool) -> L.Trainer:
    """Return a trainer on the devices of a run that writes nothing."""
    options = {key: value for key, value in config["trainer"].items() if key not in ("callbacks", "logger", "plugins")}
    arguments = trainer_arguments(config | {"trainer": options}, unused_parameters)
    return L.Trainer(
        **arguments, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
    )


def build_trainer(
    config: Config,
    folder: Path,
    throughput: Throughput,
    unused_parameters: bool = False,
    resumed_at: int | None = None,
    resumptions: int = 0,
) -> L.Trainer:
    """Return Lightning's trainer, which writes into the run folder.

    TensorBoard's points after the training step `resumed_at` are discarded; the resumed run writes them again.
    """
    further = further_loggers(config["trainer"].get("logger"), folder, resumptions)
    options = config["trainer"] | {"logger": further}
    arguments = trainer_arguments(config | {"trainer": options}, unused_parameters)
    checkpoint = ModelCheckpoint(  # `save_last` with `save_top_k=0` would write none before the end
        folder / "checkpoints",
        Path(LAST).stem,
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    extra, plugins = (arguments.pop(key, None) or [] for key in ("callbacks", "plugins"))
    purge = None if resumed_at is None else resumed_at + 1
    board = TensorBoardLogger(folder, name="", version="", default_hp_metric=False, purge_step=purge)
    if not torch.cuda.is_available():  # Lightning's "1" costs a failing library load in every optimizer step
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    loggers = [board, *arguments.pop("logger")]  # callbacks take the first
    return L.Trainer(
        **{"profiler": NoProfiler(), **arguments},
        logger=loggers,
        plugins=[AtomicCheckpoints(), *(plugins if isinstance(plugins, list) else [plugins])],
        default_root_dir=folder,
        callbacks=[checkpoint, *callbacks(throughput), *(extra if isinstance(extra, list) else [extra])],
        enable_model_summary=False,
    )


def silence_libraries() -> None:
    """Silence harmless warnings of the libraries, and all processes but the main one.

    If TensorBoard's writer thread fails, the error is reported at the end of the training, without that thread's
    traceback.
    """
    threading.excepthook = lambda e: None if isinstance(e.exc_value, OSError) else threading.__excepthook__(e)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    if not is_main_process():
        logging.getLogger("unsup").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    for message in HARMLESS_WARNINGS:
        warnings.filterwarnings("ignore", message=message)


def callbacks(throughput: Throughput) -> list[Callback]:
    """Return the callbacks of every training, those that measure time first."""
    quick = OnlineScores()
    progress = Progress(throughput, quick)
    return [throughput, GradientNorm(), quick, progress, Pictures(), Layout(), FlushLoggers(), NoEmptyAverage()]
