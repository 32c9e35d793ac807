"""The contract of a method: images in; losses, codes and, where it has them, reconstructions out. No labels, ever."""

import math
from collections.abc import Iterator
from typing import Any

import lightning.pytorch as L
import torch
from torch import Tensor

from unsup.errors import UserError
from unsup.seeds import seed_noise

Batch = tuple[Tensor, Tensor]  # x: (N, C, H, W) float32 in [0, 1]; index: (N,) positions in the training split


class Model(L.LightningModule):
    """What a method fills in; training, validation, logging and the optimizer come from here.

    x is (N, C, H, W) float32 in [0, 1], z is (N, D). Required are `losses` and `encode`; a method without gradients
    has `fit(images)` instead of `losses`. The evaluator discovers what else is there:

    * `reconstruct(x)` -> (N, C, H, W): scored as it is (not clamped), shown clamped to [0, 1];
    * `decode(z)` -> (N, C, H, W);  `sample(n)` -> (n, C, H, W) in [0, 1];
    * `layers(x)` -> {name: (N, D)}: inner representations, probed one by one;
    * `fit(images)`: learn from one or more passes over `images()`, each an ordered stream of x; fitted state lives in
      buffers whose shapes are known from `__init__`.

    The typed `__init__` is the schema of the recipe: plain types only, so that checkpoints load with
    `weights_only=True`. Arguments named `shape` and `augmentation` are filled from the data set.

    Args:
        shape: (C, H, W) of an image.
        lr: peak learning rate of Adam; warmed up over the first tenth of all steps, then annealed to 0 (cosine).
    """

    seed: int = 0  # the run's seed; training sets it, all step noise derives from it

    def __init__(self, shape: tuple[int, int, int], lr: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()  # the subclass's arguments: they rebuild the model from a checkpoint
        self.shape = shape
        self.lr = lr

    # ---- what a method provides -------------------------------------------------------------------------------------

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        """Scalars of this batch: "loss" is minimised, all are logged. Views, noise and masks are drawn in here."""
        raise NotImplementedError(f"{type(self).__name__} defines neither losses(x) nor its own training_step")

    def encode(self, x: Tensor) -> Tensor:
        """The code z (N, D): in eval mode a fixed function of each image alone."""
        raise NotImplementedError(f"{type(self).__name__} does not define encode(x)")

    def initialise(self, state: dict[str, Tensor]) -> None:
        """Start from another run's weights (`init_from`): every one of them must fit; what else there is stays new."""
        own = self.state_dict()
        for name, value in state.items():
            if name not in own or own[name].shape != value.shape:
                have = f"shape {tuple(own[name].shape)}" if name in own else "no such weight"
                raise UserError(
                    f"init_from: {type(self).__name__} cannot take {name} {tuple(value.shape)} ({have}): "
                    "give it the other run's sizes"
                )
        self.load_state_dict(state, strict=False)  # strict in the direction that matters, by the check above

    # ---- what Lightning calls ---------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Choose the optimization mode that the loader's batches need."""
        if stage != "fit" or self.trainer.datamodule.steps_per_call == 1:
            return
        if (
            not self.automatic_optimization
            or self.trainer.gradient_clip_val
            or self.trainer.accumulate_grad_batches > 1
        ):
            raise UserError(
                "data.steps_per_call > 1 does not go with gradient clipping, gradient accumulation or a model that "
                "steps its own optimizers: set data.steps_per_call to 1"
            )
        self.automatic_optimization = False

    def on_fit_start(self) -> None:
        """Methods without gradients learn here, from whole passes over the clean training images."""
        if hasattr(self, "fit"):
            self.fit(self.training_images)

    def training_images(self) -> Iterator[Tensor]:
        """One ordered, clean, label-free pass over the training split on this device, as batches of x.

        For hooks that need the whole set: a target distribution each epoch, a fit by least squares, cluster centres.
        """
        return self.trainer.datamodule.batches("train", self.device)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
        """One optimizer step on (x, index); on a list of them (`data.steps_per_call` > 1), one step on each."""
        if self.automatic_optimization:
            return self._training_losses(batch)["loss"]
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        for part in batch:
            if self.global_step == self.trainer.max_steps:
                break
            loss = self._training_losses(part)["loss"]
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()  # Lightning's wrapper: global_step counts every one
            scheduler.step()
        return None

    def _training_losses(self, batch: Batch) -> dict[str, Tensor]:
        x, _ = batch
        seed_noise(self.device, self.seed, "step", self.global_step, self.global_rank)
        values = self.losses(x)
        self.record(values, self.global_step)
        return values

    def record(self, values: dict[str, Tensor], step: int) -> None:
        """Write training values as `train/<name>` every `trainer.log_every_n_steps` steps: never a sync in between."""
        if step % self.trainer.log_every_n_steps:
            return
        self.log("loss", values["loss"].detach(), prog_bar=True, logger=False)
        scalars = {f"train/{name}": value.detach().item() for name, value in values.items()}
        optimizers = self.trainer.optimizers
        scalars["train/lr"] = optimizers[0].param_groups[0]["lr"]
        for logger in self.loggers:
            logger.log_metrics(scalars, step)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The same losses on validation images, in eval mode and with the same noise each time."""
        x, _ = batch
        seed_noise(self.device, self.seed, "val", batch_idx, self.global_rank)
        values = {f"val/{name}": value for name, value in self.losses(x).items()}
        self.log_dict(values, batch_size=len(x), logger=False, sync_dist=self.trainer.world_size > 1)

    def on_validation_epoch_end(self) -> None:
        """Put the epoch's means on the same step axis as the training losses."""
        means = {k: v.item() for k, v in self.trainer.callback_metrics.items() if k.startswith("val/")}
        for logger in self.loggers:
            logger.log_metrics(means, self.global_step)

    def configure_optimizers(self) -> Any:
        """Adam, warm-up over a tenth of the steps, cosine to 0; no optimizer for a method without parameters."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        if not parameters:
            return None
        total = self.total_steps()
        optimizer = torch.optim.Adam(parameters, lr=self.lr, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        if self.automatic_optimization:
            total = self.trainer.estimated_stepping_batches
        else:
            total = (self.trainer.max_epochs or math.inf) * self.trainer.datamodule.steps_per_epoch
            if self.trainer.max_steps > 0:
                total = min(total, self.trainer.max_steps)
        if not 0 <= total < math.inf:
            raise UserError("trainer.max_epochs or trainer.max_steps must say how long to train")
        return int(total)


def warmup_cosine(step: int, total: int) -> float:
    """Share of the peak learning rate at `step`: linear over the first tenth, then a half cosine to 0 at `total`."""
    warmup = max(1, total // 10)
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    return 0.5 * (1 + math.cos(math.pi * done))
