"""Progress of a training in the terminal or in plain lines."""

import logging
import math
import shutil
import sys
from typing import Any

import lightning.pytorch as L
from lightning.pytorch.callbacks import ProgressBar
from torch import Tensor
from tqdm import tqdm

from unsup.training.callbacks.online_scores import OnlineScores
from unsup.training.callbacks.schedule import planned_epochs
from unsup.training.callbacks.throughput import Throughput

log = logging.getLogger(__name__)

LINES = 20  # of progress in a run whose output is not a terminal


class Progress(ProgressBar):
    """One progress bar for the run in a terminal, or about 20 plain lines."""

    def __init__(self, throughput: Throughput, online: OnlineScores) -> None:
        super().__init__()
        self.throughput, self.online = throughput, online
        self._enabled = True
        self._bar: Any = None
        self._recorded: Tensor | None = None  # the last training loss shown
        self._scores = online.newest  # the last ones shown

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        calls = int(trainer.num_training_batches)  # of training_step in an epoch
        self._epochs = planned_epochs(trainer)
        if self._enabled:
            log.info(length(trainer.lightning_module, trainer.datamodule, self._epochs))  # type: ignore[attr-defined]
        self._scores = self.online.newest  # those of a resumed run were shown already
        if self._enabled and sys.stderr.isatty():
            screen = shutil.get_terminal_size()  # tqdm shows nothing if it does not know the size
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
        train, val = (trainer.callback_metrics.get(name) for name in ("loss", "val/loss"))
        losses = {"train": None if train is not None and train == self._recorded else train, "val": val}  # new ones
        self._recorded = train
        values = [f"{title} {value:.4g}" for title, value in losses.items() if value is not None]
        new, self._scores = self.online.newest is not self._scores, self.online.newest
        if new and "linear_probe" in self._scores:
            values.append(f"probe {self._scores['linear_probe']:.3f}")
        text = "  ".join([*values, f"{self.throughput.epoch_rate:,.0f} images/s"])
        if self._bar is not None:
            self._bar.set_postfix_str(text)
        elif self._enabled and (epoch in (1, self._epochs) or epoch % math.ceil(self._epochs / LINES) == 0):
            log.info("epoch %d/%d  %s", epoch, self._epochs, text)

    def on_train_end(self, *args: Any) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def on_exception(self, *args: Any) -> None:
        self.on_train_end()


def length(model: Any, data: Any, epochs: int) -> str:
    """Return the images, steps and epochs of a training, for its first line."""
    each, total = (f"{n:,} step{'' if n == 1 else 's'}" for n in (model.batches_per_epoch, model.planned_steps()))
    batches = f"batches of {data.batch_size:,}, {epochs:,} epoch{'' if epochs == 1 else 's'}"
    return f"{data.size('learn'):,} training images, {each} an epoch, {total} ({batches})"
