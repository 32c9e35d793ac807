"""Options and callbacks that see each optimizer step by itself.

`ImageData.steps_per_call` groups steps in one call of `training_step`, which Lightning takes for one batch. What counts
batches, changes gradients or weights, or follows Lightning's own optimization would then see every sixteenth step.
"""

from typing import Any

from lightning.pytorch.callbacks import (
    Callback,
    GradientAccumulationScheduler,
    ModelCheckpoint,
    ProgressBar,
    StochasticWeightAveraging,
)
from lightning.pytorch.utilities.model_helpers import is_overridden

AUTOMATIC = (GradientAccumulationScheduler, StochasticWeightAveraging)  # need Lightning's own optimization


def needs_single_steps(trainer: Any) -> bool:
    """Return whether a trainer's options or callbacks need each step by itself.

    The weights of a training are the same, steps grouped or not.
    """
    return bool(
        trainer.world_size > 1
        or trainer.gradient_clip_val
        or trainer.accumulate_grad_batches > 1
        or trainer.overfit_batches
        or trainer.limit_train_batches != 1.0
        or trainer.val_check_interval != 1.0
        or any(map(counts_steps, trainer.callbacks))
    )


def counts_steps(callback: Callback) -> bool:
    """Return whether a callback sees training batches, and does not know groups.

    Those that know them have the attribute `takes_groups`.
    """
    if isinstance(callback, AUTOMATIC):
        return True
    if isinstance(callback, ModelCheckpoint):
        return bool(callback._every_n_train_steps)
    if isinstance(callback, ProgressBar) or getattr(callback, "takes_groups", False):
        return False
    return any(is_overridden(hook, callback, Callback) for hook in ("on_train_batch_start", "on_train_batch_end"))
