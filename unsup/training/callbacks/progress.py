"""What training measures and tells: throughput, gradients, one progress line. None of it changes a weight."""

import math
import shutil
import sys
import time
from typing import Any

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback, ProgressBar
from torch import Tensor
from tqdm import tqdm

from unsup.data.batches import Call
from unsup.models.parts.optim import gradient_norm
from unsup.training.callbacks.images import Pictures, boards, planned_epochs
from unsup.training.callbacks.online_scores import QuickScores

LINES = 20  # of progress in a run whose output is not a terminal
LAYOUT = {
    "Learning": {
        "loss": ["train/loss", "val/loss"],
        "learning rate": ["train/lr"],
        "gradient norm": ["train/grad_norm"],
        "images a second": ["train/images_per_second"],
    },
    "Representation": {
        "quick scores of validation codes": ["quick/linear_probe", "quick/kmeans_acc", "quick/kmeans_nmi"],
        "effective rank of validation codes": ["quick/effective_rank"],
    },
}
GAME = {  # of two players
    "GAN game": {
        "losses": ["train/d_loss", "train/g_loss"],
        "log D(x) and D(G(z))": ["train/log_d_real", "train/d_fake"],
        "gradient norms": ["train/grad_norm_d", "train/grad_norm_g"],
    }
}


def callbacks(throughput: "Throughput") -> list[Callback]:
    """The callbacks of every training, in the order that they need: time is measured before anything is drawn."""
    quick = QuickScores()
    return [throughput, GradientNorm(), quick, Progress(throughput, quick), Pictures(), Layout(), Curves()]


class Curves(Callback):
    """Puts the curves on disk before each checkpoint: those of a run that was killed and goes on have no gap."""

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        for logger in trainer.loggers:
            logger.save()


class GradientNorm(Callback):
    """Euclidean norm of a step's gradients, before any clipping: `train/grad_norm`, as often as the losses.

    A method that steps several optimizers records the norm of each by itself.
    """

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Any) -> None:
        if not pl_module.logging or len(trainer.optimizers) > 1:
            return
        norm = gradient_norm(optimizer).item()
        for logger in trainer.loggers:
            logger.log_metrics({"train/grad_norm": norm}, _step(pl_module))


class Layout(Callback):
    """TensorBoard's "custom scalars": the curves that belong together, in one drawing each."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        chapters = LAYOUT | (GAME if len(trainer.optimizers) > 1 else {})
        layout = {title: {name: ["Multiline", tags] for name, tags in of.items()} for title, of in chapters.items()}
        for board in boards(trainer):
            board.experiment.add_custom_scalars(layout)


class Throughput(Callback):
    """Seconds of training and images a second; the latter without validation, pictures and checkpoints.

    Both go on counting in a resumed run. `train/images_per_second` is logged once an epoch.
    """

    def __init__(self) -> None:
        self.images = 0  # training images seen, by all processes
        self.epoch_rate = 0.0  # images a second in the epoch that ended last
        self._fit, self._steps = Stopwatch(), Stopwatch()
        self._epoch_start = (0, 0.0)  # images, seconds

    def record(self) -> dict[str, float]:
        """{"train_seconds", "images_per_second"} for the report; the second is absent where no batch was trained on."""
        rate = {"images_per_second": self.images / self._steps.seconds} if self.images else {}
        return {"train_seconds": self._fit.seconds} | rate

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._fit.start()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._steps.start()  # a run resumed in the middle of an epoch has no on_train_epoch_start
        self._epoch_start = (self.images, self._steps.seconds)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._steps.start()
        self._epoch_start = (self.images, self._steps.seconds)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        batch = args[1]  # (x, index), or several of them
        self.images += trainer.world_size * (batch.images if isinstance(batch, Call) else len(batch[0]))

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        _wait(pl_module.device)
        self._steps.stop()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._steps.start()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        _wait(pl_module.device)
        self._steps.stop()
        images, seconds = self._epoch_start
        self.epoch_rate = (self.images - images) / max(self._steps.seconds - seconds, 1e-9)
        for logger in trainer.loggers:
            logger.log_metrics({"train/images_per_second": self.epoch_rate}, _step(pl_module))

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._fit.stop()

    def state_dict(self) -> dict[str, float]:
        return {"images": self.images, "fit": self._fit.seconds, "steps": self._steps.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.images = state_dict["images"]
        self._fit.past, self._steps.past = state_dict["fit"], state_dict["steps"]


class Stopwatch:
    """Seconds between starts and stops; starting twice is starting once."""

    def __init__(self) -> None:
        self.past = 0.0
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        return self.past + (0.0 if self._since is None else time.perf_counter() - self._since)

    def start(self) -> None:
        self._since = time.perf_counter() if self._since is None else self._since

    def stop(self) -> None:
        self.past, self._since = self.seconds, None


class Progress(ProgressBar):
    """In a terminal one bar for the whole run; elsewhere some 20 plain lines a run, each about one epoch."""

    def __init__(self, throughput: Throughput, quick: QuickScores) -> None:
        super().__init__()
        self.throughput, self.quick = throughput, quick
        self._enabled = True
        self._bar: Any = None
        self._recorded: Tensor | None = None  # the training loss that was shown last
        self._scores = quick.newest  # those that were shown last

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        calls = int(trainer.num_training_batches)  # of training_step in an epoch
        self._epochs = planned_epochs(trainer)
        self._scores = self.quick.newest  # of a resumed run: shown already
        if self._enabled and sys.stderr.isatty():
            screen = shutil.get_terminal_size()  # tqdm's own look at it shows nothing where the size is unknown
            self._bar = tqdm(
                total=calls * self._epochs,
                initial=calls * trainer.current_epoch,
                bar_format="{desc}  {bar:12}  {elapsed}<{remaining}{postfix}",
                mininterval=0.25,
                ncols=screen.columns,
                nrows=screen.lines,
            )

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._bar is not None:
            self._bar.set_description_str(f"epoch {trainer.current_epoch + 1}/{self._epochs}", refresh=False)

    def on_train_batch_end(self, *args: Any) -> None:
        if self._bar is not None:
            self._bar.update()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        found = trainer.callback_metrics
        metrics = {"train": found.get("loss"), "val": found.get("val/loss")}
        if metrics["train"] is not None and metrics["train"] == self._recorded:  # of an earlier epoch: none is newer
            metrics["train"] = None
        else:
            self._recorded = metrics["train"]
        values = [f"{title} {value:.4g}" for title, value in metrics.items() if value is not None]
        fresh, self._scores = self.quick.newest is not self._scores, self.quick.newest
        if fresh and "linear_probe" in self._scores:
            values.append(f"probe {self._scores['linear_probe']:.3f}")
        text = "  ".join([*values, f"{self.throughput.epoch_rate:,.0f} images/s"])
        if self._bar is not None:
            self._bar.set_postfix_str(text)
        elif self._enabled and (epoch in (1, self._epochs) or epoch % math.ceil(self._epochs / LINES) == 0):
            print(f"epoch {epoch}/{self._epochs}  {text}", file=sys.stderr, flush=True)

    def on_train_end(self, *args: Any) -> None:
        self._close()

    def on_exception(self, *args: Any) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _step(model: Any) -> int:
    return int(model.iteration)


def _wait(device: torch.device) -> None:
    """Until the device has done what it was given: otherwise the clock stops too early."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
