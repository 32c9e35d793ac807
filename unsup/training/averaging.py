"""Callbacks that average weights over a training, whose averages are judged."""

from typing import Any

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback, StochasticWeightAveraging, WeightAveraging

from unsup.models.base import Model
from unsup.runs.checkpoints import load_checkpoint
from unsup.runs.run import Run


class NoEmptyAverage(Callback):
    """The trained weights in place of an average that no step has updated.

    Lightning would end such a training with the initial weights.
    """

    def on_train_end(self, trainer: Any, pl_module: L.LightningModule) -> None:
        for callback in trainer.callbacks:
            if isinstance(callback, WeightAveraging) and not updated(callback) and callback._average_model:
                callback._average_model.update_parameters(pl_module)  # the first update copies


def updated(callback: WeightAveraging) -> bool:
    """Return whether an average was updated in a training."""
    return callback._latest_update_step > 0 or callback._latest_update_epoch >= 0


def averaging_callback(trainer: Any) -> str | None:
    """Return the callback whose average a trained model has, None without one."""
    for callback in trainer.callbacks:
        if isinstance(callback, WeightAveraging) and updated(callback):
            return type(callback).__name__
        if isinstance(callback, StochasticWeightAveraging):
            ended = trainer.current_epoch > callback.swa_end or callback._max_epochs == -1
            if callback.n_averaged and ended:
                return type(callback).__name__
    return None


def differs(model: Model, run: Run) -> bool:
    """Return whether a model is not as in the last checkpoint of its run."""
    saved = load_checkpoint(run.last_checkpoint)["state_dict"]
    return not all(torch.equal(weights.cpu(), saved[name]) for name, weights in model.state_dict().items())
