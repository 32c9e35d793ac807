"""The contract of a method: images in; losses, codes and, where it has them, reconstructions out. No labels, ever."""

import math
from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any, cast, get_type_hints

import lightning.pytorch as L
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from unsup.core.errors import UsageError, UserError, at_least, choices
from unsup.core.seeds import seed_noise
from unsup.models.parts.loss_guard import Watch
from unsup.models.parts.optim import annealed_adam

Batch = tuple[Tensor, Tensor]  # x: (N, C, H, W) float32 in [0, 1]; index: (N,) positions among the training images


class Model(L.LightningModule):
    """What a method fills in; training, validation, logging and the optimizer come from here.

    x is (N, C, H, W) float32 in [0, 1], z is (N, D). Required are `losses` and `encode`; a method without gradients
    has `fit(images)` instead of `losses`. The evaluator discovers what else is there:

    * `reconstruct(x)` -> (N, C, H, W): scored as it is (not clamped), shown clamped to [0, 1];
    * `decode(z)` -> (N, C, H, W);
    * `sample(n)` -> (n, C, H, W) in [0, 1], new images; where these come from standard normal noise also
      `generate(noise)`, noise (n, `noise_dim`) -> (n, C, H, W) in [0, 1];
    * `elbo(x)` -> log p(x|z) (N,) of one posterior sample and KL(q(z|x) || p(z)) (N, D), both in nats an image, and
      `log_likelihood(x, samples)` -> (N,): log p(x) in nats, estimated from that many posterior samples;
    * `views(x)` -> two random views (N, C, H, W) each: how near their codes are is scored as alignment;
    * `layers(x)` -> {name: (N, D)}: inner representations, probed one by one;
    * `assign(x)` -> (N,) int64: the method's own cluster of each image, 0 to below `num_clusters`, an attribute;
    * `fit(images)`: learn, before the first step, from passes over `images()`, each an ordered stream of x. Fitted
      state lives in parameters and buffers whose shapes are known from `__init__`. A method may have `losses` as well
      (stages: fit, then fine-tune).

    A method that needs the index of its images, or several optimizers, overrides `training_step`: noise is seeded
    before it is called, and it hands its scalars to `record`. What a hook derives from the whole set
    (`on_train_epoch_start`, from `training_images`) it derives again when a run is resumed: no need to save it.

    The typed `__init__` is the schema of the recipe: plain types only, so that checkpoints load with
    `weights_only=True`. Arguments named `shape` and `augmentation` are filled from the data set.

    Args:
        shape: (C, H, W) of an image.
        lr: peak learning rate of Adam; warmed up over the first tenth of all steps, then annealed to 0 (cosine).

    Raises:
        UsageError: `lr` is not above 0, `code_dim` below 1; an argument typed as `Literal` has another value.
    """

    seed: int = 0  # the run's seed; training sets it, all step noise derives from it
    compiled_losses: Callable[[Tensor], dict[str, Tensor]] | None = None  # for the training step; training sets it
    beta2: float = 0.999  # how slowly Adam's average of squared gradients moves
    weight_decay: float = 0.0  # of the weights, not of biases and scales: a method that wants some sets it
    needs_init: bool = False  # whether the method makes no sense from nothing, without `init_from`
    unused_parameters: bool = False  # whether some get no gradient in a backward pass, as a GAN's other player
    initialised: bool = False  # whether it has started from another run's weights; `fit` may ask

    def __init__(self, shape: tuple[int, int, int], lr: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters(*signature(type(self)).parameters)  # with these a checkpoint rebuilds the model
        for name, hint in get_type_hints(type(self).__init__).items():
            known = choices(hint)
            if known and self.hparams[name] not in known:
                raise UsageError(f"model.{name} is {self.hparams[name]!r}: choose one of {', '.join(map(str, known))}")
        if (code_dim := self.hparams.get("code_dim")) is not None:
            at_least(1, code_dim=code_dim)
        at_least(0, weight_decay=self.hparams.get("weight_decay") or 0.0)
        if not 0 < lr < math.inf:
            raise UsageError(f"model.lr is {lr}: it must be above 0")
        self.shape, self.lr = shape, lr
        self.watch = Watch(lr)
        self._batch_index: Tensor | None = None  # (n,) of the batch in training
        self._held_out: dict[str, tuple[Any, int]] = {}  # of this validation: sums over images, and their number

    # ---- what a method provides -------------------------------------------------------------------------------------
    def losses(self, x: Tensor) -> dict[str, Tensor]:
        """Scalars of this batch: "loss" is minimised, all are logged. Views, noise and masks are drawn in here."""
        raise NotImplementedError(f"{type(self).__name__} defines neither losses(x) nor its own training_step")

    def encode(self, x: Tensor) -> Tensor:
        """The code z (N, D): in eval mode a fixed function of each image alone."""
        raise NotImplementedError(f"{type(self).__name__} does not define encode(x)")

    def initialise(self, state: dict[str, Tensor]) -> None:
        """Start from another run's weights (`init_from`): every one of them must fit; what else there is stays new.

        A method that takes some of them only hands these on to this.
        """
        if not state:
            raise UserError(f"init_from: the other run has no weights that {type(self).__name__} starts from")
        own = self.state_dict()
        for name, value in state.items():
            if name not in own or own[name].shape != value.shape:
                have = f"{tuple(own[name].shape)} here" if name in own else "no such weight here"
                raise UserError(
                    f"init_from: {name} has shape {tuple(value.shape)} in the other run, {have}: "
                    f"give {type(self).__name__} that run's options and images"
                )
        self.load_state_dict(state, strict=False)  # strict in the direction that matters, by the check above
        self.initialised = True

    # ---- what a method may call -------------------------------------------------------------------------------------
    def training_images(self) -> Iterator[Tensor]:
        """One ordered, clean, label-free pass over all training images on this device, as batches of x.

        For hooks that need the whole set: a target distribution each epoch, a fit by least squares, cluster centres.
        Row i of the pass is the image that training batches call index i.
        """
        return self._data.batches("learn", self.device)

    @property
    def iteration(self) -> int:
        """Training batches so far, the x axis of every curve."""
        return self.global_step // self.steps_per_batch

    @property
    def logging(self) -> bool:
        """Whether values of this step are: every `trainer.log_every_n_steps` steps, at least once an epoch."""
        every = min(cast(Any, self.trainer).log_every_n_steps, self._data.steps_per_epoch)
        return bool(every) and self.iteration % every == 0

    @property
    def steps_per_batch(self) -> int:
        """Optimizer steps that a batch takes: 1, unless a method steps several optimizers by itself."""
        return 1

    def record(self, values: dict[str, Tensor]) -> None:
        """Write training values as `train/<name>` when `logging` says so. UserError: a loss is not finite (`Watch`)."""
        self.watch.see(values["loss"].detach(), self.iteration, self._batch_index)
        if not self.logging:
            return
        self.watch.check()
        scalars = {f"train/{name}": value.detach().item() for name, value in values.items()}
        self.log("loss", scalars["train/loss"], prog_bar=True, logger=False)
        scalars["train/lr"] = self.trainer.optimizers[0].param_groups[0]["lr"]
        for logger in self.loggers:
            logger.log_metrics(scalars, self.iteration)

    @torch.no_grad()
    def generated(self, n: int) -> Tensor:
        """`generate` of n noises: the `sample` of a method that has `generate`. Eval mode: no statistics change."""
        model = cast(Any, self)
        if not hasattr(model, "noise_dim"):
            raise UserError(f"{type(self).__name__} has generate(noise) but no noise_dim: set it in __init__")
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            images: Tensor = model.generate(torch.randn(n, model.noise_dim, device=self.device))
        finally:
            for module, mode in modes:
                module.training = mode
        return images

    def total_steps(self) -> int:
        """Optimizer steps of the whole run (batches, for a method that overrides `training_step` to step by itself)."""
        total = self.trainer.estimated_stepping_batches  # calls of training_step, or inf; creates the loaders
        if not self.automatic_optimization and self.trainer.max_epochs != -1:
            an_epoch = min(self.trainer.num_training_batches * self._data.steps_per_call, self._data.steps_per_epoch)
            total = an_epoch * (self.trainer.max_epochs or 0)
            if self.trainer.max_steps >= 0:
                total = min(total, self.trainer.max_steps // self.steps_per_batch)
        if total == math.inf:
            raise UsageError("trainer.max_epochs or trainer.max_steps must say how long to train")
        return int(total)

    # ---- what Lightning calls ---------------------------------------------------------------------------------------
    @property
    def _data(self) -> Any:  # the ImageData in training: models do not import the data package
        return cast(Any, self.trainer).datamodule

    def setup(self, stage: str) -> None:
        """Choose the optimization mode that the loader's batches need."""
        own_step = type(self).training_step is not Model.training_step
        several = stage == "fit" and self._data.steps_per_call > 1
        if several and (own_step or self.trainer.gradient_clip_val or self.trainer.accumulate_grad_batches > 1):
            raise UsageError(
                "data.steps_per_call > 1 does not go with gradient clipping, gradient accumulation or a model that "
                "has its own training_step: set data.steps_per_call to 1"
            )
        if not own_step:
            self.automatic_optimization = not several

    def on_fit_start(self) -> None:
        """Methods that `fit` learn here, from whole passes over the training images; a resumed run has done so."""
        fit = getattr(self, "fit", None)
        if fit is not None and self.trainer.ckpt_path is None:
            seed_noise(self.device, self.seed, "fit")
            fit(self.training_images)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed the noise of this step: what is drawn is a function of (seed, step, process)."""
        seed_noise(self.device, self.seed, "step", self.global_step, self.global_rank)
        self._batch_index = batch[1] if isinstance(batch, tuple) else None

    def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
        """One optimizer step on (x, index); on several of them (`data.steps_per_call` > 1), one step on each."""
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
        return values["loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The same losses on validation images, in eval mode and with the same noise each time."""
        seed_noise(self.device, self.seed, "val", batch_idx, self.global_rank)
        for name, value in self.losses(batch[0]).items():  # `self.log` takes half a millisecond: once an epoch
            total, n = self._held_out.get(f"val/{name}", (0.0, 0))
            self._held_out[f"val/{name}"] = total + len(batch[0]) * value.float(), n + len(batch[0])

    def on_validation_epoch_end(self) -> None:
        """Put the epoch's means on the step axis of the training losses. Raises UserError: the loss is not finite."""
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
        """Raises UserError: a loss since the start was not finite."""
        self.watch.check()

    def configure_optimizers(self) -> Any:
        """Adam, warm-up over a tenth of the steps, cosine to 0; no optimizer for a method without parameters."""
        return annealed_adam(self, self.lr, self.beta2, self.weight_decay, self.total_steps)
