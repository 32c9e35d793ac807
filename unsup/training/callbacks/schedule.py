"""When and where the callbacks of a training log."""

import math
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as L
import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger


def planned_epochs(trainer: L.Trainer) -> int:
    """Return the epochs by max_epochs and max_steps, or -1 if neither is set."""
    epochs = trainer.max_epochs or 0
    if trainer.max_steps > 0:
        model: Any = trainer.lightning_module
        by_steps = math.ceil(trainer.max_steps / model.steps_per_batch / model.batches_per_epoch)
        epochs = by_steps if epochs < 0 else min(epochs, by_steps)
    return epochs


def evenly_spaced(numbers: Sequence[int], most: int) -> list[int]:
    """Return at most `most` of ascending numbers, evenly spaced from first to last."""
    if len(numbers) <= most:
        return list(numbers)
    places = np.linspace(numbers[0], numbers[-1], most)
    return sorted({numbers[i] for i in np.abs(np.subtract.outer(places, numbers)).argmin(axis=1)})


def tensorboard_loggers(trainer: L.Trainer) -> list[TensorBoardLogger]:
    """Return the loggers that take images, in the main process only."""
    return [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero]
