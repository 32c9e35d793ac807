"""Failures of a training, turned into exit codes and errors that users can fix."""

import logging
import os
import shutil
import sys
from argparse import ArgumentError
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any, NoReturn

import lightning.pytorch as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from unsup.core.commands import suggest
from unsup.core.errors import UsageError, UserError
from unsup.data.base import ImageData
from unsup.models.base import Model
from unsup.runs.checkpoints import system_error
from unsup.runs.run import Run
from unsup.training.distributed import is_main_process

log = logging.getLogger(__name__)

OPTION_ERRORS = (  # of Lightning and of jsonargparse
    ArgumentError,
    ArithmeticError,
    MemoryError,
    MisconfigurationException,
    RuntimeError,
    TypeError,
    ValueError,
)


@contextmanager
def as_usage_errors() -> Iterator[None]:
    """Turn Lightning's errors about options into `UsageError`."""
    try:
        yield
    except OPTION_ERRORS as e:
        raise UsageError(f"trainer: {' '.join(str(e).split()) or type(e).__name__}") from e


def raise_explained(error: BaseException, run: Run, trainer: L.Trainer, model: Model, data: ImageData) -> NoReturn:
    """Raise the exit code of a signal, or an error with cause and fix, if known.

    If options are to blame and nothing was trained, the run folder is removed.
    """
    if isinstance(error, SystemExit):  # Lightning has stopped at a signal
        if run.checkpoints:
            log.warning("stopped: %s continues after the last whole epoch", suggest("resume", run=run))
        sys.exit(143 if trainer.received_sigterm else 130)
    if isinstance(error, MisconfigurationException | UsageError):  # incompatible options
        discard(run)
        text = " ".join(str(error).split())
        raise UsageError(text if isinstance(error, UsageError) else f"trainer: {text}") from error
    if blamed := failed_part(error, trainer, model):
        discard(run)
        raise UsageError(f"{blamed}: {' '.join(str(error).split())}") from error
    if isinstance(error, UserError):
        if not model.iteration:
            discard(run)
        raise error
    raise explain(error, run, data) from error


def failed_part(error: BaseException, trainer: Any, model: Model) -> str:
    """Return the named optimizer or callback that raised an error, or nothing."""
    if not isinstance(error, Exception) or isinstance(error, UserError):
        return ""
    for frame, _ in walk_tb(error.__traceback__):
        owner = frame.f_locals.get("self")
        if model.optimizer and isinstance(owner, torch.optim.Optimizer):
            return f"optimizer: {type(owner).__name__}"
        ours = type(owner).__module__.startswith("lightning.pytorch.callbacks")
        if ours and any(owner is callback for callback in trainer.callbacks):
            return f"trainer.callbacks: {type(owner).__name__}"
    return ""


def discard(run: Run) -> None:
    """Remove a run folder that has no checkpoint."""
    if is_main_process() and run.folder.exists() and not run.checkpoints:
        shutil.rmtree(run.folder)


def explain(error: BaseException, run: Run, data: ImageData) -> BaseException:
    """Return an error with cause and fix, or else the error itself."""
    again = f"{suggest('resume', run=run)} continues" if run.checkpoints else f"{run} has no checkpoint yet"
    if system := system_error(error):
        where = os.fsdecode(system.filename) if system.filename else run
        return UserError(f"cannot read or write {where}: {system.strerror or system}; when this is fixed, {again}")
    if "Connection closed by peer" in str(error):
        return UserError(f"another process of this training has ended, and its message says why; {again}")
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
        return UserError(f"out of memory with batches of {data.batch_size} images: lower data.batch_size; {again}")
    return error
