"""The hooks that Lightning calls while a model trains."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import lightning.pytorch as L
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.lr_scheduler import LRScheduler

from unsup.core.batch import Batch
from unsup.core.errors import UsageError, UserError
from unsup.core.seeds import seed_noise
from unsup.models.parts.loss_guard import LossGuard
from unsup.models.parts.patch_network import PatchNetwork
from unsup.models.parts.single_steps import needs_single_steps


class TrainingHooks(L.LightningModule):
    """The part of a model that trains, validates and logs.

    Args:
        lr: the run's learning rate.
    """

    losses: Callable[[Tensor], dict[str, Tensor]]
    initialised: bool = False  # whether the method has started from another run's weights
    seed: int = 0  # the run's seed, from which all noise derives, set by the training code
    optimizer: Mapping[str, Any] | None = None  # name and options, instead of AdamW, set by the training code
    compiled_losses: Callable[[Tensor], dict[str, Tensor]] | None = None  # compiled `losses`, set by the training code

    def __init__(self, lr: float) -> None:
        super().__init__()
        self.lr = lr
        self.schedules: set[str] = set()  # that follow the length of the training, by name
        self._loss_guard = LossGuard(lr)
        self._batch_index: Tensor | None = None  # (n,) of the batch in training
        self._held_out: dict[str, tuple[Any, int]] = {}  # during validation: sums over images, and their number

    # ---- what a method may call -------------------------------------------------------------------------------------
    def training_images(self) -> Iterator[Tensor]:
        """Return an ordered pass over all training images, as batches of x on this device.

        Row i of the pass is the image with index i in training batches.
        """
        return self._data.batches("learn", self.device)

    @property
    def iteration(self) -> int:
        """The number of training batches so far, the x axis of every curve."""
        return self.global_step // self.steps_per_batch

    @property
    def steps_per_batch(self) -> int:
        """Optimizer steps in a batch, above 1 for several optimizers."""
        return 1

    @property
    def batches_per_epoch(self) -> int:
        """The number of training batches of an epoch in this process."""
        return min(int(self.trainer.num_training_batches) * self._data.steps_per_call, self._data.steps_per_epoch)

    def total_steps(self, schedule: str = "a schedule") -> int:
        """Return how many training batches the run has, for a schedule over all of them.

        They equal optimizer steps, unless a model makes several steps per batch.
        A run with such a schedule cannot be made longer, and the message names it.
        """
        self.schedules.add(schedule)
        return self.planned_steps()

    def planned_steps(self) -> int:
        """Return how many training batches the run has, for a display."""
        total = self.trainer.estimated_stepping_batches  # calls of training_step, or inf; creates the loaders
        if not self.automatic_optimization and self.trainer.max_epochs != -1:
            total = self.batches_per_epoch * (self.trainer.max_epochs or 0)
            if self.trainer.max_steps >= 0:
                total = min(total, self.trainer.max_steps // self.steps_per_batch)
        if total == math.inf:
            raise UsageError("trainer.max_epochs or trainer.max_steps must say how long to train")
        return int(total)

    @property
    def logs_this_step(self) -> bool:
        """True every `log_every_n_steps` batches, and at least once an epoch."""
        every = min(cast(Any, self.trainer).log_every_n_steps, self._data.steps_per_epoch)
        return bool(every) and self.iteration % every == 0

    def record(self, values: dict[str, Tensor]) -> None:
        """Check and log the values of a training step, as `train/<name>`."""
        check_losses(self, values)
        self._loss_guard.observe(values["loss"].detach(), self.iteration, self._batch_index)
        if self.logs_this_step:
            self._loss_guard.check()
            self._log_step({f"train/{name}": value.detach().item() for name, value in values.items()})

    # ---- what Lightning calls ---------------------------------------------------------------------------------------
    @property
    def _data(self) -> Any:  # the ImageData in training: models do not import the data package
        return cast(Any, self.trainer).datamodule

    def setup(self, stage: str) -> None:
        """Choose the optimization mode that the loader's batches need."""
        if stage != "fit":
            return
        self._refuse_lone_images()
        if needs_single_steps(self.trainer):
            self._data.steps_per_call = 1
        several = self._data.steps_per_call > 1
        if type(self).training_step is TrainingHooks.training_step:
            self.automatic_optimization = not several
        elif several:
            raise UsageError(f"{type(self).__name__} has its own training_step: set data.steps_per_call to 1")

    def _refuse_lone_images(self) -> None:
        """Raise `UsageError` if batch normalisation would see batches of one image."""
        images = self._data.size("learn") // self.trainer.world_size
        if not any(isinstance(module, _BatchNorm) for module in self.modules()) or not images:
            return
        if images // self._data.steps_per_epoch < 2:
            raise UsageError(
                f"{type(self).__name__} normalises over the images of a batch, and some batches would have only one: "
                f"raise data.batch_size (now {self._data.batch_size})"
            )

    def on_fit_start(self) -> None:
        """Call `fit` with the training images, unless the run is resumed.

        The patches of a backbone come first, unless they are those of another run.
        """
        if self.trainer.ckpt_path is not None:
            return
        for module in self.modules():
            if isinstance(module, PatchNetwork) and not self.initialised:
                seed_noise(self.device, self.seed, "fit")  # copies of a backbone find the same patches
                module.fit(self.training_images, self.seed)
        fit = getattr(self, "fit", None)
        if fit is not None:
            seed_noise(self.device, self.seed, "fit")
            fit(self.training_images)

    def on_train_start(self) -> None:
        """Refuse a named optimizer that the method does not use, with a `UsageError`."""
        if self.optimizer and len(self.trainer.optimizers) != 1:
            raise UsageError(f"optimizer: {type(self).__name__} has optimizers of its own, and takes no other")

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed the noise of a step, which depends on seed, step and process alone."""
        seed_noise(self.device, self.seed, "step", self.global_step, self.global_rank)
        self._batch_index = batch[1] if isinstance(batch, tuple) else None

    def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
        """Make an optimizer step for a batch, or for each one of a group."""
        if self.automatic_optimization:
            return self._training_loss(batch)
        optimizer = cast(LightningOptimizer, self.optimizers())
        scheduler = cast(LRScheduler | None, self.lr_schedulers())
        for part in batch:
            if self.global_step == self.trainer.max_steps:
                break
            self.on_train_batch_start(part, batch_idx)
            loss = self._training_loss(part)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()  # Lightning's wrapper: global_step counts every one
            if scheduler is not None:
                scheduler.step()
        return None

    def _training_loss(self, batch: Batch) -> Tensor:
        values = (self.compiled_losses or self.losses)(batch[0])
        self.record(values)
        if not values["loss"].requires_grad:
            raise UserError(f'{type(self).__name__}.losses: "loss" depends on no weight: compute it from parameters')
        return values["loss"]

    def _log_step(self, scalars: dict[str, float]) -> None:
        """Log values and learning rate of a step, and show the loss as progress."""
        self.log("loss", scalars["train/loss"], prog_bar=True, logger=False)
        scalars["train/lr"] = self.trainer.optimizers[0].param_groups[0]["lr"]
        for logger in self.loggers:
            logger.log_metrics(scalars, self.iteration)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Compute losses on validation images, with the same noise each time."""
        seed_noise(self.device, self.seed, "val", batch_idx, self.global_rank)
        values = self.losses(batch[0])
        check_losses(self, values)
        for name, value in values.items():  # `self.log` takes half a millisecond: once an epoch
            total, n = self._held_out.get(f"val/{name}", (0.0, 0))
            self._held_out[f"val/{name}"] = total + len(batch[0]) * value.float(), n + len(batch[0])

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's means. UserError where the loss is not finite."""
        held_out = {name: total / n for name, (total, n) in self._held_out.items()}
        self._held_out.clear()
        self.log_dict(held_out, logger=False, sync_dist=self.trainer.world_size > 1)
        if self.trainer.sanity_checking:
            return
        means = {k: v.item() for k, v in self.trainer.callback_metrics.items() if k.startswith("val/")}
        if not math.isfinite(means.get("val/loss", 0.0)):
            raise UserError(f"the validation loss is {means['val/loss']} at step {self.iteration}: lower model.lr")
        for logger in self.loggers:
            logger.log_metrics(means, self.iteration)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Record the schedules, and refuse to save after a loss that was not finite."""
        self._loss_guard.check()
        checkpoint["schedules"] = sorted(self.schedules)


def check_losses(model: TrainingHooks, values: Any) -> None:
    """Check what `losses` returns. UserError where it is no scalars with "loss"."""
    if not isinstance(values, dict):
        problem = type(values).__name__
    elif "loss" not in values:
        problem = f"the keys {', '.join(map(str, values))}" if values else "an empty dictionary"
    else:
        wrong = [key for key, value in values.items() if not isinstance(value, Tensor) or value.numel() != 1]
        if not wrong:
            return
        value = values[wrong[0]]
        kind = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        problem = f'{kind} as "{wrong[0]}"'
    own_step = type(model).training_step is not TrainingHooks.training_step and model.trainer.training
    source = f"{type(model).__name__}.{'training_step recorded' if own_step else 'losses returned'}"
    raise UserError(f'{source} {problem}: it must be a dictionary of scalar tensors with the key "loss"')
