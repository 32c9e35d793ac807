"""Training: configuration -> seed -> data, model, trainer -> fit -> evaluation. The only way a run comes about."""

import logging
import os
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonargparse
import lightning.pytorch as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from unsup import runs
from unsup.build import build_model, load_weights, prepare
from unsup.callbacks import Throughput, callbacks
from unsup.config import Config
from unsup.data.base import ImageData
from unsup.errors import UsageError, UserError
from unsup.evaluate import evaluate_run


def train(
    config: Config,
    runs_root: Path = Path("runs"),
    command: str = "",
    notes: Sequence[str] = (),
    data: ImageData | None = None,
) -> Path:
    """Train as the resolved configuration says, evaluate, write the report; returns the run folder.

    Args:
        config: what `unsup.config.resolve` returns.
        runs_root: the run folder is made in runs_root/<data>/<recipe>/.
        command: what the user typed, for the record.
        notes: what was decided for the user, such as the data set; shown in the first line of output.
        data: the data module, when it is prepared already.

    Raises:
        UsageError: several devices are asked for, or no end of the training; options that do not go together.
        UserError: data missing or damaged, run folder not writable, loss not finite, weights that do not fit.
    """
    if config["trainer"].get("devices", 1) not in (1, "1") or config["trainer"].get("num_nodes", 1) != 1:
        raise UsageError("training on several devices is not there yet: leave trainer.devices and num_nodes at 1")
    if config["trainer"].get("max_epochs", -1) == -1 and config["trainer"].get("max_steps", -1) == -1:
        raise UsageError("trainer.max_epochs or trainer.max_steps must say how long to train")
    quiet()
    torch.set_float32_matmul_precision(config["matmul_precision"])
    L.seed_everything(config["seed"], verbose=False)
    data = data or prepare(config)
    model = build_model(config, data)
    if config["init_from"]:
        model.initialise(load_weights(runs.checkpoint_of(runs.find(config["init_from"]))))
    run = runs.create(runs_root, config, command, data.fingerprint())

    throughput = Throughput()
    try:
        trainer = build_trainer(config, run, throughput)
    except (MisconfigurationException, ValueError, RuntimeError) as e:  # what a trainer says of its options
        shutil.rmtree(run)
        raise UsageError(f"trainer: {' '.join(str(e).split())}") from e
    aside = f" ({'; '.join(notes)})" if notes else ""
    print(f"{config['recipe']} on {config['dataset']}{aside}, seed {config['seed']}: {run}", flush=True)
    if not any(p.requires_grad for p in model.parameters()):  # learns in on_fit_start, or not at all
        trainer.fit_loop.max_epochs = 0
    checkpoint = run / "checkpoints" / "last.ckpt"
    try:
        trainer.fit(model, datamodule=data)
    except SystemExit:  # Lightning has stopped at a signal
        sys.exit(143 if trainer.received_sigterm else 130)
    except (MisconfigurationException, UsageError) as e:  # options that do not go together: nothing was trained
        if not checkpoint.exists():
            shutil.rmtree(run)
        text = " ".join(str(e).split())
        raise UsageError(text if isinstance(e, UsageError) else f"trainer: {text}") from e
    if not checkpoint.exists():  # zero epochs write none
        trainer.save_checkpoint(checkpoint)
    runs.write_json(run / "training.json", {"epochs": trainer.current_epoch, **throughput.record()})
    if data.test_reads:
        raise UserError(f"training read the test images {data.test_reads} times: they cannot judge {run}")
    evaluate_run(run, data=data, logger=trainer.logger)
    return run


def build_trainer(config: Config, run: Path, throughput: Throughput) -> L.Trainer:
    """Lightning's trainer, writing into the run folder only."""
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(L.Trainer, "trainer", instantiate=False)
    given: dict[str, Any] = parser.instantiate(parser.parse_object({"trainer": config["trainer"]}))["trainer"].as_dict()
    given = {key: given[key] for key in config["trainer"]}
    checkpoint = ModelCheckpoint(run / "checkpoints", save_top_k=0, save_last=True, save_on_train_epoch_end=True)
    extra = given.pop("callbacks", None) or []
    logger = TensorBoardLogger(run, name="", version="", default_hp_metric=False)
    trainer = L.Trainer(
        **given,
        logger=logger,
        default_root_dir=run,
        callbacks=[checkpoint, *callbacks(throughput), *(extra if isinstance(extra, list) else [extra])],
        enable_model_summary=False,
    )
    if not torch.cuda.is_available():  # Lightning's "1" costs a failing library load in every optimizer step
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    return trainer


def quiet() -> None:
    """Silence advertisements and deprecation noise of the libraries; real warnings stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    for known in (
        "The '.*_dataloader' does not have many workers",  # batches come from memory
        "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
        "Checkpoint directory .* exists and is not empty",
        ".*`configure_optimizers` returned `None`",
        "The number of training batches .* is smaller than the logging interval",  # val losses are logged all the same
    ):
        warnings.filterwarnings("ignore", message=known)
